package verifier

import (
	"net/http"
	"strings"
)

// Scheme is the authentication scheme of a token (RFC 9110 section 11.1).
type Scheme string

const (
	// Bearer is RFC 6750, also for tokens that are bound to a certificate.
	Bearer Scheme = "Bearer"
	// DPoP is RFC 9449 section 7.1, for tokens that are bound to the key of a proof.
	DPoP Scheme = "DPoP"
)

// Presented is the access token of a request. It is not verified.
type Presented struct {
	Token  string
	Scheme Scheme
}

// PresentedToken returns the access token in the Authorization header (RFC 6750 section
// 2.1, RFC 9449 section 7.1):
//
//	Authorization: Bearer <token>
//	Authorization: DPoP <token>
//
// The case of the scheme is ignored, and one or more spaces follow it. Tokens in the
// query, the body and cookies are ignored. Errors are *[Refusal]: a challenge without an
// error code if there is no access token at all, otherwise invalid_request.
// [Verifier.Verify] checks the token itself.
func PresentedToken(h http.Header) (Presented, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return Presented{}, Refuse(NoToken, nil)
	}
	// Of two headers, another server may take either.
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

// holds reports whether s has the byte. It is three times as fast as strings.ContainsAny.
func holds(s string, c byte) bool { return strings.IndexByte(s, c) >= 0 }
