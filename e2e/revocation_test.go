package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/client"
	zitadelhttp "github.com/zitadel/oidc/v3/pkg/http"
)

// revokingSite has one route that verifies, and one that verifies twice.
const revokingSite = `
	handle /orders* {
		verify orders.read
		respond fine
	}
	handle /ready {
		@ready tokenidp_ready
		respond @ready ready
		respond 503
	}
	handle /twice* {
		route {
			verify orders.read
			verify orders.write
			respond fine
		}
	}
`

// startRevoking runs the shop, and Applications that may ask about tokens.
func startRevoking(t *testing.T) *caddy {
	t.Helper()
	return start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+revokingSite+"\n}\n", options{
		files: map[string]string{"applications.yaml": askingShop},
	})
}

// askingShop is the shop, with a gateway that may ask about any token, and an API that
// may ask about its own.
var askingShop = strings.Replace(shopApplications, "  - name: orders-api\n", "  - name: orders-api\n    introspection: [orders-api]\n", 1) + `
  - client_id: gateway
    introspection: true
    secrets: [{id: "1", hash: ` + shopHash + `}]
  - client_id: orders-api
    secrets: [{id: "1", hash: ` + shopHash + `}]
  - client_id: thrifty
    quota: {tokens: 2, per: 1h}
    secrets: [{id: "1", hash: ` + shopHash + `}]
    scopes: [orders.read]
`

// asks posts a form with Basic credentials to an endpoint of the issuer.
func (c *caddy) asks(path, clientID string, form url.Values, headers ...string) *answer {
	c.t.Helper()
	r := c.request(http.MethodPost, "https://localhost:5001"+path, form.Encode(), append(headers, "Content-Type: application/x-www-form-urlencoded")...)
	r.SetBasicAuth(clientID, shopSecret)
	return c.once(r)
}

func (c *caddy) revoke(clientID, token string) *answer {
	c.t.Helper()
	return c.asks("/revoke", clientID, url.Values{"token": {token}})
}

// wantRefusedAs checks that a token is refused at a path, under a reason.
func (c *caddy) wantRefusedAs(token, path string, status int, reason string) {
	c.t.Helper()
	before := len(c.logged())
	if a := c.get("https://localhost:5001"+path, token); a.StatusCode != status {
		c.t.Errorf("%s: status %d, want %d", path, a.StatusCode, status)
	}
	c.eventually("the reason "+reason, func() bool { return strings.Contains(c.logged()[before:], `"reason":"`+reason+`"`) })
}

func (c *caddy) wantAccepted(token, path string) {
	c.t.Helper()
	if a := c.get("https://localhost:5001"+path, token); a.StatusCode != http.StatusOK {
		c.t.Errorf("%s: status %d", path, a.StatusCode)
	}
}

// RFC 7009 section 2: who has revoked a token, has it refused from then on, on every
// route, whoever has verified it before.
func TestRevokedTokensAreRefused(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token, other := c.token("orders-worker", "orders.read orders.write"), c.token("orders-worker", "orders.read")
	c.wantAccepted(token, "/orders")
	c.wantAccepted(token, "/twice")
	a := c.revoke("orders-worker", token)
	if a.StatusCode != http.StatusOK || a.body != "{}" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s %v", a.StatusCode, a.body, a.Header)
	}
	c.wantRefusedAs(token, "/orders", 401, "revoked")
	c.wantRefusedAs(token, "/twice", 401, "revoked")
	c.wantAccepted(other, "/orders")
	if a := c.get("https://localhost:5001/orders", token); !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("challenge %q", a.Header.Get("WWW-Authenticate"))
	}
	if a := c.revoke("orders-worker", token); a.StatusCode != http.StatusOK {
		t.Errorf("again: %d %s", a.StatusCode, a.body)
	}
	line := c.entries("token revoked")[0]
	if line["client_id"] != "orders-worker" || line["jti"] == nil || line["jti"] == "" || line["expires"] == nil {
		t.Errorf("the log says %v", line)
	}
	e := c.explainJSON(token)
	if e.Verdict.Reason != "revoked" || e.Routes[0].Reason != "revoked" {
		t.Errorf("explain says %+v", e)
	}
	if metrics := c.metrics(); !strings.Contains(metrics, `caddy_tokenidp_revocations_total{issuer="`+c.url("https://localhost:5001")+`",reason="",result="revoked"} 2`) {
		t.Error("the metrics do not count it")
	}
}

