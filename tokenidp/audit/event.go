package audit

import "time"

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

// Request is the request that was decided on. An empty field is not written.
type Request struct {
	// RequestID is Caddy's, and TraceID that of its tracing.
	RequestID, TraceID string
	// ClientIP is the address of the sender. What is not an IP address is not written.
	ClientIP string
	// What it asked for. Path has no query. What looks like a secret or a token is replaced.
	Method, Host, Path string
}

// Event is one decision. An empty field is not written.
type Event struct {
	// Time is when it was decided. Default: when the event is written.
	Time time.Time
	Kind Kind
	// At is the part of the server that decided: token, introspect, revoke, verify,
	// applications, keys, configuration or admin.
	At string

	Request

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
}

// Members are encoded members of a line, from [Event.Members]. Many lines share them.
type Members string

// Pass is the event of a request that a verify lets through. There are more of these than of
// all others together, so what they share is encoded ahead.
type Pass struct {
	Time time.Time
	Request
	// Route are the members Route and Source, and Token those of the token but TokenID.
	Route, Token Members
	TokenID      string
}
