// Package oauth is the authorization server's side of OAuth 2.0. It parses requests,
// authenticates clients, and writes answers (RFC 6749, RFC 8414). It imports net/http, and
// no Caddy.
package oauth

import (
	"errors"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Error codes of the token endpoint (RFC 6749 section 5.2, RFC 8707 section 2, RFC
// 9449 section 5).
const (
	CodeInvalidRequest         = "invalid_request"
	CodeInvalidClient          = "invalid_client"
	CodeUnauthorizedClient     = "unauthorized_client"
	CodeUnsupportedGrantType   = "unsupported_grant_type"
	CodeInvalidScope           = "invalid_scope"
	CodeInvalidTarget          = "invalid_target"
	CodeInvalidDPoPProof       = "invalid_dpop_proof"
	CodeTemporarilyUnavailable = "temporarily_unavailable"
)

// Error is the answer to a refused request, with the reason and the cause for the
// operator.
type Error struct {
	Status      int
	Code        string // RFC 6749 section 5.2
	Description string // fixed text; never anything of the request (RFC 6749 section 5.2 restricts its characters)
	Allow       string // the Allow header of a 405
	RetryAfter  time.Duration

	Reason Reason
	Cause  error // for the log; holds no secret
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Reason, e.Cause)
	}
	return string(e.Reason)
}

func (e *Error) Unwrap() error { return e.Cause }

// refuse returns the answer for a reason. The cause is for the log, and may be nil. It may
// have claims of an unverified assertion, never its signature.
func refuse(reason Reason, cause error) *Error {
	a, ok := answers[reason]
	if !ok {
		a = later
	}
	return a.to(reason, cause)
}

// saying sets another description, for a reason that has several.
func (e *Error) saying(description string) *Error {
	e.Description = description
	return e
}

// after sets how long the caller must wait.
func (e *Error) after(wait time.Duration) *Error {
	e.RetryAfter = wait
	return e
}

// Unavailable returns the 503 answer for a request that needs something that cannot be
// reached. Its RetryAfter is at least a second, and not before keys are read again.
func Unavailable(reason Reason, cause error) *Error {
	wait := time.Second
	if keys, ok := errors.AsType[*verifier.OutOfReach](cause); ok {
		wait = max(wait, keys.RetryAfter)
	}
	return refuse(reason, cause).after(wait)
}

// InternalError returns the answer for any other fault of this server.
func InternalError(cause error) *Error { return Unavailable(ReasonInternal, cause) }
