package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// RFC 6750 section 5.3, RFC 6819 section 4.1.3: tokens, secrets and keys are in
// no log, no metric and no configuration.
func TestNothingSecretIsTold(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	log
	handle /orders* {
		verify orders.read
		reverse_proxy localhost:5002
	}
	handle /down* {
		verify orders.read
		reverse_proxy localhost:5003
	}`)
	f := newForger(t, g.caddy)
	secrets := []string{shopSecret, "YWRtaW46cGFzc3dvcmQ", "$argon2id$", "not-the-secret", segment(f.key.D.Bytes()), segment(f.key.Primes[0].Bytes()), segment(f.key.Primes[1].Bytes())}
	tokens := []string{
		g.token("orders-worker", "orders.read"), g.token("orders-worker", "orders.write"), g.token("reader", "orders.read"), g.token("orders-worker", "stock.read"),
		f.claiming(members{"exp": 2, "iat": 1}), f.claiming(members{"aud": "x"}), f.claiming(members{"sub": nil}), f.headed(members{"kid": "x"}), f.headed(members{"typ": "JWT"}),
		f.headed(members{"alg": "none"}), f.headed(members{"crit": 1}), f.good() + "A", f.good() + "=", "x" + f.good(), "." + f.good(), f.sign(f.header(nil), "[]"),
		f.sign(f.header(nil), strings.Replace(f.claims(nil), `{`, `{"jti":"a",`, 1)),
	}
	for _, token := range tokens {
		for _, path := range []string{"/orders", "/down"} {
			g.ask(t, "GET", path, "", bearer(token))
			g.ask(t, "GET", path, "", bearer(token), bearer(token))
			g.ask(t, "GET", path, "", bearer(token+" "+token))
			g.ask(t, "GET", path, "", "Authorization: "+token)
			g.ask(t, "GET", path, "", "Authorization: DPoP "+token)
			g.ask(t, "GET", path, "", bearer(token), "Cookie: token="+token)
			g.ask(t, "POST", path, "access_token="+token, "Content-Type: application/x-www-form-urlencoded")
		}
		part := strings.Split(token, ".")
		secrets = append(secrets, token, part[len(part)-1])
	}
	for _, headers := range [][]string{{"Authorization: Basic YWRtaW46cGFzc3dvcmQ"}, {"Authorization: Bearer not-the-secret"}, {bearer(shopSecret)}, {"Authorization: " + shopSecret}} {
		g.ask(t, "GET", "/orders", "", headers...)
		g.ask(t, "POST", "/token", "grant_type=client_credentials", append(headers, "Content-Type: application/x-www-form-urlencoded")...)
	}
	for _, secret := range []string{shopSecret, "not-the-secret"} {
		form := "grant_type=client_credentials&client_id=retired&client_secret=" + secret
		g.ask(t, "POST", "/token", form, "Content-Type: application/x-www-form-urlencoded")
		g.ask(t, "POST", "/token", `{"grantType":"client_credentials","clientId":"unknown","clientSecret":"`+secret+`"}`, "Content-Type: application/json")
	}
	metrics := g.administer(t, "/metrics")
	checkMetrics(t, metrics)
	config := g.administer(t, "/config/")
	if !strings.Contains(config, `"scopes":["orders.read"]`) {
		t.Errorf("that is not the configuration: %s", config)
	}
	g.ask(t, "GET", "/orders/last", "")
	g.refusalAt("/orders/last")
	g.stop()
	for place, text := range map[string]string{"log": g.logged(), "metrics": metrics, "configuration": config} {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds %.40s…", place, secret)
			}
		}
		if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "earer ey") {
			t.Errorf("the %s holds a key or an Authorization header", place)
		}
	}
}

func (g *guarded) administer(t *testing.T, path string) string {
	t.Helper()
	a := send(t, &http.Client{Timeout: patience}, g.request("GET", "http://"+g.admin+path, ""))
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
	}
	return a.body
}

// checkMetrics wants what happened, under labels of the server's own.
func checkMetrics(t *testing.T, metrics string) {
	t.Helper()
	sample := regexp.MustCompile(`(?m)^caddy_tokenidp_verifications_total\{reason="([a-z_]*)",result="(allowed|refused|reported)"\} (\d+)$`)
	reasons := make(map[string]string)
	all := sample.FindAllStringSubmatch(metrics, -1)
	for _, match := range all {
		if match[3] != "0" {
			reasons[match[1]] = match[2]
		}
	}
	if n := strings.Count(metrics, "\ncaddy_tokenidp_verifications_total{"); n != len(all) {
		t.Errorf("%d samples, %d of them as they should be:\n%s", n, len(all), metrics)
	}
	for _, reason := range []string{
		"no_token", "several_authorization_headers", "malformed_authorization", "malformed_token", "malformed_claims", "missing_scope",
		"expired", "wrong_audience", "wrong_type", "wrong_algorithm", "unknown_key", "unsupported_critical_header", "bad_signature",
	} {
		if reasons[reason] != "refused" {
			t.Errorf("no sample for %s", reason)
		}
	}
	if reasons[""] != "allowed" {
		t.Error("no sample for what was allowed")
	}
	for line := range strings.Lines(metrics) {
		// These have the routes and clients of the configuration, and no others.
		declared := regexp.MustCompile(`^caddy_tokenidp_(route_requests|client_requests|client_tokens_issued)_total\{(client_id="(orders-worker|reader|retired)",)?(issuer="https://localhost:\d+")?(,?result="[a-z]+")?(,route="localhost:\d+/orders\*")?\} `)
		if strings.HasPrefix(line, "caddy_tokenidp_") && !declared.MatchString(line) && regexp.MustCompile(`orders|reader|retired|"unknown"|127\.0|forged`).MatchString(line) {
			t.Errorf("a label that a caller chose: %s", line)
		}
	}
}

// Requests side by side never see each other's identity.
func TestParallelRequestsNeverMix(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	route /orders* {
		verify orders.read {
			claim_header X-Client-Id client_id
		}
		verify orders.read {
			claim_header X-Token jti
		}
		@write token_scope orders.write
		header @write X-May-Write yes
		header X-User "{http.auth.user.id} {http.auth.user.claims.jti}"
		reverse_proxy localhost:5002
	}`)
	worker, reader := g.token("orders-worker", "orders.read orders.write"), g.token("reader", "orders.read")
	ids := map[string]string{worker: claimOf(t, worker, "jti"), reader: claimOf(t, reader, "jti")}
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			for j := range 20 {
				token, client, write := worker, "orders-worker", "yes"
				if (i+j)%2 == 0 {
					token, client, write = reader, "reader", ""
				}
				r := g.request("GET", fmt.Sprintf("https://localhost:5001/orders/%d/%d", i, j), "", bearer(token), "X-Client-Id: admin")
				response, err := g.http.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				h := response.Header
				if response.StatusCode != http.StatusOK || h.Get("X-Echo-Client-Id") != client || h.Get("X-User") != client+" "+ids[token] || h.Get("X-May-Write") != write {
					t.Errorf("%s got %d %v", client, response.StatusCode, h)
				}
			}
		})
	}
	group.Wait()
	for _, got := range g.api.take() {
		if token := ids[worker]; (got.header.Get("X-Client-Id") == "orders-worker") != (got.header.Get("X-Token") == token) {
			t.Errorf("arrived: %v", got.header)
		}
	}
}
