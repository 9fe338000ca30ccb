package adminendpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/tokenidp/caddy-tokenidp/internal/accessmap"
	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// administered is an App that issues for the URLs, and a client of its admin endpoint.
func administered(t *testing.T, applications map[string]string, verifies ...string) (*tokenidp.App, *adminapi.Client) {
	t.Helper()
	app := provision(t, applications, verifies)
	server := httptest.NewServer(handlerFor(app))
	t.Cleanup(server.Close)
	client, err := adminapi.NewClient(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return app, client
}

// provision provisions a configuration that never starts: the issuers with the texts of
// their files, and a route for each verify.
func provision(t *testing.T, applications map[string]string, verifies []string) *tokenidp.App {
	t.Helper()
	var issuers, routes []string
	for url, text := range applications {
		path := filepath.Join(t.TempDir(), "applications.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		issuers = append(issuers, fmt.Sprintf(`{"issuer": %q, "applications": [%q], "signing_algorithm": "EdDSA"}`, url, path))
		routes = append(routes, fmt.Sprintf(`{"match": [{"host": [%q]}], "handle": [{"handler": "tokenidp", "issuer": %q}]}`, strings.TrimPrefix(url, "https://"), url))
	}
	for i, verify := range verifies {
		routes = append(routes, fmt.Sprintf(`{"match": [{"path": ["/%d"]}], "handle": [%s]}`, i, verify))
	}
	return probetest.App(t, fmt.Appendf(nil, `{
		"admin": {"disabled": true}, "storage": {"module": "file_system", "root": %q}, "logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
		"apps": {"tokenidp": {"issuers": [%s]}, "http": {"servers": {"s": {"listen": ["127.0.0.1:0"], "automatic_https": {"disable": true}, "routes": [%s]}}}}
	}`, t.TempDir(), strings.Join(issuers, ","), strings.Join(routes, ",")))
}

// handlerFor answers with errors as Caddy's admin endpoint does.
func handlerFor(app *tokenidp.App) http.Handler { return handlerWith(app, accessmap.New(versionOf)) }

func handlerWith(app *tokenidp.App, maps *accessmap.Keeper) http.Handler {
	e := &Endpoint{serving: func() *tokenidp.App { return app }, page: &pageSource{maps: maps}}
	mux := http.NewServeMux()
	for _, route := range e.Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			var refused caddy.APIError
			if err := route.Handler.ServeHTTP(w, r); errors.As(err, &refused) {
				w.WriteHeader(refused.HTTPStatus)
				_ = json.NewEncoder(w).Encode(map[string]string{"error": refused.Error()})
			}
		})
	}
	return mux
}

// manyApplications have client_ids of one length, and secrets of the ids a and b.
func manyApplications(n int, secrets string) string {
	var text strings.Builder
	text.WriteString("resources: [{name: api, scopes: [{name: read}, {name: other}]}]\napplications:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {client_id: client-%06d, scopes: [read], secrets: [%s]}\n", i, fmt.Sprintf(secrets, i))
	}
	return text.String()
}

const twoSecrets = `{id: b, hash: "$sha256$%064[1]x"}, {id: a, hash: "$sha256$f%063[1]x"}`

// A long list has no end that a client would come to.
func TestSecretsOfManyApplications(t *testing.T) {
	t.Parallel()
	_, client := administered(t, map[string]string{
		"https://b.example": manyApplications(49_000, twoSecrets), "https://a.example": manyApplications(1_000, twoSecrets),
	})
	var keys []string
	pages := 0
	for page, err := range client.Secrets(t.Context(), adminapi.SecretsQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, iss := range page {
			for _, s := range iss.Secrets {
				keys = append(keys, iss.Issuer+" "+s.ClientID+" "+s.SecretID)
			}
		}
	}
	if len(keys) != 100_000 || !slices.IsSorted(keys) || len(slices.Compact(keys)) != 100_000 || pages != 100 {
		t.Errorf("%d secrets on %d pages, sorted: %t", len(keys), pages, slices.IsSorted(keys))
	}
}

// A page goes on after the last secret of the one before, whatever has become of that.
func TestSecretsPagesWhileApplicationsChange(t *testing.T) {
	app, _ := administered(t, map[string]string{"https://a.example": manyApplications(3, twoSecrets)})
	names := func(all []adminapi.IssuerSecrets) (names []string) {
		for _, iss := range all {
			for _, s := range iss.Secrets {
				names = append(names, s.ClientID[len(s.ClientID)-1:]+s.SecretID)
			}
		}
		return names
	}
	q := secretsQuery{Page: adminapi.Page{Limit: 3}, unusedFor: defaultUnusedFor}
	all, next := secrets(app, q, time.Now())
	if got := names(all); !slices.Equal(got, []string{"0a", "0b", "1a"}) || !slices.Equal(next, []string{"https://a.example", "client-000001", "a"}) {
		t.Fatalf("%q, then %q", got, next)
	}
	app, _ = administered(t, map[string]string{"https://a.example": strings.ReplaceAll(manyApplications(4, twoSecrets), "client-000001", "client-000001x")})
	q.After = next
	all, next = secrets(app, q, time.Now())
	if got := names(all); !slices.Equal(got, []string{"xa", "xb", "2a"}) || next == nil {
		t.Errorf("%q, then %q", got, next)
	}
	q.After = []string{"https://b.example", "", ""} // which is not configured any more
	if all, next = secrets(app, q, time.Now()); len(all) != 0 || next != nil {
		t.Errorf("%v, then %q", all, next)
	}
}

// The routes of a report come whole, however many clients they refuse.
func TestReportByThePage(t *testing.T) {
	var all []adminapi.RouteReport
	for i := range 5 {
		all = append(all, adminapi.RouteReport{Route: fmt.Sprintf("api%d.example.com", i%2), Source: fmt.Sprintf("Caddyfile:%d", 10-i/2), WouldRefuse: make([]adminapi.RefusedGroup, i)})
	}
	page := adminapi.Page{Limit: 4}
	var got []string
	for {
		routes, more := reportPage(slices.Clone(all), page)
		got = append(got, fmt.Sprint(len(routes)))
		if !more {
			break
		}
		last := routes[len(routes)-1]
		page.After = []string{last.Source, last.Route}
	}
	if strings.Join(got, " ") != "1 2 2" {
		t.Errorf("pages of %s routes", got)
	}
}

func get(t *testing.T, app *tokenidp.App, uri string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	handlerFor(app).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, uri, nil))
	return recorder.Body.String()
}

// A cursor is one that the server gave, and a page has a bound.
func TestPagesThatAreRefused(t *testing.T) {
	for _, query := range []string{"limit=0", "limit=-1", "limit=x", "limit=1000000", "after=x", "after=WyJhIl0"} {
		if text := get(t, new(tokenidp.App), "/tokenidp/secrets?"+query); !strings.Contains(text, `"error":"limit`) && !strings.Contains(text, `"error":"after`) {
			t.Errorf("%s: %s", query, text)
		}
	}
}
