package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// A secret gets into no log, wherever a caller puts it.
func TestMisplacedSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	const chosen = "correct-horse-battery-staple"
	secret := secret.Generate()
	token := c.token("reader", "orders.read")
	ask := func(id, password string, form url.Values) {
		t.Helper()
		form.Set("grant_type", "client_credentials")
		r := c.request(http.MethodPost, "https://localhost:5001/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
		if a := send(t, c.client(), r); a.StatusCode == http.StatusOK {
			t.Errorf("a token for %v", form)
		}
	}
	ask(secret, "reader", url.Values{})
	ask(chosen, "reader", url.Values{}) // swapped with the id
	ask(secret, "nobody", url.Values{})
	ask("reader", shopSecret, url.Values{"scope": {secret}})
	ask("reader", shopSecret, url.Values{"resource": {secret}})
	ask("reader", shopSecret, url.Values{"resource": {token}})
	c.do(http.MethodPost, "https://localhost:5001/token", `{"`+secret+`":1,"`+secret+`":2}`, "Content-Type: application/json")

	c.eventually("seven refusals", func() bool { return len(c.entries("token refused")) == 7 })
	for name, hidden := range map[string]string{"generated secret": secret, "chosen secret": chosen, "token": token} {
		if strings.Contains(c.logged(), hidden) {
			t.Errorf("the log has the %s", name)
		}
	}
}

// A reload forgives no guess, and asks for no slow hash again.
func TestAReloadKeepsWhatIsKnownOfClients(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	var guess atomic.Int64
	tested := func() int {
		var tested atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 5 {
					r := c.request(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials", "Content-Type: application/x-www-form-urlencoded")
					// Equal concurrent guesses share one test, so each is another one.
					r.SetBasicAuth("nobody", fmt.Sprintf("guess %d", guess.Add(1)))
					if send(t, c.client(), r).StatusCode == http.StatusUnauthorized {
						tested.Add(1)
					}
				}
			})
		}
		all.Wait()
		return int(tested.Load())
	}
	start := time.Now()
	n := tested()
	reload := c.administer(http.MethodPost, "/load", strings.Replace(c.adapted(), `"Caddyfile:`, `"again/Caddyfile:`, 1), "Content-Type: application/json")
	if reload.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", reload.StatusCode, reload.body)
	}
	n += tested()
	if most := mostGuesses(start); n < 10 || n > most {
		t.Errorf("%d guesses were tested, want 10 to %d", n, most)
	}
}

// adapted is the configuration that runs.
func (c *caddy) adapted() string {
	c.t.Helper()
	return c.administer(http.MethodGet, "/config/", "").body
}
