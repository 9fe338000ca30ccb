package e2e

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RFC 7009 section 2.2: who is told that a token is revoked can rely on it, even if
// the server is killed at that moment.
func TestRevocationsOutliveAKill(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	revoked, other, cleared := c.token("orders-worker", "orders.read"), c.token("orders-worker", "orders.read"), c.token("reader", "orders.read")
	if a := c.revoke("orders-worker", revoked); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if out, code := c.operate("", "revoke", "--client", "reader"); code != 0 || !strings.Contains(out, "other servers with the same state within seconds") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	c.kill()
	again := c.again().serving()
	again.wantRefusedAs(revoked, "/orders", 401, "revoked")
	again.wantRefusedAs(cleared, "/orders", 401, "revoked")
	again.wantAccepted(other, "/orders")
	if a := again.introspect("gateway", revoked); a.body != inactive {
		t.Errorf("introspection says %s", a.body)
	}
}

// A second server on the same storage refuses the token too, though it has verified
// it before.
func TestRevocationsReachTheOtherServer(t *testing.T) {
	t.Parallel()
	first := startRevoking(t)
	issuer := first.url("https://localhost:5001")
	second := start(t, strings.ReplaceAll(shopOptions, "issuer https://localhost:5001", "issuer "+issuer)+"localhost:5001 {\n\ttokenidp\n"+revokingSite+"\n}\n",
		options{home: first.home, files: map[string]string{"applications.yaml": askingShop}})
	token, other := first.token("orders-worker", "orders.read"), first.token("reader", "orders.read")
	second.wantAccepted(token, "/orders")
	second.wantAccepted(other, "/orders")
	if a := first.revoke("orders-worker", token); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	second.eventually("the revocation", func() bool {
		return second.get("https://localhost:5001/orders", token).StatusCode == http.StatusUnauthorized
	})
	second.wantRefusedAs(token, "/orders", 401, "revoked")
	second.wantAccepted(other, "/orders")
	if a := second.revoke("reader", other); a.StatusCode != http.StatusOK { // whoever issued it
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	first.eventually("the revocation", func() bool {
		return first.get("https://localhost:5001/orders", other).StatusCode == http.StatusUnauthorized
	})
}

// Whoever is told that a token is revoked can rely on it, even if the server that is
// asked has never seen the key, and does not look for it at the moment.
func TestRevokingATokenOfAKeyThatIsNew(t *testing.T) {
	t.Parallel()
	first := startRevoking(t)
	second := start(t, strings.ReplaceAll(shopOptions, "issuer https://localhost:5001", "issuer "+first.url("https://localhost:5001"))+"localhost:5001 {\n\ttokenidp\n"+revokingSite+"\n}\n",
		options{home: first.home, files: map[string]string{"applications.yaml": askingShop}})
	for range 3 {
		if output, code := first.ctl("keys", "rotate", "--now"); code != 0 {
			t.Fatal(output)
		}
		token := first.token("orders-worker", "orders.read")
		second.wantRefusedAs(forged(t, token), "/orders", 401, "unknown_key") // now it looks for no other for a while
		second.eventually("the revocation", func() bool {
			a := second.revoke("orders-worker", token)
			if a.StatusCode != http.StatusOK && a.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			return a.StatusCode == http.StatusOK
		})
		first.eventually("it to be refused", func() bool {
			return first.get("https://localhost:5001/orders", token).StatusCode == http.StatusUnauthorized
		})
		first.wantRefusedAs(token, "/orders", 401, "revoked")
	}
}

// forged is the token with a kid that nobody has.
func forged(t *testing.T, token string) string {
	t.Helper()
	_, rest, _ := strings.Cut(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"2020-01-01"}`)) + "." + rest
}

// F3, CVE-2020-15223: without the storage, nobody is told that a token is revoked.
// What was revoked before stays so, and nothing else stops.
func TestF03RevocationWithoutTheStorage(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	client, storage := c.client(), filepath.Join(c.home, ".local/share/caddy")
	token, revoked := c.token("orders-worker", "orders.read"), c.token("orders-worker", "orders.read")
	post := func(path, clientID, token string) *answer {
		r := c.request(http.MethodPost, "https://localhost:5001"+path, url.Values{"token": {token}}.Encode(), "Content-Type: application/x-www-form-urlencoded")
		r.SetBasicAuth(clientID, shopSecret)
		return send(t, client, r)
	}
	if a := post("/revoke", "orders-worker", revoked); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if err := os.Rename(storage, storage+".away"); err != nil {
		t.Fatal(err)
	}
	write(t, storage, "the disk is gone")

	if a := post("/revoke", "orders-worker", token); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "temporarily_unavailable") {
		t.Errorf("%d %s, Retry-After %q", a.StatusCode, a.body, a.Header.Get("Retry-After"))
	}
	line := c.entries("revocation refused")[0]
	if line["reason"] != "state_unavailable" || line["cause"] == nil || line["level"] != "error" {
		t.Errorf("the log says %v", line)
	}
	if out, code := c.operate("", "revoke", "--client", "reader"); code != 2 || !strings.Contains(out, "it is not certain that this is revoked; try again") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if a := send(t, client, c.request(http.MethodGet, "https://localhost:5001/orders", "", "Authorization: Bearer "+revoked)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("what was revoked before: status %d", a.StatusCode)
	}
	if a := post("/introspect", "gateway", revoked); a.body != inactive {
		t.Errorf("introspection says %s", a.body)
	}
	if r := c.basic("basic-only"); send(t, client, r).StatusCode != http.StatusOK {
		t.Error("no token is issued")
	}

	if err := os.Remove(storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(storage+".away", storage); err != nil {
		t.Fatal(err)
	}
	c.eventually("the revocation", func() bool { return post("/revoke", "orders-worker", token).StatusCode == http.StatusOK })
	c.wantRefusedAs(token, "/orders", 401, "revoked")
}

// A server that could not read the revocations once lets nobody through, and says that
// it is not the token's fault.
func TestRevocationsThatWereNeverRead(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("orders-worker", "orders.read")
	if a := c.get("https://localhost:5001/ready", ""); a.StatusCode != http.StatusOK {
		t.Errorf("not ready: %d", a.StatusCode)
	}
	if a := c.revoke("reader", c.token("reader", "orders.read")); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	c.stop()
	folders, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/state-*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("%v, %v", folders, err)
	}
	for _, step := range []error{os.Rename(folders[0], folders[0]+".away"), os.Symlink(filepath.Base(folders[0]), folders[0])} { // which leads to itself
		if step != nil {
			t.Fatal(step)
		}
	}
	again := c.again().serving()
	again.wantRefusedAs(token, "/orders", 503, "revocations_unknown")
	if a := again.get("https://localhost:5001/orders", token); a.Header.Get("Retry-After") == "" || a.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%v", a.Header)
	}
	if a := again.get("https://localhost:5001/ready", ""); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", a.StatusCode)
	}
	if output, code := again.ctl("status", "--ready"); code != 1 || !strings.Contains(output, "this server is not ready") {
		t.Errorf("status --ready ends with %d: %s", code, output)
	}
	if output, code := again.ctl("status", "--ready", "--json"); code != 1 || !strings.Contains(output, `{"ready":false}`) {
		t.Errorf("status --ready --json ends with %d: %s", code, output)
	}
	if a := again.introspect("gateway", token); a.StatusCode != http.StatusServiceUnavailable || strings.Contains(a.body, "active") {
		t.Errorf("introspection says %d %s", a.StatusCode, a.body)
	}
	if e := again.explainJSON(token); e.Verdict.Reason != "revocations_unknown" {
		t.Errorf("explain says %+v", e.Verdict)
	}

	for _, step := range []error{os.Remove(folders[0]), os.Rename(folders[0]+".away", folders[0])} {
		if step != nil {
			t.Fatal(step)
		}
	}
	again.eventually("the revocations", func() bool {
		return again.get("https://localhost:5001/orders", token).StatusCode == http.StatusOK
	})
	if a := again.get("https://localhost:5001/ready", ""); a.StatusCode != http.StatusOK {
		t.Errorf("not ready again: %d", a.StatusCode)
	}
}
