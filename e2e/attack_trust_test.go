package e2e

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// elsewhere are other issuers: one that is trusted, and one that is trusted too, whose
// metadata and keys lead to a third.
type elsewhere struct {
	trusted *foreign
	moved   *httptest.Server
	dir     string
	led     atomic.Int32 // requests to the third
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{trusted: newForeign(t, ""), dir: t.TempDir()}
	e.trusted.publishKeys(jwkOf(attackerKey(), "k", nil))
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.led.Add(1)
		if strings.HasPrefix(r.URL.Path, "/keys") {
			_, _ = io.WriteString(w, keySet(t, jwkOf(attackerKey(), "k", nil)))
			return
		}
		_, _ = io.WriteString(w, textOf(t, members{"issuer": e.moved.URL, "jwks_uri": "http://" + r.Host + "/keys"}))
	}))
	t.Cleanup(third.Close)
	e.moved = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/named/") {
			_, _ = io.WriteString(w, textOf(t, members{"issuer": e.moved.URL + "/named", "jwks_uri": "http://169.254.169.254/latest/meta-data/"}))
			return
		}
		http.Redirect(w, r, third.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	e.moved.Config.ErrorLog = log.New(io.Discard, "", 0)
	e.moved.StartTLS()
	t.Cleanup(e.moved.Close)
	write(t, filepath.Join(e.dir, "token"), "a-token-for-keys")
	write(t, filepath.Join(e.dir, "moved.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.moved.Certificate().Raw})))
	return e
}

func (e *elsewhere) trusts() string {
	of := []string{"ca_file " + filepath.Join(e.dir, "moved.pem"), "bearer_token_file " + filepath.Join(e.dir, "token"), "audience orders-api"}
	return strings.Join([]string{
		e.trusted.trust("types at+jwt jwt", "audience orders-api"), trust(e.moved.URL, of...), trust(e.moved.URL+"/named", of...),
		trust(e.moved.URL+"/keys", append(of, "jwks_url "+e.moved.URL+"/keys")...),
	}, "\n")
}

// workload is an Application that authenticates as one workload of the trusted issuer.
func (e *elsewhere) workload(scope string) string {
	return "  - {client_id: workload, scopes: [" + scope + "], federated: [{issuer: '" + e.trusted.issuer + "', subject: worker}]}\n"
}

// applications are what is federated, and the Applications that are disabled.
func (e *elsewhere) applications() string {
	const disabled = "  - {active: false, scopes: [orders.read], client_id: "
	return e.workload("orders.read") +
		"  - {client_id: pattern, scopes: [orders.read], federated: [{issuer: '" + e.trusted.issuer + "', subject_pattern: 'spiffe://example.com/sa/*'}]}\n" +
		disabled + "disabled-federated, federated: [{issuer: '" + e.trusted.issuer + "', subject: worker}]}\n" +
		disabled + "disabled-signer, jwks: " + keySet(e.trusted.t, jwkOf(attackerKey(), "k", nil)) + "}\n" +
		disabled + "disabled-subject, tls_client_auth_san_dns: disabled.example.com}\n"
}

// workloadToken is one of the trusted issuer, for an audience.
func (a *attacked) workloadToken(subject string, audience any) string {
	f := a.elsewhere.trusted.forger(attackerKey(), "k")
	return f.sign(f.header(members{"typ": "JWT"}), f.claims(members{
		"sub": subject, "aud": audience, "client_id": absent{}, "scope": absent{}, "jti": absent{}, "iat": f.at(0), "exp": f.at(300e9),
	}))
}

func assertedForm(clientID, assertion, scope string) string {
	return identifiedForm(clientID, scope) + "&client_assertion_type=" + url.QueryEscape(jwtBearer) + "&client_assertion=" + assertion
}

// Istio CVE-2026-39350: a dot in a pattern is a dot.
func attackPatterns(t *testing.T, a *attacked) {
	var all sync.WaitGroup
	for subject, matches := range map[string]bool{
		"spiffe://example.com/sa/a": true, "spiffe://exampleXcom/sa/a": false, "spiffe://example%2Ecom/sa/a": false, "spiffe://example.com/saXa": false,
		"spiffe://example.com/sa/": false, "xspiffe://example.com/sa/a": false, "spiffe://example.com/SA/a": false, "spiffe://example.com/sa": false, "spiffe://exampleacom/sa/a/b": false,
		"spiffe://example.com/sa/*": true, "https://x/\nspiffe://example.com/sa/a": false,
	} {
		all.Go(func() {
			form := assertedForm("pattern", a.workloadToken(subject, a.url("https://localhost:5001")), "orders.read")
			got, err := exchange(a.http, a.request(http.MethodPost, "https://localhost:5001/token", form, formEncoded))
			if err != nil || (accessToken(got.body) != "") != matches {
				t.Errorf("%q: %v %v", subject, err, got)
			}
		})
	}
	all.Wait()
}

// MCP registry CVE-2026-44428: a token of a workload is for the one issuer that it names.
func attackTwoIssuers(t *testing.T, a *attacked) {
	first, second := a.url("https://localhost:5001"), a.url("https://localhost:5003")
	for _, issuer := range []struct{ url, scope string }{{first, "orders.read"}, {second, "second.read"}} {
		for name, audience := range map[string]any{
			first: first, second: second, "both": []string{first, second}, "both, reordered": []string{second, first}, "slash": issuer.url + "/", "endpoint": issuer.url + "/token", "an API": "orders-api",
		} {
			form := assertedForm("workload", a.workloadToken("worker", audience), issuer.scope)
			got := send(t, a.http, a.request(http.MethodPost, issuer.url+"/token", form, formEncoded))
			if (accessToken(got.body) != "") != (name == issuer.url) {
				t.Errorf("%s at %s: %d %s", name, issuer.url, got.StatusCode, got.body)
			}
		}
	}
}

// Fulcio CVE-2026-49478, Istio CVE-2026-41413, distribution CVE-2026-33540: no answer
// chooses where keys come from, nor where a token is sent.
func attackDiscovery(t *testing.T, a *attacked) {
	for _, issuer := range []string{"", "/named", "/keys"} {
		f := &forger{t: t, issuer: a.elsewhere.moved.URL + issuer, kid: "k", key: attackerKey(), now: a.elsewhere.trusted.forger(attackerKey(), "k").now}
		for _, path := range []string{"/orders", "/foreign"} {
			got := a.ask(t, http.MethodGet, path, "", bearer(f.good()))
			a.checkClosed(t, got, f.issuer)
		}
	}
	if n := a.elsewhere.led.Load(); n > 0 {
		t.Errorf("%d requests went where an answer leads", n)
	}
	if strings.Contains(a.logged(), "a-token-for-keys") {
		t.Error("the log has the token for keys")
	}
}

// Cloudreve CVE-2026-54560, flux-operator CVE-2026-23990: what a token does not say is not
// said.
func attackEmptyClaims(t *testing.T, a *attacked) {
	f := a.elsewhere.trusted.forger(attackerKey(), "k")
	claims := func(changes members) string {
		all := members{"team": "shop"}
		for name, value := range changes {
			all[name] = value
		}
		return bearer(f.claiming(all))
	}
	if got := a.checkAllowed(t, a.ask(t, http.MethodGet, "/foreign", "", claims(nil))); got.header.Get("X-Client-Id") != "orders-worker" {
		t.Errorf("arrived with %v", got.header)
	}
	for _, name := range []string{"scope", "aud", "iss", "exp", "team", "client_id"} {
		for _, value := range []any{absent{}, nil, "", " ", []string{}, []string{""}, []any{nil}, members{}, false} {
			changes := members{name: value}
			if name == "client_id" {
				changes["sub"] = value
			}
			if _, object := value.(members); name == "team" && value != nil && value != (absent{}) || object && name == "team" {
				continue // `require` asks for any value but null
			}
			a.checkClosed(t, a.ask(t, http.MethodGet, "/foreign", "", claims(changes)), textOf(t, []any{name, value}))
		}
	}
}

// Keycloak CVE-2026-1609 and 1486: a disabled Application gets nothing, by whatever way it
// asks.
func attackDisabled(t *testing.T, a *attacked) {
	ours := a.url("https://localhost:5001")
	p, retired := newProver(t), a.run+"-retired"
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(retired)+":"+shopSecret))
	certificate := a.presenting(t, a.ca.named("disabled.example.com"), a.version)
	var all sync.WaitGroup
	for name, r := range map[string]*http.Request{
		"form":        a.request("POST", ours+"/token", secretForm(retired, shopSecret, "orders.read"), formEncoded),
		"Basic":       a.request("POST", ours+"/token", "grant_type=client_credentials", formEncoded, basic),
		"JSON":        a.request("POST", ours+"/token", `{"grantType":"client_credentials","clientId":"`+retired+`","clientSecret":"`+shopSecret+`"}`, "Content-Type: application/json"),
		"with DPoP":   a.request("POST", ours+"/token", secretForm(retired, shopSecret, "orders.read"), formEncoded, "Dpop: "+p.proof("POST", ours+"/token", "", nil)),
		"assertion":   a.request("POST", ours+"/token", assertedForm("disabled-signer", a.assertion(attackerKey(), "k", members{"iss": "disabled-signer", "sub": "disabled-signer"}), "orders.read"), formEncoded),
		"federated":   a.request("POST", ours+"/token", assertedForm("disabled-federated", a.workloadToken("worker", ours), "orders.read"), formEncoded),
		"certificate": a.request("POST", ours+"/token", identifiedForm("disabled-subject", "orders.read"), formEncoded),
		"introspect":  a.request("POST", ours+"/introspect", "token=x", formEncoded, basic),
		"revoke":      a.request("POST", ours+"/revoke", "token=x", formEncoded, basic),
	} {
		client := a.http
		if name == "certificate" {
			client = certificate
		}
		all.Go(func() {
			got, err := exchange(client, r)
			// Like ids that nobody has, they are limited.
			if err != nil || got.StatusCode != http.StatusUnauthorized && got.StatusCode != http.StatusTooManyRequests {
				t.Errorf("%s: %v %v", name, err, got)
			}
		})
	}
	all.Wait()
}