// RFC 7009 section 2.1, in the JSON dialect.
func TestRevocationInJSON(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("reader", "orders.read")
	body, err := json.Marshal(map[string]string{"token": token, "tokenTypeHint": "access_token", "clientId": "reader", "clientSecret": shopSecret})
	if err != nil {
		t.Fatal(err)
	}
	if a := c.do(http.MethodPost, "https://localhost:5001/revoke", string(body), "Content-Type: application/json"); a.StatusCode != http.StatusOK || a.body != `{"isSuccess":true}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	c.wantRefusedAs(token, "/orders", 401, "revoked")
}

// RFC 7009 sections 2.1 and 2.2: only a client's own tokens are revoked, and what is
// no token of use is no error; nothing is stored for it.
func TestNothingElseIsRevoked(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("orders-worker", "orders.read")
	if a := c.revoke("reader", token); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, `"invalid_request"`) {
		t.Errorf("another's token: %d %s", a.StatusCode, a.body)
	}
	cut := token[:strings.LastIndexByte(token, '.')]
	for name, useless := range map[string]string{
		"no JWT":           "opaque",
		"unsigned":         cut + ".",
		"a bad signature":  cut + "." + strings.Repeat("A", 342),
		"without claims":   "e30.e30.e30",
		"too large":        strings.Repeat("a", 20<<10),
		"of other issuers": foreignToken,
	} {
		if a := c.revoke("orders-worker", useless); a.StatusCode != http.StatusOK || a.body != "{}" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if n := len(c.entries("nothing to revoke")); n == 0 {
		t.Error("the log does not say so")
	}
	for name, a := range map[string]*answer{
		"no credentials": c.do(http.MethodPost, "https://localhost:5001/revoke", "token="+token+"&client_id=orders-worker", "Content-Type: application/x-www-form-urlencoded"),
		"a wrong secret": c.do(http.MethodPost, "https://localhost:5001/revoke", "token="+token+"&client_id=orders-worker&client_secret=x", "Content-Type: application/x-www-form-urlencoded"),
	} {
		if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, "invalid_client") || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := c.do(http.MethodGet, "https://localhost:5001/revoke", ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", a.StatusCode, a.Header.Get("Allow"))
	}
	c.wantAccepted(token, "/orders")
	var info struct{ Revocations *int }
	if err := json.Unmarshal([]byte(c.administer(http.MethodGet, "/tokenidp/revocations", "").body), &info); err != nil || info.Revocations == nil || *info.Revocations != 0 {
		t.Errorf("there are revocations: %+v, %v", info, err)
	}
}

// foreignToken is the example of RFC 7515 appendix A.2, of the issuer joe.
const foreignToken = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"

// A client that others wrote finds the endpoint by discovery.
func TestRevocationByZitadel(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("reader", "orders.read")
	config, err := client.Discover(t.Context(), c.url("https://localhost:5001"), c.client())
	if err != nil {
		t.Fatal(err)
	}
	request := struct {
		Token string `schema:"token"`
		Hint  string `schema:"token_type_hint"`
	}{token, "access_token"}
	caller := revokeCaller{config.RevocationEndpoint, c.client()}
	if err := client.CallRevokeEndpoint(t.Context(), request, zitadelhttp.AuthorizeBasic("orders-worker", shopSecret), caller); err == nil {
		t.Error("another client revokes it")
	}
	if err := client.CallRevokeEndpoint(t.Context(), request, zitadelhttp.AuthorizeBasic("reader", shopSecret), caller); err != nil {
		t.Fatal(err)
	}
	c.wantRefusedAs(token, "/orders", 401, "revoked")
}

type revokeCaller struct {
	endpoint string
	client   *http.Client
}

func (r revokeCaller) GetRevokeEndpoint() string { return r.endpoint }
func (r revokeCaller) HttpClient() *http.Client  { return r.client }

// An operator takes back a token, or all of a client or issuer. Tokens are told only
// on standard input or in a file.
func TestOperatorsRevoke(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	const issuer = "https://localhost:5001"
	piped := c.token("reader", "orders.read")
	if out, code := c.operate(piped, "revoke"); code != 0 || !strings.Contains(out, "is revoked, until 20") || !strings.Contains(out, "do not learn of it") || strings.Contains(out, piped) {
		t.Errorf("exit code %d: %s", code, out)
	}
	c.wantRefusedAs(piped, "/orders", 401, "revoked")

	inFile := c.token("reader", "orders.read")
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, inFile+"\n")
	if out, code := c.operate("", "revoke", "--token-file", file, "--json"); code != 0 || strings.Contains(out, inFile) || !strings.Contains(out, `"client_id":"reader"`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	c.wantRefusedAs(inFile, "/orders", 401, "revoked")

	byID, other := c.token("reader", "orders.read"), c.token("orders-worker", "orders.read orders.write")
	if out, code := c.operate("", "revoke", "--jti", jtiOf(t, byID)); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	c.wantRefusedAs(byID, "/orders", 401, "revoked")

	early := c.token("reader", "orders.read")
	if out, code := c.operate("", "revoke", "--client", "reader", "--before", "2020-01-01T00:00:00Z"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	c.wantAccepted(early, "/orders")
	if out, code := c.operate("", "revoke", "--client", "reader"); code != 0 || !strings.Contains(out, "every token issued to reader up to 20") {
		t.Errorf("exit code %d: %s", code, out)
	}
	c.wantRefusedAs(early, "/orders", 401, "revoked")
	c.wantAccepted(other, "/orders")

	if out, code := c.operate("", "revoke", "--all", "--issuer", c.url(issuer)); code != 0 || !strings.Contains(out, "every token issued up to 20") {
		t.Errorf("exit code %d: %s", code, out)
	}
	c.wantRefusedAs(other, "/twice", 401, "revoked")
	c.eventually("six lines in the log", func() bool { return len(c.entries("tokens revoked by an operator")) == 6 })
	for _, row := range []struct {
		name string
		feed string
		args []string
		want string
	}{
		{"a token as an argument", "", []string{other}, "this command takes no arguments"},
		{"no token", "\n", nil, "there is nothing to revoke; give a token on standard input"},
		{"no JWT", "opaque", nil, "this is no token that is accepted here, so nothing is revoked: malformed_token"},
		{"two things", "", []string{"--jti", "a", "--client", "b"}, "--jti and --client say different things; give one of them"},
		{"a token by time", other, []string{"--before", "2020-01-01T00:00:00Z"}, "one thing to revoke"},
		{"all of nobody", "", []string{"--all"}, "name it: --issuer"},
		{"an unknown issuer", "", []string{"--jti", "a", "--issuer", "https://other.example.com"}, "unknown issuer"},
		{"an unknown client that is none", "", []string{"--jti", "a", "--unknown-client"}, "--unknown-client is of no use without --client"},
		{"a time that is none", "", []string{"--client", "a", "--before", "yesterday"}, "write it as 2027-06-30T12:00:00Z"},
		{"a time ahead", "", []string{"--client", "a", "--before", "2099-01-01T00:00:00Z"}, "before is ahead"},
		{"an end for tokens of this server", "", []string{"--client", "a", "--until", "2099-01-01T00:00:00Z"}, "until is for the tokens of a trusted issuer"},
		{"a file that is not there", "", []string{"--token-file", "missing"}, "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, code := c.operate(row.feed, append([]string{"revoke"}, row.args...)...)
			if code != 2 || !strings.Contains(out, row.want) || strings.Contains(out, other) {
				t.Errorf("exit code %d: %s", code, out)
			}
		})
	}
	if out, code := c.operate("", "revoke", "--client", "redaer"); code != 2 || !strings.Contains(out, "nothing is revoked; did you mean reader?") || !strings.Contains(out, "--unknown-client") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := c.operate("", "revoke", "--client", "redaer", "--unknown-client"); code != 0 || !strings.Contains(out, "warning: no Application here has this client_id") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if strings.Contains(c.logged(), inFile) || strings.Contains(c.logged(), other) {
		t.Error("a token is in the log")
	}
}

// operate runs a command of Caddy's in the folder of the Caddyfile, against the running
// one.
func (c *caddy) operate(stdin string, args ...string) (output string, code int) {
	c.t.Helper()
	cmd := caddyCommand(c.dir, c.home, c.admin, append([]string{"tokenidp"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// segmentOf decodes a part of a JWT: 0 is its header, 1 are its claims.
func segmentOf(t *testing.T, token string, n int) (object map[string]any) {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(decoded, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func jtiOf(t *testing.T, token string) string {
	t.Helper()
	id, _ := segmentOf(t, token, 1)["jti"].(string)
	if id == "" {
		t.Fatal("no jti")
	}
	return id
}

// What the admin endpoint does not understand revokes nothing.
func TestRevocationOrdersAreStrict(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	token := c.token("reader", "orders.read")
	for _, body := range []string{
		``, `[]`, `{}`, `{"all":true}`, `{"issuer":"https://localhost:5001"}`, `{"client":"reader"}`, `{"client_id":""}`, `{"client_id":"reader","all":true}`,
		`{"client_id":"reader","all":false}`, `{"client_id":["reader"]}`, `{"client_id":"reader","before":1}`, `{"client_id":"reader","before":"2020-01-01"}`,
		`{"client_id":"reader","client_id":"reader"}`, `{"token":"a","jti":"b"}`, `{"jti":"a","before":"2020-01-01T00:00:00Z"}`, `{"token":"` + strings.Repeat("a", 65<<10) + `"}`,
	} {
		if a := c.administer(http.MethodPost, "/tokenidp/revoke", c.url(body), "Content-Type: application/json"); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%.80s: %d %s", body, a.StatusCode, a.body)
		}
	}
	for _, row := range []struct{ method, path string }{{http.MethodGet, "/tokenidp/revoke"}, {http.MethodPost, "/tokenidp/revocations"}} {
		if a := c.administer(row.method, row.path, ""); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%+v: %d", row, a.StatusCode)
		}
	}
	c.wantAccepted(token, "/orders")
}

// The tokens of a trusted issuer too, by their jti or their client.
func TestOperatorsRevokeTokensOfATrustedIssuer(t *testing.T) {
	t.Parallel()
	issuer, api := startTrustingShop(t, `
	handle /orders* {
		verify orders.read {
			audience orders-api
		}
		respond "{http.auth.user.id}"
	}`)
	one, all := issuer.token("orders-worker", "orders.read"), issuer.token("orders-worker", "orders.read")
	api.checkAnswer(t, "/orders", one, 200, "orders-worker")
	if out, code := api.operate(one, "revoke"); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	api.checkAnswer(t, "/orders", one, 401, "revoked")
	api.checkAnswer(t, "/orders", all, 200, "orders-worker")
	if out, code := api.operate("", "revoke", "--client", "orders-worker"); code != 0 || !strings.Contains(out, "warning: a token of this issuer that expires after ") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	api.checkAnswer(t, "/orders", all, 401, "revoked")
	if out, code := api.operate("", "revoke", "--client", "orders-worker", "--until", "2099-01-01T00:00:00Z"); code != 0 || !strings.Contains(out, "until 2099-01-01T00:00:00Z") || strings.Contains(out, "warning") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// A quota is the Application's own: it takes an authenticated client to use it up.
func TestQuotaOfTokens(t *testing.T) {
	t.Parallel()
	c := startRevoking(t)
	for range 3 { // none of these counts
		if a := c.do(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials&scope=orders.read&client_id=thrifty&client_secret=wrong", "Content-Type: application/x-www-form-urlencoded"); a.StatusCode != http.StatusUnauthorized {
			t.Fatalf("status %d", a.StatusCode)
		}
		if status := c.tokenStatus("thrifty", "orders.write"); status != http.StatusBadRequest {
			t.Fatalf("status %d", status)
		}
	}
	for range 2 {
		c.token("thrifty", "orders.read")
	}
	a := c.asks("/token", "thrifty", url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}})
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, `"temporarily_unavailable"`) {
		t.Errorf("%d %s, Retry-After %q", a.StatusCode, a.body, a.Header.Get("Retry-After"))
	}
	c.eventually("the line in the log", func() bool {
		lines := c.entries("token refused")
		last := lines[len(lines)-1]
		return last["reason"] == "quota_exceeded" && last["client_id"] == "thrifty"
	})
	c.token("reader", "orders.read")
}
