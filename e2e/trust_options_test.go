package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// secondKey is another key of an issuer elsewhere.
var secondKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// verdict is what a route says to a token.
type verdict struct {
	path, token string
	status      int
	says        string
}

func (c *caddy) checkVerdicts(t *testing.T, rows map[string]verdict) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { c.checkAnswer(t, row.path, row.token, row.status, row.says) })
	}
}

// Where an issuer has its claims is configuration, and so is what they must be.
func TestClaimsOfATrustedIssuer(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "/realms/shop")
	f.publishKeys(jwkOf(attackerKey(), "k", nil))
	config := trustingOptions(f.trust(
		"audience orders-api", "client_id_claims /act/client azp", "scope_claims scope /realm_access/roles /a~1b/c~0d",
		"claim tenant blue green", "claim /deep/er yes")) + trustedSite(`
	handle /scope* {
		verify orders.read orders.write
		respond "{http.auth.user.id} {http.auth.user.scope}"
	}
	handle /any* {
		verify {
			any_scope orders.admin orders.write
		}
		respond fine
	}
	handle /blue* {
		verify {
			claim tenant blue
			claim level 3
			claim_header X-Tenant tenant
		}
		respond "{header.X-Tenant}"
	}
	handle /other* {
		verify {
			audience other-api
		}
		respond fine
	}
	handle /matcher* {
		verify {
			audience orders-api
		}
		@admin token_scope admin
		respond @admin "admin"
		respond "not admin"
	}`)
	api := startTrusting(t, newPorts(t), t.TempDir(), config)
	forger := f.forger(attackerKey(), "k")
	with := func(changes members) string {
		claims := members{
			"client_id": absent{}, "azp": "worker", "tenant": "blue", "deep": members{"er": "yes"}, "level": 3,
			"scope": "orders.read", "realm_access": members{"roles": []string{"orders.write"}},
		}
		for name, value := range changes {
			claims[name] = value
		}
		return forger.claiming(claims)
	}
	api.checkVerdicts(t, map[string]verdict{
		"scopes of two claims":             {"/scope", with(nil), 200, "worker orders.read orders.write"},
		"the client of the first claim":    {"/scope", with(members{"act": members{"client": "actor"}}), 200, "actor orders.read orders.write"},
		"escaped pointers":                 {"/scope", with(members{"realm_access": absent{}, "a/b": members{"c~d": "orders.write"}}), 200, "worker orders.read orders.write"},
		"a scope in a claim not listed":    {"/scope", with(members{"realm_access": absent{}, "roles": []string{"orders.write"}}), 403, "missing_scope"},
		"no client":                        {"/scope", with(members{"azp": absent{}}), 401, "missing_claim"},
		"a client that is no text":         {"/scope", with(members{"azp": 7}), 401, "malformed_claims"},
		"roles that are no list":           {"/scope", with(members{"realm_access": members{"roles": 7}}), 401, "malformed_claims"},
		"one of several scopes":            {"/any", with(nil), 200, "fine"},
		"none of several scopes":           {"/any", with(members{"realm_access": absent{}}), 403, "missing_scope"},
		"another tenant":                   {"/scope", with(members{"tenant": "red"}), 403, "claim_not_accepted"},
		"no tenant":                        {"/scope", with(members{"tenant": absent{}}), 403, "claim_not_accepted"},
		"one tenant of a list":             {"/scope", with(members{"tenant": []string{"red", "green"}}), 200, "worker orders.read orders.write"},
		"a tenant in another case":         {"/scope", with(members{"tenant": "Blue"}), 403, "claim_not_accepted"},
		"a nested claim that is otherwise": {"/scope", with(members{"deep": members{"er": "no"}}), 403, "claim_not_accepted"},
		"a nested claim with its name":     {"/scope", with(members{"deep": absent{}, "/deep/er": "yes"}), 403, "claim_not_accepted"},
		"a rule of the route":              {"/blue", with(nil), 200, "blue"},
		"a rule of the route, broken":      {"/blue", with(members{"level": 4}), 403, "claim_not_accepted"},
		"a rule of the issuer is not lost": {"/blue", with(members{"tenant": "green"}), 403, "claim_not_accepted"},
		"the audience of the route":        {"/other", with(members{"aud": "other-api"}), 200, "fine"},
		"not that of the issuer any more":  {"/other", with(nil), 401, "wrong_audience"},
		"token_scope":                      {"/matcher", with(members{"scope": "admin"}), 200, "admin"},
		"token_scope that is not held":     {"/matcher", with(nil), 200, "not admin"},
		"too new for its leeway":           {"/any", with(members{"nbf": forger.at(50 * time.Second)}), 401, "not_yet_valid"},
	})
	api.eventually("the log to name the claim", func() bool { return strings.Contains(api.logged(), "the claim tenant is") })
}

