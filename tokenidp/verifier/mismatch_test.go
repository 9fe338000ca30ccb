package verifier

import (
	"errors"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// A mismatch has the found value and the expected one.
func TestMismatchTellsWhatWasFoundAndExpected(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	c := &Claims{Audience: []string{"stock-api"}, Scope: []string{"stock.read"}, all: claimsOf(object{"tier": "free"})}
	either := []Alternative{{"stock.write", "stock-api"}, {"stock.admin", "stock-api"}}
	_, unknown := (&Verifier{issuers: []*Issuer{{options: Options{URL: "https://a"}}, {options: Options{URL: "https://b"}}}}).
		claimedIssuer(map[string]any{"iss": "https://c"})
	issuer := &Issuer{options: Options{Types: []string{"at+jwt"}, Algorithms: []string{"ES256", "RS256"}}}
	for name, row := range map[string]struct {
		err             error
		reason          Reason
		found, expected string
	}{
		"audience":        {c.Authorize(&Requirement{Audiences: []string{"a", "b"}}, clock, nil), WrongAudience, `aud is "stock-api"`, "a or b"},
		"scope":           {c.Authorize(&Requirement{Audiences: c.Audience, Scopes: []string{"x", "y"}}, clock, nil), MissingScope, `scope is "stock.read"`, "x and y"},
		"any scope":       {c.Authorize(&Requirement{Alternatives: either}, clock, nil), MissingScope, `scope is "stock.read"`, "stock.write or stock.admin"},
		"both":            {c.Authorize(&Requirement{Scopes: []string{"x"}, Alternatives: either}, clock, nil), MissingScope, `scope is "stock.read"`, "x, and stock.write or stock.admin"},
		"claim":           {c.Authorize(&Requirement{Audiences: c.Audience, Claims: []claimrule.Rule{{Path: claimrule.Path{"tier"}, Values: []string{"gold"}}}}, clock, nil), ClaimNotAccepted, `the claim tier is "free"`, `["gold"]`},
		"no claim":        {c.Authorize(&Requirement{Audiences: c.Audience, Claims: []claimrule.Rule{{Path: claimrule.Path{"x"}, Values: []string{"gold"}}}}, clock, nil), ClaimNotAccepted, "the claim x is missing", `["gold"]`},
		"expired":         {(&Claims{ExpiresAt: at.Add(-time.Hour)}).checkTimes(at, 30*time.Second), Expired, "exp is 2026-11-23T06:00:00Z", "after 2026-11-23T06:59:30Z"},
		"not yet":         {(&Claims{ExpiresAt: at.Add(time.Hour), notBefore: at.Add(time.Minute)}).checkTimes(at, 30*time.Second), NotYetValid, "nbf is 2026-11-23T07:01:00Z", "up to 2026-11-23T07:00:30Z"},
		"from the future": {(&Claims{ExpiresAt: at.Add(time.Hour), IssuedAt: at.Add(2 * time.Minute)}).checkTimes(at, 0), IssuedInFuture, "iat is 2026-11-23T07:02:00Z", "up to 2026-11-23T07:01:00Z"},
		"issuer":          {unknown, UnknownIssuer, `iss is "https://c"`, "https://a or https://b"},
		"type":            {issuer.accepts(jws.Header{Type: "JWT", HasType: true}), WrongType, `typ is "JWT"`, `["at+jwt"]`},
		"algorithm":       {issuer.accepts(jws.Header{Type: "at+jwt", HasType: true, Algorithm: "PS256"}), WrongAlgorithm, `alg is "PS256"`, "ES256 or RS256"},
	} {
		var refusal *Refusal
		var mismatch *Mismatch
		if !errors.As(row.err, &refusal) || refusal.Reason != row.reason || !errors.As(row.err, &mismatch) {
			t.Errorf("%s: %v", name, row.err)
			continue
		}
		if mismatch.Found != row.found || mismatch.Expected != row.expected {
			t.Errorf("%s: found %s, expected %s", name, mismatch.Found, mismatch.Expected)
		}
	}
}