// Dex GHSA-7qjx, Keycloak CVE-2026-1486: with its trust, everything that an issuer has
// vouched for ends. So do the tokens of an Application that is gone.
func attackRemovedTrust(t *testing.T, g *guarded, e *elsewhere) {
	versions := []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}
	f := e.trusted.forger(attackerKey(), "k")
	theirs := bearer(f.claiming(members{"team": "shop"}))
	clients, ours := make(map[string]*attacked), make(map[string]string)
	for _, version := range versions {
		over := *g
		over.http = g.presenting(t, nil, version)
		a := &attacked{&over, nil, e, version, ""}
		clients[version] = a
		a.checkAllowed(t, a.ask(t, http.MethodGet, "/foreign", "", theirs))
		got := a.ask(t, http.MethodPost, "/token", assertedForm("workload", a.workloadToken("worker", a.url("https://localhost:5001")), "orders.read"), formEncoded)
		if ours[version] = accessToken(got.body); ours[version] == "" {
			t.Fatalf("%d %s", got.StatusCode, got.body)
		}
		a.checkAllowed(t, a.ask(t, http.MethodGet, "/orders", "", bearer(ours[version]))) // and is remembered
	}
	g.withoutTrust(e)
	for version, before := range clients {
		over := *g
		over.http = g.presenting(t, nil, version)
		for _, a := range []*attacked{before, {&over, nil, e, version, ""}} {
			for name, token := range map[string]string{"theirs": theirs, "ours": bearer(ours[version])} {
				for _, path := range []string{"/foreign", "/orders"} {
					a.checkClosed(t, a.ask(t, http.MethodGet, path, "", token), name+" at "+path)
				}
			}
			got := a.ask(t, http.MethodPost, "/token", assertedForm("workload", a.workloadToken("worker", a.url("https://localhost:5001")), "orders.read"), formEncoded)
			if accessToken(got.body) != "" {
				t.Errorf("%s: a token for the workload", version)
			}
		}
	}
}

