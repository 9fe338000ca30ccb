package oauth

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// TestF13ExpiresInIsTheLifetime whatever the clock says, and wherever it is: what
// the answer tells is what the token says, and neither is ever negative.
func TestF13ExpiresInIsTheLifetime(t *testing.T) {
	berlin := must(time.LoadLocation("Europe/Berlin"))
	for name, now := range map[string]time.Time{
		"a fraction before the second":    time.Date(2026, 3, 16, 23, 59, 59, 999_999_999, time.UTC),
		"just before clocks go forward":   time.Date(2026, 3, 29, 1, 59, 59, 0, berlin),
		"just before clocks go back":      time.Date(2026, 10, 25, 2, 59, 59, 0, berlin),
		"the hour that comes twice":       time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC).In(berlin),
		"a leap second":                   time.Date(2016, 12, 31, 23, 59, 60, 500_000_000, time.UTC),
		"a leap day":                      time.Date(2028, 2, 29, 23, 59, 59, 0, time.UTC),
		"a clock that was never set":      time.Unix(0, 0),
		"a clock before that":             time.Unix(-1, 1),
		"a clock ten years ahead":         time.Date(2036, 3, 16, 0, 0, 0, 0, time.UTC),
		"the end of 32 bits":              time.Unix(1<<31-1, 999_999_999),
		"the last year that a date takes": time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			for _, lifetime := range []time.Duration{time.Second, time.Hour, 24 * time.Hour} {
				c := &Client{Application: &application.Application{ClientID: "worker"}}
				token := NewAccessToken("https://idp.example.com", c, &application.Grant{Lifetime: lifetime}, now)
				var claims struct{ Iat, Exp int64 }
				if err := json.Unmarshal(must(token.Claims()), &claims); err != nil {
					t.Fatal(err)
				}
				if want := int64(lifetime / time.Second); token.ExpiresIn() != want || claims.Exp-claims.Iat != want {
					t.Errorf("expires_in %d, exp-iat %d, want %d", token.ExpiresIn(), claims.Exp-claims.Iat, want)
				}
				if d := now.Unix() - claims.Iat; d != 0 {
					t.Errorf("iat is %d s from now", d)
				}
			}
		})
	}
}