// As JSON, a header carries what it cannot as text.
func TestClaimHeadersAsJSON(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "")
	f.publishKeys(jwkOf(attackerKey(), "k", nil))
	const headers = "{header.X-Claim}"
	verify := func(path, claim string) string {
		return "\n\thandle " + path + " {\n\t\tverify {\n\t\t\taudience orders-api\n\t\t\tclaim_header X-Claim " + claim + "\n\t\t}\n\t\trespond `" + headers + "`\n\t}"
	}
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(f.trust("audience orders-api"))+trustedSite(
		verify("/text", "groups")+verify("/json", "groups json")+verify("/scope", "scope json")+verify("/client", "client_id json")+verify("/all", "* json")))
	token := func(groups any) string { return f.forger(attackerKey(), "k").claiming(members{"groups": groups}) }
	api.checkVerdicts(t, map[string]verdict{
		"as text":                 {"/text", token([]string{"staff", "admin"}), 200, "staff admin"},
		"a space, as text":        {"/text", token([]string{"Domain Users"}), 401, "malformed_claims"},
		"a line, as text":         {"/text", token("a\nb"), 401, "malformed_claims"},
		"a space":                 {"/json", token([]string{"Domain Users"}), 200, `["Domain Users"]`},
		"a line":                  {"/json", token("a\r\nX-Claim: b"), 200, `"a\r\nX-Claim: b"`},
		"other letters":           {"/json", token([]string{"Zürich", ""}), 200, `["Z\u00fcrich",""]`},
		"an object":               {"/json", token(members{"a": []int{1}}), 200, `{"a":[1]}`},
		"null":                    {"/json", token(nil), 200, "null"},
		"the scope is a list":     {"/scope", token(nil), 200, `["orders.read","orders.write"]`},
		"the client is text":      {"/client", token(nil), 200, `"orders-worker"`},
		"no such claim, no value": {"/json", f.forger(attackerKey(), "k").good(), 200, ""},
	})
	var all struct {
		Groups []string `json:"groups"`
		Issuer string   `json:"iss"`
	}
	a := api.get("https://localhost:5003/all", token([]string{"Domain Users"}))
	if err := json.Unmarshal([]byte(a.body), &all); err != nil || len(all.Groups) != 1 || all.Issuer != f.issuer {
		t.Errorf("%v: %s", err, a.body)
	}
	api.eventually("the log to say what to write instead", func() bool { return strings.Contains(api.logged(), "write: claim_header X-Claim groups json") })
}

// The types and the leeway are configuration, too.
func TestTypesAndLeewayOfATrustedIssuer(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "")
	f.publishKeys(jwkOf(attackerKey(), "k", members{"alg": absent{}}), jwkOf(secondKey(), "ps", members{"alg": "PS256"}))
	config := trustingOptions(f.trust("audience orders-api", "types none", "algorithms RS256", "leeway 60s", "insecure_nonce")) + trustedSite("\tverify {\n\t\taudience orders-api\n\t}\n\trespond fine")
	api := startTrusting(t, newPorts(t), t.TempDir(), config)
	forger := f.forger(attackerKey(), "k")
	untyped := forger.header(members{"typ": absent{}})
	api.checkVerdicts(t, map[string]verdict{
		"without a type":         {"/", forger.sign(untyped, forger.claims(nil)), 200, "fine"},
		"at+jwt":                 {"/", forger.good(), 401, "wrong_type"},
		"JWT":                    {"/", forger.headed(members{"typ": "JWT"}), 401, "wrong_type"},
		"with a nonce":           {"/", forger.sign(untyped, forger.claims(members{"nonce": "n"})), 200, "fine"},
		"with at_hash":           {"/", forger.sign(untyped, forger.claims(members{"nonce": "n", "at_hash": "h"})), 401, "wrong_type"},
		"expired for 50 seconds": {"/", forger.sign(untyped, forger.claims(members{"exp": forger.at(-50 * time.Second), "iat": forger.at(-time.Hour)})), 200, "fine"},
		"expired for a minute":   {"/", forger.sign(untyped, forger.claims(members{"exp": forger.at(-61 * time.Second), "iat": forger.at(-time.Hour)})), 401, "expired"},
		"another algorithm":      {"/", forger.sign(forger.header(members{"typ": absent{}, "kid": "ps", "alg": "PS256"}), forger.claims(nil)), 401, "wrong_algorithm"},
	})
	if s := api.trusted()[0]; s.Keys != 1 || len(s.Skipped) != 1 || !strings.Contains(s.Skipped[0], `alg "PS256" is not accepted here`) {
		t.Errorf("%+v", s)
	}
	if len(api.entries("insecure_nonce: tokens of this issuer with a nonce are accepted, ID tokens for an accepted audience among them")) != 1 {
		t.Error("insecure_nonce is not warned of once")
	}
}

