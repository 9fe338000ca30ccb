package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// trustedState is what the admin endpoint says of a trusted issuer.
type trustedState struct {
	Issuer, From             string
	Keys                     int
	Restored, Stale, Expired bool
	LastSuccess              *time.Time `json:"last_success"`
	UsedUntil                *time.Time `json:"used_until"`
	Age                      *float64
	LastError                string `json:"last_error"`
	Warning                  string
	NextFetch                *time.Time `json:"next_fetch"`
	Skipped                  []string
}

func (c *caddy) trusted() (all []trustedState) {
	c.t.Helper()
	a := c.administer(http.MethodGet, "/tokenidp/trusted", "")
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil || a.StatusCode != http.StatusOK {
		c.t.Fatalf("%d %s: %v", a.StatusCode, a.body, err)
	}
	return all
}

// reload loads the configuration again, as it is.
func (c *caddy) reload() {
	c.t.Helper()
	if a := c.administer(http.MethodPost, "/load", c.adapted(), "Content-Type: application/json", "Cache-Control: must-revalidate"); a.StatusCode != http.StatusOK {
		c.t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
}

// awaitKeys waits until the keys of the one trusted issuer are known from itself.
func (c *caddy) awaitKeys() {
	c.t.Helper()
	c.eventually("the keys of the issuer", func() bool {
		s := c.trusted()[0]
		return s.Keys > 0 && !s.Restored && !s.Stale
	})
}

// awaitStored waits until a restart can do without the issuer.
func (c *caddy) awaitStored() {
	c.t.Helper()
	c.eventually("the stored keys", func() bool {
		entries, _ := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/*/jwks/jwks.json"))
		return len(entries) > 0
	})
}

// awaitInterval waits until an unknown kid may bring about a fetch.
func (c *caddy) awaitInterval() {
	c.t.Helper()
	c.eventually("ten seconds without a fetch", func() bool { age := c.trusted()[0].Age; return age != nil && *age > 10 })
}

// trustingShop is the configuration that trusts the shop of that home.
func trustingShop(home, routes string) string {
	return trustingOptions(trust("https://localhost:5001", "ca_file "+rootOf(home))) + trustedSite(routes)
}

// A server whose trusted issuer is down starts, says so in its answers, and finds
// the keys by itself when the issuer is back.
func TestStartsWithTheIssuerDown(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	issuer := startShopAt(t, newPorts(t), home)
	token := issuer.token("reader", "orders.read")
	issuer.stop()

	api := startTrusting(t, issuer.ports, t.TempDir(), trustingShop(home, ordersRoute))
	a := api.get("https://localhost:5003/orders", token)
	if a.StatusCode != http.StatusServiceUnavailable || a.body != "keys_unavailable" || a.Header.Get("Retry-After") == "" || a.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("while the issuer is down: %d %q %v", a.StatusCode, a.body, a.Header)
	}
	if s := api.trusted()[0]; !s.Stale || s.Keys != 0 || s.LastSuccess != nil || s.LastError == "" || s.NextFetch == nil {
		t.Errorf("while the issuer is down: %+v", s)
	}
	startShopAt(t, issuer.ports, home)
	api.eventually("the first token", func() bool { return api.get("https://localhost:5003/orders", token).StatusCode == http.StatusOK })
	if s := api.trusted()[0]; s.Stale || s.Keys != 1 || s.LastSuccess == nil || s.LastError != "" || s.From != issuer.url("https://localhost:5001/.well-known/jwks.json") {
		t.Errorf("when the issuer is back: %+v", s)
	}
	if entries := api.entries("keys of the foreign issuer cannot be read; the last ones serve until they are too old"); len(entries) != 1 {
		t.Errorf("the outage is told %d times", len(entries))
	}
}

func startShopAt(t *testing.T, p *ports, home string) *caddy {
	t.Helper()
	return start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n}\n", options{home: home, ports: p, files: map[string]string{"applications.yaml": shopApplications}})
}

// An issuer that has gone takes nothing with it: not while the server runs, not over
// a reload, and not over a restart.
func TestTheIssuerGoes(t *testing.T) {
	t.Parallel()
	issuer, api := startTrustingShop(t, ordersRoute)
	token := issuer.token("reader", "orders.read")
	unknown := newForger(t, issuer).headed(members{"kid": "1999-01-01"})
	api.awaitKeys()
	api.awaitStored()
	issuer.stop()

	check := func(when string, c *caddy) {
		t.Helper()
		if a := c.get("https://localhost:5003/orders", token); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", when, a.StatusCode, a.body)
		}
	}
	check("running", api)
	if a := api.load(trustingShop(issuer.home, ordersRoute+"\n\theader X-Reloaded yes")); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	check("after a reload", api)
	api.eventually("the failed fetch", func() bool { return api.trusted()[0].Stale })
	check("after a failed fetch", api)
	if a := api.get("https://localhost:5003/orders", unknown); a.StatusCode != http.StatusServiceUnavailable || a.body != "keys_unavailable" {
		t.Errorf("an unknown key: %d %s", a.StatusCode, a.body)
	}
	api.stop()

	again := startTrusting(t, issuer.ports, api.home, trustingShop(issuer.home, ordersRoute))
	check("after a restart", again)
	if s := again.trusted()[0]; !s.Restored || s.Keys != 1 {
		t.Errorf("after a restart: %+v", s)
	}
}

// What the storage holds is believed only as far as it is the issuer's.
func TestForeignKeysInTheStorage(t *testing.T) {
	t.Parallel()
	issuer, api := startTrustingShop(t, ordersRoute)
	token := issuer.token("reader", "orders.read")
	api.awaitStored()
	api.stop()
	issuer.stop()
	entries, _ := filepath.Glob(filepath.Join(api.home, ".local/share/caddy/tokenidp/*/jwks/jwks.json"))
	stored := read(t, entries[0])
	if strings.Contains(stored, `"d":`) || !strings.Contains(stored, issuer.url(`"https://localhost:5001"`)) {
		t.Errorf("stored: %s", stored)
	}
	for name, text := range map[string]string{
		"cut off":          stored[:len(stored)/2],
		"another issuer's": strings.Replace(stored, issuer.url(`"issuer":"https://localhost:5001"`), `"issuer":"https://localhost:1"`, 1),
		"old":              strings.Replace(stored, `"fetched_at":"20`, `"fetched_at":"19`, 1),
	} {
		if text == stored {
			t.Fatalf("%s: nothing is changed", name)
		}
		write(t, entries[0], text)
		again := startTrusting(t, issuer.ports, api.home, trustingShop(issuer.home, ordersRoute))
		if a := again.get("https://localhost:5003/orders", token); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		again.stop()
	}
}

// A key that signs without notice is found by the very first token of it, which
// waits for one fetch. The key before serves for as long as it is published.
func TestTheIssuerRotatesAtOnce(t *testing.T) {
	t.Parallel()
	issuer, api := startTrustingShop(t, ordersRoute)
	before := issuer.token("reader", "orders.read")
	api.awaitKeys()
	api.awaitInterval()
	if output, code := issuer.ctl("keys", "rotate", "--now"); code != 0 {
		t.Fatalf("%d %s", code, output)
	}
	after := issuer.token("reader", "orders.read")
	if kidOf(t, before) == kidOf(t, after) {
		t.Fatal("the key is the same")
	}
	for name, token := range map[string]string{"after": after, "before": before} {
		if a := api.get("https://localhost:5003/orders", token); a.StatusCode != http.StatusOK {
			t.Errorf("the token from %s the rotation: %d %s", name, a.StatusCode, a.body)
		}
	}
	if s := api.trusted()[0]; s.Keys != 2 {
		t.Errorf("%+v", s)
	}
}

// A storage that cannot be read or written costs nothing but the memory over a
// restart.
func TestTrustingWithAReadOnlyStorage(t *testing.T) {
	t.Parallel()
	issuer := startShop(t, "")
	home := t.TempDir()
	// The folder that the keys would be in is a file.
	folder := filepath.Join(home, ".local/share/caddy", storage.Folder(issuer.url("https://localhost:5001")))
	write(t, folder, "")
	api := startTrusting(t, issuer.ports, home, trustingShop(issuer.home, ordersRoute))
	api.awaitKeys()
	if a := api.get("https://localhost:5003/orders", issuer.token("reader", "orders.read")); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	api.entries("keys of the foreign issuer cannot be stored; a restart while the issuer is down will be without them")
	token := issuer.token("reader", "orders.read")
	issuer.stop()
	api.reload()
	if a := api.get("https://localhost:5003/orders", token); a.StatusCode != http.StatusOK {
		t.Errorf("after a reload with the issuer down: %d %s", a.StatusCode, a.body)
	}
	if info, err := os.Stat(folder); err != nil || info.IsDir() {
		t.Error(info, err)
	}
}

// Reloads keep the keys, and leave no poller behind.
func TestReloadsLeakNoPoller(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "")
	f.publishKeys(jwkOf(attackerKey(), "k", nil))
	config := trustingOptions(f.trust("audience orders-api"), trust("https://unused.example.com", "jwks_url "+f.server.URL+"/keys", "ca_file "+f.caFile())) +
		trustedSite("\tverify orders.read {\n\t\tissuer "+f.issuer+"\n\t}\n\trespond fine")
	api := startTrusting(t, newPorts(t), t.TempDir(), config)
	token := f.forger(attackerKey(), "k").good()
	for range 10 {
		api.reload()
		api.checkAnswer(t, "/", token, http.StatusOK, "fine")
	}
	api.eventually("one poller an issuer", func() bool {
		dump := api.do(http.MethodGet, "http://"+api.admin+"/debug/pprof/goroutine?debug=2", "").body
		return strings.Count(dump, "jwks.(*Source).keepFresh(") == 2 && strings.Count(dump, "jwks.(*Source).keepStored(") == 2
	})
	// A configuration without it ends the rest.
	if a := api.load("localhost:5003 {\n\trespond fine\n}\n"); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	api.eventually("no poller", func() bool {
		return !strings.Contains(api.do(http.MethodGet, "http://"+api.admin+"/debug/pprof/goroutine?debug=2", "").body, "tokenidp/jwks.")
	})
}
