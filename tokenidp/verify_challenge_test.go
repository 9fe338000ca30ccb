package tokenidp

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// RFC 9110 section 10.2.3: who waits as long finds the keys asked for again.
func TestRetryAfterIsWhenTheKeysAreFetched(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 9001 * time.Millisecond: "10", 10 * time.Second: "10"} {
		cause := fmt.Errorf("judging: %w", &verifier.OutOfReach{Err: errors.New("down"), RetryAfter: after})
		if got := retryAfter(verifier.Refuse(verifier.KeysUnavailable, cause)); got != want {
			t.Errorf("%v: Retry-After %s, want %s", after, got, want)
		}
		if got := oauth.Unavailable(oauth.ReasonUndecided, cause).RetryAfter; got != max(after, time.Second) {
			t.Errorf("%v: %v at an endpoint for clients", after, got)
		}
	}
	if got := retryAfter(verifier.Refuse(verifier.StateUnavailable, errors.New("down"))); got != "1" {
		t.Errorf("without a time: %s", got)
	}
}
