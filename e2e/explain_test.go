package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

const explainedSite = `
	handle /orders* {
		verify orders.read {
			claim_header X-Note note
		}
		@change not method GET HEAD
		verify @change orders.write
		respond "fine"
	}
	handle /stock* {
		verify {
			any_scope stock.read
		}
		respond "fine"
	}
	handle {
		verify {
			audience orders-api
		}
		respond "fine"
	}`

// explained is what `caddy tokenidp explain --json` prints.
type explained struct {
	Token struct {
		Issuer, Scope string
		ClientID      string `json:"client_id"`
		KeyID         string `json:"kid"`
		Audience      []string
		ExpiresAt     time.Time `json:"expires_at"`
		Header        map[string]any
		Claims        map[string]any
	}
	Verdict explainedVerdict
	Routes  []struct {
		Route, Source    string
		Audience, Scopes []string
		AnyScope         []string `json:"any_scope"`
		explainedVerdict
	}
}

type explainedVerdict struct {
	Passes                          bool
	Status                          int
	Reason, Expected, Found, Change string
}

// explain runs the command in the folder of the Caddyfile, with the token on
// standard input, and has its signature in nothing that is printed.
func (c *caddy) explain(token string, args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	return c.explainAt(c.home, token, args...)
}

func (c *caddy) explainAt(home, token string, args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	cmd := caddyCommand(c.dir, home, c.admin, append([]string{"tokenidp", "explain"}, args...)...)
	cmd.Stdin = strings.NewReader(token + "\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	for _, place := range []string{out.String(), errs.String(), c.logged()} {
		if i := strings.LastIndexByte(token, '.'); len(token) > 40 && (strings.Contains(place, token) || i > 0 && len(token)-i > 20 && strings.Contains(place, token[i+1:])) {
			c.t.Errorf("explain %q tells the token or its signature:\n%s", args, place)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (c *caddy) explainJSON(token string, args ...string) explained {
	c.t.Helper()
	out, errs, _ := c.explain(token, append(args, "--json")...)
	var e explained
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		c.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return e
}

// sources are those of the verify handlers of explainedSite, in the order of it.
func (c *caddy) sources() []string {
	var all []string
	for i, line := range strings.Split(read(c.t, filepath.Join(c.dir, "Caddyfile")), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "verify") {
			all = append(all, "Caddyfile:"+strconv.Itoa(i+1))
		}
	}
	return all
}

// For each way in which a token can be wrong, the first route says which check
// fails, what passes it, what was there, and who has to change what.
func TestExplainSaysWhy(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	f := newForger(t, c)
	for name, row := range map[string]struct {
		token, reason, expected, found, change string
		status                                 int
	}{
		"expired":          {f.claiming(members{"iat": f.at(-2 * time.Hour), "exp": f.at(-time.Hour)}), "expired", "after 20", "exp is 20", "new token", 401},
		"not yet valid":    {f.claiming(members{"nbf": f.at(time.Hour)}), "not_yet_valid", "up to 20", "nbf is 20", "clocks", 401},
		"from the future":  {f.claiming(members{"iat": f.at(10 * time.Minute)}), "issued_in_future", "up to 20", "iat is 20", "clocks", 401},
		"other audience":   {f.claiming(members{"aud": "stock-api"}), "wrong_audience", "orders-api", `aud is "stock-api"`, "Application file", 401},
		"no scope":         {f.claiming(members{"scope": "orders.write"}), "missing_scope", "orders.read", `scope is "orders.write"`, "grant it", 403},
		"other issuer":     {f.claiming(members{"iss": "https://evil.example"}), "unknown_issuer", f.issuer, `iss is "https://evil.example"`, "`issuer`", 401},
		"deactivated":      {f.claiming(members{"client_id": "retired", "sub": "retired"}), "inactive_client", "active", `"retired" is deactivated`, "active: false", 401},
		"removed":          {f.claiming(members{"client_id": "gone", "sub": "gone"}), "inactive_client", "declared", `"gone" is not declared`, "declare", 401},
		"id token":         {f.headed(members{"typ": "JWT"}), "wrong_type", "at+jwt", `typ is "JWT"`, "id token", 401},
		"symmetric":        {f.headed(members{"alg": "HS256"}), "wrong_algorithm", "asymmetric", "algorithm", "issuer", 401},
		"algorithm of key": {f.headed(members{"alg": "PS256"}), "wrong_algorithm", "RS256", `alg is "PS256"`, "issuer", 401},
		"other key":        {f.headed(members{"kid": "2020-01-01"}), "unknown_key", "published", `kid is "2020-01-01"`, "storage", 401},
		"no key":           {f.headed(members{"kid": absent{}}), "missing_key_id", "kid", "", "issuer", 401},
		"forged":           {f.signBy(attackerKey(), f.header(nil), f.claims(nil)), "bad_signature", "signature", "kid", "new token", 401},
		"bound":            {f.claiming(members{"cnf": members{}}), "unsupported_confirmation", "cnf", "cnf", "issuer", 401},
		"no jti":           {f.claiming(members{"jti": absent{}}), "missing_claim", "jti", "jti is missing", "issuer", 401},
		"for a header":     {f.claiming(members{"note": "a\nb"}), "malformed_claims", "type", "claim note", "claim_header", 401},
		"cut off":          {f.good()[:100], "malformed_token", "three parts", "segments", "stores", 401},
		"two tokens":       {f.good() + " " + f.good(), "malformed_authorization", "one token", "", "alone", 400},
		"too large":        {strings.Repeat("x", 20<<10), "token_too_large", "16 KiB", "too large", "something else", 401},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.explainJSON(row.token)
			if len(e.Routes) != 4 {
				t.Fatalf("%+v", e)
			}
			got := e.Routes[0]
			if got.Passes || got.Reason != row.reason || got.Status != row.status || !strings.Contains(got.Expected, row.expected) || !strings.Contains(got.Found, row.found) || !strings.Contains(got.Change, row.change) {
				t.Errorf("%+v", got)
			}
			out, _, code := c.explain(row.token)
			if code != 1 || !strings.Contains(out, row.reason) || !strings.Contains(out, got.Change) {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}

// The token's claims come first, then every route, and the exit code is for scripts.
func TestExplainSaysWhatPasses(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	token := c.token("orders-worker", "orders.read")
	sources := c.sources()
	e := c.explainJSON(token)
	if !e.Verdict.Passes || e.Token.Issuer != c.url("https://localhost:5001") || e.Token.ClientID != "orders-worker" || e.Token.Scope != "orders.read" ||
		!slices.Equal(e.Token.Audience, []string{"orders-api"}) || e.Token.KeyID != c.kids()[0] || e.Token.ExpiresAt.Before(time.Now()) ||
		e.Token.Header["typ"] != "at+jwt" || e.Token.Claims["sub"] != "orders-worker" {
		t.Errorf("%+v", e.Token)
	}
	for i, want := range []string{"", "missing_scope", "wrong_audience", ""} {
		if r := e.Routes[i]; r.Source != sources[i] || r.Reason != want || r.Passes != (want == "") {
			t.Errorf("%s: %+v", want, r)
		}
	}
	if r := e.Routes[2]; !slices.Equal(r.Audience, []string{"https://stock.example.com"}) || !slices.Equal(r.AnyScope, []string{"stock.read"}) {
		t.Errorf("%+v", r)
	}
	out, errs, code := c.explain(token, "-")
	for _, want := range []string{
		"the token says\n", "client_id  orders-worker\n", ", in ", "the token is in order\n", c.url("localhost:5001/orders* (") + sources[0] + "): orders.read of orders-api: PASS\n",
		c.url("localhost:5001/orders* not (GET,HEAD) (") + sources[1] + "): orders.write of orders-api: REFUSED: missing_scope (403)\n",
		"found     scope is \"orders.read\"\n", c.url("localhost:5001 (") + sources[3] + "): any scope of orders-api: PASS\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if code != 1 || !strings.Contains(errs, "refused at 2 of 4 routes") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if out, _, code := c.explain("", token, "--route", sources[0]); code != 0 || strings.Count(out, "PASS") != 1 {
		t.Errorf("an argument: %d\n%s", code, out)
	}
}

// What stands around a pasted token does not count, and without a token there is no
// verdict.
func TestExplainReadsWhatWasPasted(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	token := c.token("orders-worker", "orders.read")
	for _, pasted := range []string{"Bearer " + token, "authorization: bearer " + token, `"` + token + `"`, "DPoP " + token} {
		if e := c.explainJSON(pasted); !e.Verdict.Passes {
			t.Errorf("%.30s…: %+v", pasted, e.Verdict)
		}
		if a := c.administer("POST", "/tokenidp/explain", `{"token":`+strconv.Quote(pasted)+`}`); a.StatusCode != 200 || !strings.Contains(a.body, `"verdict":{"passes":true}`) {
			t.Errorf("%.30s…: %d %s", pasted, a.StatusCode, a.body)
		}
	}
	if out, errs, code := c.explain("", "Bearer", token); code != 1 || !strings.Contains(out, "the token is in order") {
		t.Errorf("two arguments: exit code %d: %s%s", code, out, errs)
	}
	if a := c.administer("POST", "/tokenidp/revoke", `{"token":"Bearer `+token+`"}`); a.StatusCode != 200 {
		t.Errorf("revoking: %d %s", a.StatusCode, a.body)
	}
	for _, empty := range []string{"", "\n", "Bearer ", `""`, "Authorization: Bearer"} {
		if out, errs, code := c.explain(empty); code != 2 || out != "" || !strings.Contains(errs, "the token is empty; is the variable set that should hold it?") {
			t.Errorf("%q: exit code %d: %s%s", empty, code, out, errs)
		}
		if out, errs, code := c.explain(empty, "--offline"); code != 2 || out != "" || !strings.Contains(errs, "the token is empty") {
			t.Errorf("%q offline: exit code %d: %s%s", empty, code, out, errs)
		}
		for _, path := range []string{"/tokenidp/explain", "/tokenidp/revoke"} {
			a := c.administer("POST", path, `{"token":`+strconv.Quote(empty)+`}`)
			if a.StatusCode != 400 || empty != "" && !strings.Contains(a.body, "the token is empty") {
				t.Errorf("%s %q: %d %s", path, empty, a.StatusCode, a.body)
			}
		}
	}
}

// --route is a path, whose `handle` is the first that matches, or a source.
func TestExplainShowsARoute(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	token := c.token("orders-worker", "orders.read orders.write")
	sources := c.sources()
	for route, want := range map[string][]string{
		"/orders/1": sources[:2], "/ORDERS": sources[:2], "/stock": sources[2:3], "/": sources[3:], "/other": sources[3:],
		sources[2]: sources[2:3], strings.TrimPrefix(sources[1], "Caddyfile"): sources[1:2],
	} {
		for _, offline := range []string{"--offline=false", "--offline"} {
			var got []string
			for _, r := range c.explainJSON(token, "--route", route, offline).Routes {
				got = append(got, r.Source)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: %q, want %q", route, offline, got, want)
			}
		}
	}
	if _, _, code := c.explain(token, "--route", "/orders"); code != 0 {
		t.Errorf("all shown pass: exit code %d", code)
	}
	for _, args := range [][]string{{"--route", "Caddyfile:999"}, {"--route", "file:3"}, {"--nonsense"}, {"one", "two"}, {"--address", "localhost:" + testport.Free(t)}} {
		if out, errs, code := c.explain(token, args...); code != 2 || errs == "" {
			t.Errorf("%q: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}

// What a token says is shown on a terminal, which must not obey it.
func TestExplainEscapesControlCharacters(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	f := newForger(t, c)
	for _, args := range [][]string{nil, {"--json"}, {"--offline"}} {
		out, _, _ := c.explain(f.claiming(members{"iss": "\x1b[2J\r\u009b\u202e\U000e0001", "sub": "a\tb\x00"}), args...)
		if strings.ContainsAny(out, "\x1b\r\t\x00\u009b\u202e\U000e0001") || !strings.Contains(out, `\u202e`) || !strings.Contains(out, `\udb40\udc01`) {
			t.Errorf("%q: %q", args, out)
		}
	}
}

// The admin endpoint takes the token in the body alone, of a bounded size, and
// repeats nothing of it.
func TestExplainAtTheAdminEndpoint(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	token := c.token("orders-worker", "orders.read")
	whole := `{"token":"` + token + `"}`
	for name, row := range map[string]struct {
		method, body string
		status       int
	}{
		"as it is":     {"POST", whole, 200},
		"GET":          {"GET", "", 405},
		"nothing":      {"POST", "", 400},
		"no token":     {"POST", "{}", 400},
		"bare":         {"POST", token, 400},
		"a number":     {"POST", `{"token":1}`, 400},
		"more":         {"POST", `{"token":"` + token + `","x":1}`, 400},
		"twice":        {"POST", `{"token":"` + token + `","token":""}`, 400},
		"not the name": {"POST", `{"Token":"` + token + `"}`, 400},
		"trailing":     {"POST", whole + "x", 400},
		"too much":     {"POST", `{"token":"` + strings.Repeat("x", 64<<10) + `"}`, 413},
	} {
		a := c.administer(row.method, "/tokenidp/explain", row.body)
		if a.StatusCode != row.status || strings.Contains(a.body, strings.Split(token, ".")[2]) {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if strings.Contains(c.logged(), strings.Split(token, ".")[2]) {
		t.Error("the log has the signature")
	}
}

// Offline, the keys are read and nothing is written: not even what a start makes.
func TestExplainOfflineWritesNothing(t *testing.T) {
	t.Parallel()
	c := startShop(t, explainedSite)
	token := c.token("orders-worker", "orders.read")
	c.stop()
	before := tree(t, c.home)
	out, errs, code := c.explain(token, "--offline", "--route", "/orders")
	if code != 1 || !strings.Contains(out, "PASS") || !strings.Contains(out, "missing_scope") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if after := tree(t, c.home); !slices.Equal(before, after) {
		t.Errorf("before:\n%q\nafter:\n%q", before, after)
	}
	if _, _, code := c.explain(token); code != 2 {
		t.Errorf("nobody to ask: exit code %d", code)
	}
	empty := t.TempDir()
	if out, _, code := c.explainAt(empty, token, "--offline", "--config", "Caddyfile"); code != 1 || !strings.Contains(out, "unknown_key") {
		t.Errorf("without keys: %d\n%s", code, out)
	}
	if made := tree(t, empty); len(made) > 0 {
		t.Errorf("an empty storage now has %q", made)
	}
	if out, errs, code := c.explainAt(empty, token, "--offline", "--config", "missing"); code != 2 {
		t.Errorf("no configuration: %d\n%s%s", code, out, errs)
	}
}

// tree lists the files of a folder with their times.
func tree(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			all = append(all, path+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Offline, the keys of a trusted issuer are those that were kept, and nobody is
// asked for others.
func TestExplainOfflineAsksNoIssuer(t *testing.T) {
	t.Parallel()
	p := newPorts(t)
	f := &forger{t, p.replace("http://localhost:5003"), "theirs", attackerKey(), time.Now()}
	asked := serveKeys(t, p.free["5003"], f)
	c := start(t, `
{
	tokenidp {
		trust http://localhost:5003 {
			audience orders-api
		}
	}
}

http://localhost:5002 {
	verify orders.read
	respond "fine"
}
`, options{ports: p})
	if a := send(t, http.DefaultClient, c.request("GET", "http://localhost:5002/", "", bearer(f.good()))); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	c.eventually("the keys in the storage", func() bool {
		kept, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/*/jwks/*.json"))
		return err == nil && len(kept) == 1
	})
	c.stop()
	before := asked.Load()
	for name, row := range map[string]struct{ home, token, want string }{
		"kept":      {c.home, f.good(), "PASS"},
		"other key": {c.home, f.headed(members{"kid": "new"}), "keys_unavailable"},
		"no keys":   {t.TempDir(), f.good(), "keys_unavailable"},
	} {
		if out, errs, _ := c.explainAt(row.home, row.token, "--offline"); !strings.Contains(out, row.want) {
			t.Errorf("%s:\n%s%s", name, out, errs)
		}
	}
	if after := asked.Load(); before == 0 || after != before {
		t.Errorf("the issuer was asked %d times before, and %d after", before, after)
	}
}

// serveKeys is an issuer elsewhere with the forger's key. It counts what it is asked.
func serveKeys(t *testing.T, port string, f *forger) *atomic.Int64 {
	t.Helper()
	asked := new(atomic.Int64)
	listener, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		var document any = members{"issuer": f.issuer, "jwks_uri": f.issuer + "/keys"}
		if r.URL.Path == "/keys" {
			document = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: f.kid, Algorithm: "RS256", Use: "sig"}}}
		}
		json.NewEncoder(w).Encode(document)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return asked
}
