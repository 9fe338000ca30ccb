package oauth

import (
	"net/http"
	"time"
)

// QuotaExceeded is the answer to an authenticated client that has used up its tokens.
func QuotaExceeded(wait time.Duration) *Error {
	return &Error{
		Status:      http.StatusTooManyRequests,
		Code:        CodeTemporarilyUnavailable,
		Description: "the client has used up its quota of tokens; try again later",
		RetryAfter:  wait,
		Reason:      ReasonQuotaExceeded,
	}
}
