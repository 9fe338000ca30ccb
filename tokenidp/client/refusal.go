package client

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// codeUseDPoPNonce is the error of a server that wants its nonce in the proof (RFC
// 9449 section 8).
const codeUseDPoPNonce = "use_dpop_nonce"

// Refusal is the answer of a token endpoint that gives no token (RFC 6749 section
// 5.2). What is in it is the server's own words.
type Refusal struct {
	Status      int
	Code        string // "" where the answer is not OAuth's
	Description string
	// RetryAfter is how long the server asks to wait, 0 if it does not.
	RetryAfter time.Duration
	// Location is where a redirect leads, which is not followed.
	Location string

	nonce string
}

func newRefusal(status int, header http.Header, body []byte, now time.Time) *Refusal {
	r := &Refusal{Status: status, RetryAfter: retryAfter(header.Get("Retry-After"), now), nonce: header.Get("DPoP-Nonce")}
	if status/100 == 3 {
		r.Location = header.Get("Location")
	}
	answer, err := strictjson.Object(body)
	if err != nil {
		return r
	}
	r.Code, _ = answer["error"].(string)
	r.Description, _ = answer["error_description"].(string)
	return r
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.Status, cmp.Or(r.Code, http.StatusText(r.Status)))
	if r.Description != "" {
		text += ": " + r.Description
	}
	return text
}

// Passing reports whether the same request may succeed later.
func (r *Refusal) Passing() bool {
	return r.Status == http.StatusTooManyRequests || r.Status >= http.StatusInternalServerError
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