// A file of keys is read again when it changes. A broken one changes nothing.
func TestKeysOfAFile(t *testing.T) {
	t.Parallel()
	first, second := jwkOf(attackerKey(), "1", nil), jwkOf(secondKey(), "2", nil)
	const issuer = "https://login.example.com"
	api := start(t, trustingOptions(trust(issuer, "jwks_file keys.json", "audience orders-api"))+trustedSite("\tverify {\n\t\taudience orders-api\n\t}\n\trespond fine"), options{
		admin: "localhost:" + testport.Free(t), files: map[string]string{"keys.json": keySet(t, first)},
	})
	one := &forger{t: t, issuer: issuer, kid: "1", key: attackerKey(), now: time.Now()}
	two := &forger{t: t, issuer: issuer, kid: "2", key: secondKey(), now: time.Now()}
	api.checkAnswer(t, "/", one.good(), http.StatusOK, "fine")
	api.checkAnswer(t, "/", two.good(), http.StatusUnauthorized, "unknown_key")
	if s := api.trusted()[0]; s.From != filepath.Join(api.dir, "keys.json") || s.Keys != 1 {
		t.Errorf("%+v", s)
	}
	api.rewrite("keys.json", keySet(t, second))
	api.eventually("the new key", func() bool { return api.get("https://localhost:5003/", two.good()).StatusCode == http.StatusOK })
	api.checkAnswer(t, "/", one.good(), http.StatusUnauthorized, "unknown_key")
	api.rewrite("keys.json", `{"keys":[`)
	api.eventually("the broken file", func() bool { return api.trusted()[0].Stale })
	api.checkAnswer(t, "/", two.good(), http.StatusOK, "fine")
}

// Keys over plain HTTP need insecure_http, wherever the issuer itself is; without
// it, they are not asked for.
func TestKeysOverPlainHTTP(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "")
	asked := 0
	var mu sync.Mutex
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		_, _ = w.Write([]byte(keySet(t, jwkOf(attackerKey(), "k", nil))))
	}))
	t.Cleanup(plain.Close)
	f.publish("/.well-known/openid-configuration", f.metadata(plain.URL+"/keys"))
	token := f.forger(attackerKey(), "k").good()
	site := trustedSite("\tverify {\n\t\taudience orders-api\n\t}\n\trespond fine")

	strict := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(f.trust("audience orders-api"))+site)
	strict.checkAnswer(t, "/", token, http.StatusServiceUnavailable, "keys_unavailable")
	if s := strict.trusted()[0]; !strings.Contains(s.LastError, "must be https") || asked != 0 {
		t.Errorf("asked %d times; %+v", asked, s)
	}
	home, p := t.TempDir(), newPorts(t)
	insecure := startTrusting(t, p, home, trustingOptions(f.trust("audience orders-api", "insecure_http"))+site)
	insecure.checkAnswer(t, "/", token, http.StatusOK, "fine")
	insecure.awaitStored()
	if len(insecure.entries("insecure_http: the keys of this issuer may be fetched over plain HTTP, and whoever is on the way can make tokens")) != 1 {
		t.Error("insecure_http is not warned of once")
	}
	// Keys that came so are not taken over where that is not accepted any more:
	// not by a reload, and not from the storage.
	if a := insecure.load(trustingOptions(f.trust("audience orders-api")) + site); a.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", a.StatusCode, a.body)
	}
	insecure.checkAnswer(t, "/", token, http.StatusServiceUnavailable, "keys_unavailable")
	insecure.stop()
	again := startTrusting(t, p, home, trustingOptions(f.trust("audience orders-api"))+site)
	again.checkAnswer(t, "/", token, http.StatusServiceUnavailable, "keys_unavailable")
}

