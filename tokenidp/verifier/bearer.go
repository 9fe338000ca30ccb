package verifier

import (
	"net/http"
	"strings"
)

// Scheme is how a token is presented (RFC 9110 section 11.1).
type Scheme string

const (
	// Bearer is RFC 6750, also for tokens that are bound to a certificate.
	Bearer Scheme = "Bearer"
	// DPoP is RFC 9449 section 7.1, for tokens that are bound to the key of a proof.
	DPoP Scheme = "DPoP"
)

// Presented is an access token as a request has it. Nothing of it is verified.
type Presented struct {
	Token  string
	Scheme Scheme
}

// PresentedToken takes the one access token out of the Authorization header (RFC 6750
// section 2.1, RFC 9449 section 7.1):
//
//	Authorization: Bearer <token>
//	Authorization: DPoP <token>
//
// The scheme is compared without regard to case, one or more spaces follow it. The
// query, the body and cookies are never looked at. Errors are *[Refusal]: a bare
// challenge when there is no access token at all, else invalid_request. What the
// token may consist of is for [Verifier.Verify] to check.
func PresentedToken(h http.Header) (Presented, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return Presented{}, Refuse(NoToken, nil)
	}
	// Which of two another server would take cannot be known, even if they agree.
	if len(values) > 1 {
		return Presented{}, Refuse(SeveralAuthorizations, nil)
	}
	name, token, _ := strings.Cut(values[0], " ")
	scheme := Bearer
	switch {
	case strings.EqualFold(name, string(Bearer)):
	case strings.EqualFold(name, string(DPoP)):
		scheme = DPoP
	default:
		return Presented{}, Refuse(NoToken, nil)
	}
	token = strings.TrimLeft(token, " ")
	// A proxy may join two headers with a comma.
	if token == "" || holds(token, ' ') || holds(token, '\t') || holds(token, ',') {
		return Presented{Scheme: scheme}, Refuse(MalformedAuthorization, nil)
	}
	return Presented{token, scheme}, nil
}

// holds is faster, three times over, than a search for a set.
func holds(s string, c byte) bool { return strings.IndexByte(s, c) >= 0 }
