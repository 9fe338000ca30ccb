package verifier

import (
	"math"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

func TestAuthorizeByAge(t *testing.T) {
	token := &Claims{Audience: []string{"orders-api"}, IssuedAt: now.Add(-10 * time.Minute), ExpiresAt: now.Add(20 * time.Minute)}
	ahead := &Claims{Audience: token.Audience, IssuedAt: now.Add(time.Minute), ExpiresAt: now.Add(2 * time.Minute)}
	undated := &Claims{Audience: token.Audience, ExpiresAt: now.Add(time.Minute)}
	epoch := &Claims{Audience: token.Audience, IssuedAt: time.Unix(0, 0), ExpiresAt: now.Add(time.Minute)}
	for name, row := range map[string]struct {
		claims *Claims
		asked  Requirement
		reason Reason
	}{
		"any age":                 {token, Requirement{}, ""},
		"of the age":              {token, Requirement{MaxAge: 10 * time.Minute}, ""},
		"older":                   {token, Requirement{MaxAge: 10*time.Minute - 1}, TooOld},
		"issued ahead":            {ahead, Requirement{MaxAge: 1}, ""},
		"issued in 1970":          {epoch, Requirement{MaxAge: time.Hour}, TooOld},
		"no iat, any age":         {undated, Requirement{}, ""},
		"no iat, max_age":         {undated, Requirement{MaxAge: 1 << 62}, TooOld},
		"of the lifetime":         {token, Requirement{MaxLifetime: 30 * time.Minute}, ""},
		"lives longer":            {token, Requirement{MaxLifetime: 30*time.Minute - 1}, LivesTooLong},
		"no iat, max_lifetime":    {undated, Requirement{MaxLifetime: math.MaxInt64}, LivesTooLong},
		"young, but lives longer": {token, Requirement{MaxAge: time.Hour, MaxLifetime: time.Minute}, LivesTooLong},
		"age before claims":       {token, Requirement{MaxAge: 1, Present: []claimrule.Path{{"x"}}, Scopes: []string{"x"}}, TooOld},
		"audience before age":     {&Claims{}, Requirement{MaxAge: 1}, WrongAudience},
	} {
		t.Run(name, func(t *testing.T) {
			row.asked.Audiences = []string{"orders-api"}
			wantVerdict(t, row.claims.Authorize(&row.asked, clock, nil), row.reason)
		})
	}
}

// A token becomes too old while it is remembered.
func TestAgeIsJudgedForEveryRequest(t *testing.T) {
	c := &Claims{Audience: []string{"orders-api"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	asked := &Requirement{Audiences: c.Audience, MaxAge: time.Minute}
	for after, reason := range map[time.Duration]Reason{0: "", time.Minute: "", time.Minute + 1: TooOld} {
		wantVerdict(t, c.Authorize(asked, func() time.Time { return now.Add(after) }, nil), reason)
	}
}

func TestAuthorizeByPresence(t *testing.T) {
	c := &Claims{Audience: []string{"orders-api"}, all: claimsOf(object{
		"tenant": "a", "empty": "", "no": false, "zero": strictjson.Number("0"), "none": []any{}, "null": nil,
		"realm": map[string]any{"roles": []any{"x"}, "null": nil},
	})}
	for name, row := range map[string]struct {
		paths  []claimrule.Path
		reason Reason
	}{
		"there":             {[]claimrule.Path{{"tenant"}}, ""},
		"every one":         {[]claimrule.Path{{"empty"}, {"no"}, {"zero"}, {"none"}, {"realm", "roles"}}, ""},
		"missing":           {[]claimrule.Path{{"owner"}}, ClaimRequired},
		"one of two":        {[]claimrule.Path{{"tenant"}, {"owner"}}, ClaimRequired},
		"another case":      {[]claimrule.Path{{"Tenant"}}, ClaimRequired},
		"null":              {[]claimrule.Path{{"null"}}, ClaimRequired},
		"null, nested":      {[]claimrule.Path{{"realm", "null"}}, ClaimRequired},
		"missing in it":     {[]claimrule.Path{{"realm", "groups"}}, ClaimRequired},
		"within a string":   {[]claimrule.Path{{"tenant", "x"}}, ClaimRequired},
		"no path":           {[]claimrule.Path{nil}, ClaimRequired},
		"nothing asked for": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			wantVerdict(t, c.Authorize(&Requirement{Audiences: []string{"orders-api"}, Present: row.paths}, clock, nil), row.reason)
		})
	}
}

// wantVerdict wants a refusal for the reason, or none.
func wantVerdict(t *testing.T, err error, reason Reason) {
	t.Helper()
	if reason != "" {
		wantRefusal(t, err, reason, "")
	} else if err != nil {
		t.Error(err)
	}
}
