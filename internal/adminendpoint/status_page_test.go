package adminendpoint

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/accessmap"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
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
	if text := textOf(get(t, app, "/tokenidp/status-page?client=worker")); !strings.Contains(text, "The map is being computed. This page shows it then.") {
		t.Errorf("without a map, the page says:\n%s", text)
	}
	recorder := httptest.NewRecorder()
	handlerWith(app, computed(t, app)).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/tokenidp/status-page?client=worker", nil))
	page := recorder.Body.String()
	if !regexp.MustCompile(`<td data-label="By hour \(UTC\)">[^<]*:00: 1</td><td data-label="By day">[^<]*: 1</td>`).MatchString(page) {
		t.Errorf("the page does not say that there was one token: %s", page)
	}
	text := textOf(page)
	for _, want := range []string{"The last token: ", "Counted on 1 node, known since ", "1,204 times last ", "refused 2 times last ", "1,204 by orders.read", "with version " + versionOf(app) + " of the Applications"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
}

// While a module hangs, the page has neither a map nor the lines of an old one.
func TestPageWhileAModuleHangs(t *testing.T) {
	since := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for earlier, whose := range map[bool]string{false: "the configuration", true: "an earlier configuration"} {
		var f statuspage.Facts
		addMap(&f, accessmap.View{Map: new(accessmap.Map), Changed: true, Hangs: since, Earlier: earlier})
		want := statuspage.Map{Problem: "a module of " + whose + " has not returned since 2026-11-29T12:00:00Z, no map until Caddy restarts"}
		if f.Map != want || f.Reaches != nil || f.Callers != nil {
			t.Errorf("%+v", f.Map)
		}
	}
}

// computed has the map of the App.
func computed(t *testing.T, app *tokenidp.App) *accessmap.Keeper {
	t.Helper()
	maps := accessmap.New(versionOf)
	for deadline := time.Now().Add(time.Minute); maps.Look(app).Map == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is no map")
		}
	}
	return maps
}

// textOf is what a person reads.
func textOf(page string) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")), " ")
}
