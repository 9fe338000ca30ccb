package e2e

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// nuts CVE-2026-41164, free5GC CVE-2026-44325: what is signed for one endpoint is nothing
// at another, and a name with brackets is another name.
func attackMisplaced(t *testing.T, a *attacked) {
	p := newProver(t)
	introspect := a.url("https://localhost:5001/introspect")
	assertion := func() string { return a.assertion(attackerKey(), "k", members{"iss": "signer", "sub": "signer"}) }
	reader := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("reader:"+shopSecret))
	for name, token := range map[string]string{
		"assertion": assertion(), "proof": p.proof("POST", introspect, "", nil),
	} {
		for _, endpoint := range []string{"/introspect", "/revoke"} {
			got := a.ask(t, http.MethodPost, endpoint, url.Values{"token": {token}}.Encode(), formEncoded, reader)
			if got.StatusCode != http.StatusOK || endpoint == "/introspect" && got.body != inactive {
				t.Errorf("%s at %s: %d %s", name, endpoint, got.StatusCode, got.body)
			}
			if got := a.ask(t, http.MethodPost, endpoint, url.Values{"token": {"x"}}.Encode(), formEncoded, bearer(token)); got.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s as the caller of %s: %d %s", name, endpoint, got.StatusCode, got.body)
			}
		}
		if got := a.ask(t, http.MethodGet, "/orders", "", bearer(token)); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s as a token: %d", name, got.StatusCode)
		}
	}
	for _, body := range []string{"scope[]=orders.write", "scope%5B%5D=orders.write", "scope=orders.read&scope[]=orders.write", "scope[0]=orders.write", "Scope=orders.write", "scope.=orders.write"} {
		got := a.ask(t, http.MethodPost, "/token", "grant_type=client_credentials&"+body, formEncoded, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("orders-worker:"+shopSecret)))
		if token := accessToken(got.body); token != "" && claimOf(t, token, "scope") != "orders.read" {
			t.Errorf("%s: the scope is %s", body, claimOf(t, token, "scope"))
		}
	}
}

// Traefik CVE-2026-71326, OpenFGA CVE-2026-33729: nothing joins names to a key that
// others join to as well.
func attackJoinedNames(t *testing.T, a *attacked) {
	var all sync.WaitGroup
	for range 20 {
		for clientID, scope := range map[string]string{"a/b": "c", "a|b": "c", "a": "b/c b|c b:c"} {
			all.Go(func() {
				got, err := exchange(a.http, a.request(http.MethodPost, "https://localhost:5001/token", secretForm(clientID, shopSecret, scope), formEncoded))
				if err != nil {
					t.Error(err)
					return
				}
				token := accessToken(got.body)
				if token == "" || claimOf(t, token, "client_id") != clientID || claimOf(t, token, "scope") != scope {
					t.Errorf("%s: %d %s", clientID, got.StatusCode, got.body)
				}
			})
		}
	}
	all.Wait()
	for _, form := range []string{secretForm("a", "b:"+shopSecret, "b:c"), secretForm("a:b", shopSecret, "c"), secretForm("a/b", shopSecret, "b/c"), secretForm("a|b", shopSecret, "b|c"), secretForm("a", shopSecret, "c")} {
		if got := a.ask(t, http.MethodPost, "/token", form, formEncoded); accessToken(got.body) != "" {
			t.Errorf("%s: %d %s", form, got.StatusCode, got.body)
		}
	}
}

// outcomes counts the statuses of token requests that are made at once.
func (a *attacked) outcomes(many int, form func(i int) string) map[int]int {
	statuses, mu := make(map[int]int), sync.Mutex{}
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			got, err := exchange(a.http, a.request(http.MethodPost, "https://localhost:5001/token", form(i), formEncoded))
			if err != nil {
				a.t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[got.StatusCode]++
		})
	}
	all.Wait()
	return statuses
}

// A burst of guesses tests no more than the documented ten, the right one among them or
// not.
func attackBurst(t *testing.T, a *attacked) {
	chosen := a.run + "-chosen"
	if got := a.ask(t, http.MethodPost, "/token", secretForm(chosen, guessableSecret, "orders.read"), formEncoded); got.StatusCode != http.StatusOK { // and is remembered
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	start := time.Now()
	first := a.outcomes(20, func(i int) string { return secretForm(chosen, fmt.Sprint("first ", i), "orders.read") })
	second := a.outcomes(200, func(i int) string {
		if i == 100 {
			return secretForm(chosen, guessableSecret, "orders.read")
		}
		return secretForm(chosen, fmt.Sprint("guess ", i), "orders.read")
	})
	checkGuesses(t, start, first, second)
}

// Who fails to authenticate gets the same answers, whatever client it claims to be, and
// whether its keys are in reach or not.
func attackEnumeration(t *testing.T, a *attacked) {
	kinds := []string{"unknown", "inactive", "secret", "keys", "keys-out-of-reach"}
	got := make([]map[int]int, len(kinds))
	var all sync.WaitGroup
	for i, kind := range kinds {
		clientID := a.run + "-" + kind
		assertion := a.assertion(attackerKey(), "another", members{"iss": clientID, "sub": clientID})
		all.Go(func() {
			got[i] = a.outcomes(12, func(int) string {
				return identifiedForm(clientID, "orders.read") + "&client_assertion_type=" + url.QueryEscape(jwtBearer) + "&client_assertion=" + assertion
			})
		})
	}
	all.Wait()
	for i, kind := range kinds {
		if !maps.Equal(got[i], got[0]) || got[i][http.StatusUnauthorized] == 0 {
			t.Errorf("%s: %v, and of a client that nobody has: %v", kind, got[i], got[0])
		}
	}
}

// Keycloak CVE-2026-16100: no value of a request is a value of a metric's label.
func attackMetrics(t *testing.T, a *attacked) {
	ask := func(method, path, body string, headers ...string) {
		if _, err := exchange(a.http, a.request(method, "https://localhost:5001"+path, body, headers...)); err != nil {
			t.Error(err)
		}
	}
	try := func(n int) {
		odd := fmt.Sprint("odd", a.run, n)
		for _, form := range []string{
			secretForm(odd, "x", "orders.read"), secretForm("reader", shopSecret, odd), identifiedForm("reader", odd) + "&grant_type=" + odd, "grant_type=" + odd,
		} {
			ask(http.MethodPost, "/token", form, formEncoded)
		}
		f := &forger{t: t, issuer: "https://" + segment(odd) + ".example.com", kid: odd, key: attackerKey()}
		ask(http.MethodGet, "/orders/"+segment(odd), "", bearer(f.good()))
		ask("M"+strings.ReplaceAll(segment(odd), "_", ""), "/orders", "", bearer(odd), "User-Agent: "+odd)
	}
	series := func() []string {
		var all []string
		for line := range strings.Lines(a.metrics()) {
			if name, _, found := strings.Cut(line, "} "); found && strings.HasPrefix(name, "caddy_tokenidp_") {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return all
	}
	try(0)
	before := series()
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() { try(n + 1) })
	}
	all.Wait()
	if after := series(); len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("%d series became %d", len(before), len(after))
	}
}