// The token for fetching keys goes to the issuer, as it is at that moment, and to
// nobody whom its metadata name.
func TestBearerTokenForKeys(t *testing.T) {
	t.Parallel()
	f, other := newForeign(t, ""), newForeign(t, "")
	keys := keySet(t, jwkOf(attackerKey(), "k", nil))
	f.publish("/keys", keys)
	other.publish("/keys", keys)
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	write(t, file, "first-token\n")
	ca := filepath.Join(dir, "ca.pem")
	write(t, ca, read(t, f.caFile())+read(t, other.caFile()))
	block := trust(f.issuer, "ca_file "+ca, "bearer_token_file "+file, "audience orders-api")
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(block)+trustedSite("\tverify {\n\t\taudience orders-api\n\t}\n\trespond fine"))
	api.awaitKeys()
	checkBearer(t, f.requests("/keys"), "Bearer first-token")
	checkBearer(t, f.requests("/.well-known/openid-configuration"), "Bearer first-token")

	write(t, file, "second-token")
	f.publish("/.well-known/openid-configuration", f.metadata(other.server.URL+"/keys"))
	// A reload looks for the metadata again.
	api.reload()
	api.eventually("keys from elsewhere", func() bool { return len(other.requests("/keys")) > 0 })
	checkBearer(t, other.requests("/keys"), "")
	checkBearer(t, f.requests("/.well-known/openid-configuration")[1:], "Bearer second-token")
	for _, secret := range []string{"first-token", "second-token"} {
		if strings.Contains(api.logged(), secret) || strings.Contains(api.adapted(), secret) {
			t.Errorf("the log or the configuration has %s", secret)
		}
	}
}

func checkBearer(t *testing.T, requests []http.Header, want string) {
	t.Helper()
	if len(requests) == 0 {
		t.Error("there was no request")
	}
	for _, header := range requests {
		if got := header.Get("Authorization"); got != want {
			t.Errorf("Authorization %q, want %q", got, want)
		}
	}
}

// A flood of unknown kids is one fetch, and a certificate that is not trusted none.
func TestAFloodOfUnknownKidsIsOneFetch(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "")
	f.publishKeys(jwkOf(attackerKey(), "k", nil))
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(f.trust("audience orders-api"))+trustedSite("\tverify {\n\t\taudience orders-api\n\t}\n\trespond fine"))
	api.awaitKeys()
	api.awaitInterval()
	before := len(f.requests("/keys"))
	var group sync.WaitGroup
	client := api.client()
	for range 50 {
		group.Go(func() {
			token := f.forger(attackerKey(), segment(rand.Text())).good()
			response, err := client.Do(api.request(http.MethodGet, "https://localhost:5003/", "", bearer(token)))
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%d", response.StatusCode)
			}
		})
	}
	group.Wait()
	if n := len(f.requests("/keys")) - before; n != 1 {
		t.Errorf("%d fetches", n)
	}
	api.checkAnswer(t, "/", f.forger(attackerKey(), "k").good(), http.StatusOK, "fine")
}

// Without ca_file, the certificate must be one of the system's.
func TestAServerThatIsNotTheIssuer(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "")
	f.publishKeys(jwkOf(attackerKey(), "k", nil))
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(trust(f.issuer, "audience orders-api"))+trustedSite("\tverify {\n\t\taudience orders-api\n\t}\n\trespond fine"))
	api.checkAnswer(t, "/", f.forger(attackerKey(), "k").good(), http.StatusServiceUnavailable, "keys_unavailable")
	if s := api.trusted()[0]; !strings.Contains(s.LastError, "certificate") || len(f.requests("/keys")) != 0 {
		t.Errorf("%+v", s)
	}
}
