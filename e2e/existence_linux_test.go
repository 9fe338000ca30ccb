package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// clientFrom is a client at an address of its own: each address has its own limits.
func (c *caddy) clientFrom(last int) *http.Client {
	client := c.client()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(last))}}
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return dialer.DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return client
}

// Whoever does not authenticate learns from no answer whether a client exists and how it
// authenticates: not from the statuses of many tries, and not from the fetch of its keys,
// which the answer does not wait for.
func TestWhichClientsExistCannotBeTold(t *testing.T) {
	t.Parallel()
	worker, cluster := newForeign(t, ""), newForeign(t, "")
	worker.publishKeys(jwkOf(secondKey(), "2", nil))
	const other = "orders-worker\n    scopes: [orders.read]\n"
	applications := func(clients string) string {
		return "resources: [{name: orders-api, scopes: [{name: orders.read}]}]\napplications:\n  - client_id: " + other + inlineKey(t, attackerKey(), "1") + "\n" + clients +
			"  - {client_id: secret, scopes: [orders.read], secrets: [{id: a, hash: " + shopHash + "}]}\n" +
			"  - {client_id: inactive, active: false, scopes: [orders.read], secrets: [{id: a, hash: " + shopHash + "}]}\n"
	}
	options := strings.Replace(shopOptions, "applications.yaml\n", "applications.yaml\ninsecure_private_jwks_uri\n", 1)
	options = strings.Replace(options, "\ttokenidp {\n", "\ttokenidp {\n"+cluster.trust()+"\n", 1)
	c := start(t, options+"localhost:5001 {\n\ttokenidp\n}\n", optionsWith(applications(""), "SSL_CERT_FILE="+worker.caFile()))

	// No key comes while these are locked.
	worker.mu.Lock()
	cluster.mu.Lock()
	unlock := sync.OnceFunc(func() {
		worker.mu.Unlock()
		cluster.mu.Unlock()
	})
	defer unlock()
	c.rewrite("applications.yaml", applications("  - {client_id: keys, scopes: [orders.read], jwks_uri: "+worker.server.URL+"/keys}\n"+
		"  - {client_id: federated, scopes: [orders.read], federated: [{issuer: "+cluster.issuer+", subject: worker}]}\n"))
	c.entries("applications changed")
	signed := func(id string) string {
		return c.assertion(secondKey(), "2", members{"iss": id, "sub": id})
	}
	vouched := cluster.forger(secondKey(), "2").claiming(members{"sub": "worker", "aud": c.url("https://localhost:5001"), "client_id": absent{}, "scope": absent{}})
	ids := []string{"nobody", "inactive", "secret", "orders-worker", "keys", "federated"}
	var all sync.WaitGroup
	for _, id := range ids {
		for kind, assertion := range map[string]string{"its own assertion": signed(id), "another's word": vouched} {
			all.Go(func() {
				if a := c.assert(assertion, "client_id", id); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, `"invalid_client"`) {
					t.Errorf("%s, %s: %d %s", id, kind, a.StatusCode, a.body)
				}
			})
		}
	}
	all.Wait()
	unlock()
	c.eventually("the keys are there", func() bool { return c.assert(signed("keys")).StatusCode == http.StatusOK })
	if n := len(worker.requests("/keys")); n != 1 {
		t.Errorf("the keys were fetched %d times: an answer waited for the first fetch until it failed", n)
	}

	for i, id := range ids {
		statuses := c.together(c.clientFrom(i+1), 40, func(int) string { return id }, func(j int) string { return fmt.Sprint("wrong ", j) })
		if statuses[http.StatusTooManyRequests] < 20 || statuses[http.StatusUnauthorized]+statuses[http.StatusTooManyRequests]+statuses[http.StatusServiceUnavailable] != 40 {
			t.Errorf("%s, 40 wrong secrets: %v", id, statuses)
		}
	}
	for i, id := range ids { // assertions are no guesses, and count for nobody
		client := c.clientFrom(20 + i)
		for range 12 {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_assertion_type": {jwtBearer}, "client_assertion": {"a.b.c"}}
			r, err := client.PostForm(c.url("https://localhost:5001/token"), form)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s, an assertion that is none: %d", id, r.StatusCode)
			}
		}
	}
}

func optionsWith(applications string, env ...string) options {
	return options{files: map[string]string{"applications.yaml": applications}, env: env}
}
