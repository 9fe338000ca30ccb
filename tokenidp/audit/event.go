package audit

import (
	"net/netip"
	"time"
)

// Kind is what was decided.
type Kind string

const (
	// Issued: the token endpoint has issued a token.
	Issued Kind = "issued"
	// Refused: an endpoint or a verify has refused a request.
	Refused Kind = "refused"
	// Allowed: a verify has let a request through.
	Allowed Kind = "allowed"
	// Revoked: a token, the tokens of a client or all tokens of an issuer are revoked.
	Revoked Kind = "revoked"
	// Rotated: another key signs now.
	Rotated Kind = "rotated"
	// Deactivated: an Application is no longer active.
	Deactivated Kind = "deactivated"
	// Changed: a configuration or the Applications in force have changed.
	Changed Kind = "changed"
	// Operated: a user of the admin endpoint has changed something.
	Operated Kind = "operated"
	// Lost: lines before this one could not be written.
	Lost Kind = "lost"
)

// Kinds are all kinds that the configuration may omit.
var Kinds = []Kind{Issued, Refused, Allowed, Revoked, Rotated, Deactivated, Changed, Operated}

// Event is one decision. An empty field is not written.
type Event struct {
	// Time is when it was decided. Default: when the event is written.
	Time time.Time
	Kind Kind
	// At is the part of the server that decided: token, introspect, revoke, verify,
	// applications, keys, configuration or admin.
	At string

	// The request: its ids, its sender, and what it asked for. Path has no query.
	RequestID, TraceID string
	ClientIP           netip.Addr
	Method, Host, Path string

	// The client, and how it has authenticated: AuthMethod is a value of
	// token_endpoint_auth_method (RFC 7591 section 2).
	Issuer, ClientID     string
	AuthMethod, SecretID string

	// The token: TokenID is its jti, KeyID the kid that it is signed with.
	TokenID, KeyID, Audience string
	Scope                    []string
	Expires                  time.Time

	// Route is the route of a verify, and Source its file and line, or that of an
	// Application.
	Route, Source string
	ReportOnly    bool

	// Status, Reason and Cause describe a refusal.
	Status        int
	Reason, Cause string

	// Who is the user of the admin endpoint, Detail the change.
	Who, Detail string

	// Lines is the number of lost lines.
	Lines int

	// Members are further members, from [Event.Encode]. The event has none of them itself.
	Members string
}
