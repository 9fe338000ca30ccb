package adminendpoint

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// TestStatusPageShowsUse as it was counted, and a refusal with the Application of the same
// issuer.
func TestStatusPageShowsUse(t *testing.T) {
	app := provision(t, map[string]string{"https://idp.example.com": usedApplications}, []string{`{"handler": "verify", "scopes": ["orders.read"]}`})
	route := app.VerifyRoutes()[0].ID
	key := func(kind usage.Kind, issuer, detail string) usage.Key {
		return usage.Key{Kind: kind, Issuer: issuer, Client: "worker", Name: route, Detail: detail}
	}
	for range 1204 {
		app.Usage().Count(key(usage.Passed, "https://idp.example.com", "orders.read"))
	}
	for range 2 {
		app.Usage().Count(key(usage.Refused, "https://idp.example.com", "expired"))
	}
	for range 5 {
		app.Usage().Count(key(usage.Refused, "https://elsewhere.example.com", "revoked"))
	}
	app.Usage().CountHourly(usage.Key{Kind: usage.Issued, Issuer: "https://idp.example.com", Client: "worker"})
	f := newFacts(app, time.Now())
	if f.Usage.Nodes != 1 || f.Usage.Since == nil {
		t.Fatalf("%+v", f.Usage)
	}
	page := get(t, app, "/tokenidp/status-page?client=worker")
	if !regexp.MustCompile(`<td data-label="By hour \(UTC\)">[^<]*:00: 1</td><td data-label="By day">[^<]*: 1</td>`).MatchString(page) {
		t.Errorf("the page does not say that there was one token: %s", page)
	}
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")
	text = strings.Join(strings.Fields(text), " ")
	for _, want := range []string{"The last token: ", "Counted on 1 node, known since ", "1,204 times last ", "refused 2 times last ", "1,204 by orders.read"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
}