// withoutTrust loads a configuration without the trusted issuer, and without the
// Applications that authenticate there.
func (g *guarded) withoutTrust(e *elsewhere) {
	g.t.Helper()
	for _, name := range []string{"applications.yaml", "second.yaml"} {
		var kept []string
		for line := range strings.Lines(read(g.t, filepath.Join(g.dir, name))) {
			if !strings.Contains(line, "federated: ") {
				kept = append(kept, line)
			}
		}
		write(g.t, filepath.Join(g.dir, name), strings.Join(kept, ""))
	}
	write(g.t, filepath.Join(g.dir, "second.yaml"), read(g.t, filepath.Join(g.dir, "second.yaml"))+"  - {client_id: other, scopes: [second.read], secrets: [{id: '1', hash: "+shopHash+"}]}\n")
	caddyfile := strings.Replace(read(g.t, filepath.Join(g.dir, "Caddyfile")), "trust "+e.trusted.issuer+" {", "trust https://nobody.example.com {", 1)
	write(g.t, filepath.Join(g.dir, "Caddyfile"), strings.Replace(caddyfile, "issuer "+e.trusted.issuer, "issuer https://nobody.example.com", 1))
	if output, err := caddyCommand(g.dir, g.home, g.admin, "reload", "--config", "Caddyfile").CombinedOutput(); err != nil {
		g.t.Fatalf("%v: %s", err, output)
	}
}
