package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// here marks the line that a mistake must be reported at.
const here = "# here"

// mistake is a configuration that `caddy validate` refuses: the Caddyfile, the
// files beside it (by default, the shop's applications.yaml), what the message
// says, and what it must not say.
type mistake struct {
	name, caddyfile string
	files           map[string]string
	says            []string
	secret          string
}

// inSite is a mistake in the shop's site.
func inSite(name, site string, says ...string) mistake {
	return mistake{name: name, caddyfile: shopOptions + "localhost:5001 {\n" + site + "\n}\n", says: says}
}

// inOptions is a mistake in the global option tokenidp, of a server that only verifies.
func inOptions(name, options string, says ...string) mistake {
	return mistake{name: name, says: says,
		caddyfile: "{\n\ttokenidp {\n" + options + "\n\t}\n}\nlocalhost:5001 {\n\tverify {\n\t\taudience orders-api\n\t}\n}\n"}
}

// inIssuer is a mistake in the issuer's block, of a server that only verifies.
func inIssuer(name, option string, says ...string) mistake {
	return inOptions(name, "issuer https://localhost:5001 { "+here+"\n"+option+"\n}", says...)
}

// inPolicies is a mistake in how a verify takes up a policy.
func inPolicies(name, policy, verify string, says ...string) mistake {
	return mistake{name: name, says: says,
		caddyfile: "{\ntokenidp {\nissuer https://localhost:5001\n" + policy + "\n}\n}\nlocalhost:5001 {\nverify { # here\naudience orders-api\n" + verify + "\n}\n}\n"}
}

// issuerURL is a mistake in the issuer's URL.
func issuerURL(name, url string, says ...string) mistake {
	return inOptions("issuer "+name, "issuer "+url+" "+here, says...)
}

// asWritten replaces no ports: nothing here listens.
var asWritten = &ports{pattern: regexp.MustCompile(`$^`)}

const twoIssuers = "issuer https://localhost:5001\nissuer https://localhost:5001/two"

var caddyfileMistakes = []mistake{
	inSite("unknown scope", "verify orders.raed # here", `unknown scope "orders.raed"`, "/applications.yaml owns it", "known: orders.read, orders.write, stock.read"),
	inSite("unknown scope behind a matcher", "verify /orders* orders.read orders.delete # here", `unknown scope "orders.delete"`),
	inSite("unknown scope in any_scope", "verify { # here\nany_scope orders.read orders.admin\n}", `unknown scope "orders.admin"`, "known: orders.read"),
	inSite("unknown scope in token_scope", "@admin token_scope orders.admin # here\nrespond @admin 204", `token_scope: unknown scope "orders.admin"`, "known: orders.read"),
	inSite("unknown scope in a handle", "handle /orders* {\nverify orders.raed # here\n}", `unknown scope "orders.raed"`),
	inSite("scopes of two resources", "verify orders.read stock.read # here", "no token can have both scopes", "orders.read belongs to orders-api, and stock.read to stock-api", "write `any_scope`"),
	inSite("any_scope of another resource", "verify orders.read { # here\nany_scope orders.write stock.read\n}", "no token can have the scope stock.read", "https://stock.example.com", "orders-api"),
	inSite("no audience", "verify # here", "name a scope, as in `verify orders.read`", "`audience orders-api`"),
	inSite("unknown audience", "verify { # here\naudience order-api\n}", `unknown audience "order-api"`, "known: orders-api, https://stock.example.com"),
	inSite("the name of a resource that has a URI", "verify { # here\naudience stock-api\n}", `unknown audience "stock-api"`, "https://stock.example.com"),
	inSite("audience that is not the owner's", "verify orders.read { # here\naudience https://stock.example.com\n}", "no token can pass", "orders.read belongs to the audience orders-api", "not among: https://stock.example.com"),
	inSite("unknown issuer of tokenidp", "tokenidp https://localhost:5009 # here", "unknown issuer https://localhost:5009", "configured: https://localhost:5001"),
	inSite("unknown issuer of verify", "verify orders.read { # here\nissuer https://localhost:5001/\n}", "unknown issuer https://localhost:5001/;", "configured: https://localhost:5001"),
	inSite("issuer named twice", "verify orders.read { # here\nissuer https://localhost:5001 https://localhost:5001\n}", "https://localhost:5001 is named twice"),
	inSite("claim_header with a space", "verify orders.read { # here\nclaim_header \"X Client\" client_id\n}", `"X Client" is not the name of a header`),
	inSite("claim_header twice", "verify orders.read { # here\nclaim_header X-Client client_id\nclaim_header x_client sub\n}", "is set twice"),
	inSite("claim_header reserved", "verify orders.read { # here\nclaim_header authorization client_id\n}", "Authorization means something to HTTP itself", "such as X-Client-Id"),
	inSite("claim_header Host", "verify orders.read { # here\nclaim_header Host client_id\n}", "Host means something to HTTP itself"),
	inSite("claim of an empty step", "verify orders.read { # here\nrequire /a//b\n}", `"/a//b" has an empty step`),
	inSite("expression cut off", "verify orders.read { # here\nexpression `claims.tenant ==`\n}", "compiling the expression", "line 1, column 17"),
	inSite("expression with an unknown name", "verify orders.read { # here\nexpression `tenant == 'a'`\n}", "undeclared reference to 'tenant'", "known: claims, scopes"),
	inSite("expression that is no bool", "verify orders.read { # here\nexpression claims.tenant\n}", "it gives dyn, not bool"),

	inSite("verify behind a proxy", "route {\nreverse_proxy localhost:5002\nverify orders.read # here\n}", "no request reaches this verify (localhost:5001)", "reverse_proxy localhost:5002 before it answers every request", "write verify first, or take it away"),
	inSite("verify behind a handle that answers", "route /orders* {\nhandle {\nrespond ok\n}\nverify orders.read # here\n}", "no request reaches this verify (localhost:5001/orders*)", "respond before it answers every request"),

	inSite("a placeholder of the request", "verify orders.read { # here\nrealm {host}\n}", "realm: the placeholder {http.request.host} has no value when the configuration is loaded", "write the value itself, or {env.NAME} or {file./path}"),
	inSite("a placeholder in a scope", "verify {http.vars.scope} # here", "scopes: the placeholder {http.vars.scope} has no value"),
	inSite("an environment variable that is not set", "verify orders.read { # here\naudience {env.NOBODY_SETS_THIS}\n}", "audience: the placeholder {env.NOBODY_SETS_THIS} is empty"),
	inSite("a placeholder in token_scope", "@a token_scope {http.request.host} # here\nrespond @a fine", "token_scope: scopes: the placeholder {http.request.host} has no value"),
	inSite("a placeholder in protected_resource", "protected_resource https://{host} # here", "the placeholder {http.request.host} has no value"),
	inIssuer("a placeholder in an issuer", "token_lifetime 1h\nsigning_algorithm {http.vars.algorithm}", "signing_algorithm: the placeholder {http.vars.algorithm} has no value"),
	inOptions("a placeholder in a policy", "issuer https://localhost:5001\npolicy tenant { # here\nclaim tenant {http.vars.tenant}\n}", "claims: values: the placeholder {http.vars.tenant} has no value"),

	inSite("unknown policy", "verify orders.read { # here\npolicy fresh\n}", `unknown policy "fresh": none is defined`),
	inPolicies("unknown policy among others", "policy fresh {\nmax_age 1m\n}", "policy frehs", `unknown policy "frehs"; known: fresh`),
	inPolicies("policy named twice by verify", "policy fresh {\nmax_age 1m\n}", "policy fresh fresh", "the policy fresh is named twice"),
	inPolicies("policy of another audience", "policy stock {\naudience stock-api\n}", "policy stock", "taking up the policy stock", "no audience is accepted by all: orders-api, and stock-api"),
	inPolicies("any_scope twice", "policy any {\nany_scope a\n}", "any_scope b\npolicy any", "any_scope is asked for more than once"),
	inOptions("policy twice", "issuer https://localhost:5001\npolicy a {\nmax_age 1m\n}\npolicy a { # here\nmax_age 1m\n}", "the policy a is already defined at Caddyfile:4"),
	inOptions("policy without demands", "issuer https://localhost:5001\npolicy a # here", "the policy a asks for nothing"),
	inOptions("expression of a policy that no route takes up", "issuer https://localhost:5001\npolicy a { # here\nexpression claims.x\n}", "it gives dyn, not bool"),

	{name: "several issuers, none named by tokenidp", says: []string{"there are several issuers, so name one of: https://localhost:5001, https://localhost:5001/two"},
		caddyfile: "{\ntokenidp {\n" + twoIssuers + "\n}\n}\nlocalhost:5001 {\ntokenidp # here\n}\n"},
	{name: "several issuers, none named by verify", says: []string{"there are several issuers, so name one of: https://localhost:5001, https://localhost:5001/two"},
		caddyfile: "{\ntokenidp {\n" + twoIssuers + "\n}\n}\nlocalhost:5001 {\nverify orders.read # here\n}\n"},
	{name: "tokenidp without the option", says: []string{"no issuer is configured", "write into the global options a block tokenidp { … }, and into that: issuer https://<host> { … }, and into that block: applications applications.yaml"},
		caddyfile: "localhost:5001 {\ntokenidp # here\n}\n"},
	{name: "verify without the option", says: []string{"no issuer is configured", "write into the global options a block tokenidp { … }"},
		caddyfile: "localhost:5001 {\nverify orders.read # here\n}\n"},
	{name: "token_scope without the option", says: []string{"token_scope: no issuer is configured", "write into the global options a block tokenidp { … }"},
		caddyfile: "localhost:5001 {\n@a token_scope orders.read # here\nrespond @a 204\n}\n"},
	{name: "tokenidp of an issuer without applications", says: []string{"has no Applications to issue tokens to", "add: applications applications.yaml"},
		caddyfile: "{\ntokenidp {\nissuer https://localhost:5001\n}\n}\nlocalhost:5001 {\ntokenidp # here\n}\n"},
	{name: "no audience and no applications", says: []string{"the Applications of https://localhost:5001 are not known here", "audience orders-api"},
		caddyfile: "{\ntokenidp {\nissuer https://localhost:5001\n}\n}\nlocalhost:5001 {\nverify orders.read # here\n}\n"},
	{name: "empty option", says: []string{"no issuer is configured; write into the block tokenidp: issuer https://<host> { … }"}, caddyfile: "{\ntokenidp\n}\n"},

	inOptions("issuer twice", "issuer https://localhost:5001\nissuer https://localhost:5001 # here", "the issuer https://localhost:5001 is already defined at Caddyfile:3"),
	issuerURL("of plain http", "http://idp.example.com/a", "must be https", "write https://idp.example.com/a"),
	issuerURL("of plain http at an address", "http://10.0.0.1", "must be https", "write https://10.0.0.1"),
	issuerURL("that only looks like loopback", "http://localhost.example.com", "must be https"),
	issuerURL("that ends in a slash", "https://localhost:5001/", "must not end in a slash; write https://localhost:5001"),
	issuerURL("with a path that ends in a slash", "https://localhost:5001/a/", "must not end in a slash; write https://localhost:5001/a"),
	issuerURL("with a query", "https://localhost:5001?a=b", "no query and no fragment"),
	issuerURL("with an empty query", "https://localhost:5001?", "no query and no fragment"),
	issuerURL("with a fragment", "https://localhost:5001/a#b", "no query and no fragment"),
	issuerURL("with user information", "https://bob@localhost:5001", "must be an https URL, such as https://idp.example.com"),
	issuerURL("with an upper-case host", "https://IDP.example.com", "lower-case host"),
	issuerURL("with a dotted path", "https://localhost:5001/a/../b", "dotted path"),
	issuerURL("with an encoded path", "https://localhost:5001/a%2fb", "encoded"),
	issuerURL("with an upper-case scheme", "HTTPS://localhost:5001", "plain form"),
	issuerURL("without a scheme", "localhost:5001", "must be an https URL, such as https://idp.example.com"),
	issuerURL("that is a name only", "idp.example.com", "must be an https URL, such as https://idp.example.com"),
	issuerURL("of another scheme", "ftp://localhost:5001", "must be an https URL"),
	issuerURL("that is no URL", `"https://local host"`, "is not a URL"),

	inIssuer("unknown algorithm", "signing_algorithm HS256", `unknown signing_algorithm "HS256"`, "known: RS256"),
	inIssuer("algorithm in the wrong case", "signing_algorithm es256", `unknown signing_algorithm "es256"`, "ES256"),
	inIssuer("algorithm in the words of RFC 9864", "signing_algorithm Ed25519", "signing_algorithm Ed25519: write EdDSA"),
	inIssuer("algorithm none", "signing_algorithm none", `unknown signing_algorithm "none"`),
	inIssuer("token_lifetime too long", "token_lifetime 25h", "token_lifetime 25h0m0s", "from 1s to 24h"),
	inIssuer("token_lifetime too short", "token_lifetime 10ms", "must be whole seconds, from 1s"),
	inIssuer("token_lifetime with a fraction", "token_lifetime 1500ms", "must be whole seconds"),
	inIssuer("browser origin with a path", "insecure_browser_origins https://tools.example.com/", `"https://tools.example.com/" is not an origin; write it as https://tools.example.com`),
	inIssuer("browser origin without a scheme", "insecure_browser_origins tools.example.com", "is not an origin; write it as https://tools.example.com"),
	inIssuer("browser origin null", "insecure_browser_origins null", `"null" is not an origin`),
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	for _, m := range slices.Concat(caddyfileMistakes, applicationMistakes, trustMistakes) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			files := m.files
			if files == nil {
				files = map[string]string{"applications.yaml": shopApplications}
			}
			dir := workspace(t, asWritten, m.caddyfile, files)
			message, code := validate(t, dir)
			if code == 0 {
				t.Fatal("it is valid")
			}
			for _, says := range append(slices.Clone(m.says), places(m.caddyfile, files)...) {
				if !strings.Contains(message, says) {
					t.Errorf("the message does not say %q:\n%s", says, message)
				}
			}
			if m.secret != "" && strings.Contains(message, m.secret) {
				t.Errorf("the message has the secret:\n%s", message)
			}
		})
	}
}

// places are those marked, as file:line.
func places(caddyfile string, files map[string]string) (marked []string) {
	all := map[string]string{"Caddyfile": caddyfile}
	maps.Copy(all, files)
	for name, text := range all {
		for i, line := range strings.Split(text, "\n") {
			if strings.HasSuffix(line, here) {
				marked = append(marked, fmt.Sprintf("%s:%d:", filepath.Base(name), i+1))
			}
		}
	}
	return marked
}

// validate runs `caddy validate` and returns the messages it logged.
func validate(t *testing.T, dir string, env ...string) (messages string, code int) {
	t.Helper()
	return validateAt(t, dir, t.TempDir(), env...)
}

// validateAt is validate with a HOME, and so a storage, that exists.
func validateAt(t *testing.T, dir, home string, env ...string) (messages string, code int) {
	t.Helper()
	cmd := exec.Command(binary, "validate", "--config", "Caddyfile")
	cmd.Dir, cmd.Env = dir, append(environment(home, "localhost:"+testport.Free(t)), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(out.String()) {
		var entry struct{ Level, Msg, Warning, Source string }
		if json.Unmarshal([]byte(line), &entry) != nil {
			text.WriteString(line)
		} else if entry.Level != "info" && entry.Level != "debug" {
			fmt.Fprintln(&text, entry.Level, entry.Msg, entry.Warning, entry.Source)
		}
	}
	for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
		if strings.Contains(out.String(), word) {
			t.Errorf("it printed %q:\n%s", word, out.String())
		}
	}
	return text.String(), cmd.ProcessState.ExitCode()
}

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	const verifier = "{\n\ttokenidp {\n\t\tissuer %s\n\t}\n}\nlocalhost:5001 {\n\tverify orders.read {\n\t\taudience orders-api\n\t}\n}\n"
	shop := func(site string) string { return shopOptions + "localhost:5001 {\n" + site + "\n}\n" }
	for _, row := range []struct{ name, caddyfile string }{
		{"the shop", shop("tokenidp\nverify orders.read orders.write")},
		{"an http issuer on localhost", fmt.Sprintf(verifier, "http://localhost:5001")},
		{"an http issuer on 127.0.0.1", fmt.Sprintf(verifier, "http://127.0.0.1:5001")},
		{"an http issuer on ::1", fmt.Sprintf(verifier, "http://[::1]:5001/team")},
		{"an http issuer below localhost", fmt.Sprintf(verifier, "http://idp.localhost")},
		{"an issuer with a path, without applications", fmt.Sprintf(verifier, "https://idp.example.com/team/a")},
		{"any_scope of two resources", shop("verify {\nany_scope orders.read stock.read\n}")},
		{"an audience without a scope", shop("verify {\naudience https://stock.example.com orders-api\n}")},
		{"several issuers, each named", "{\ntokenidp {\n" + twoIssuers + "\n}\n}\nlocalhost:5001 {\nverify {\nissuer https://localhost:5001/two https://localhost:5001\naudience a\n}\n}\n"},
		{"token_scope that exists", shop("verify orders.read\n@a not token_scope orders.write\nrespond @a 403")},
		{"every option", strings.Replace(shop("tokenidp"), "applications applications.yaml",
			"applications applications.y*ml ./applications.yaml\nsigning_algorithm ES256\ntoken_lifetime 24h\ninsecure_http\ninsecure_browser_origins https://a.example.com http://localhost:3000 *", 1)},
		{"the example", read(t, "../Caddyfile.example")},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := workspace(t, asWritten, row.caddyfile, map[string]string{
				"applications.yaml": shopApplications, "applications.example.yaml": read(t, "../applications.example.yaml"),
			})
			if messages, code := validate(t, dir); code != 0 || strings.Contains(messages, "rewrite before it") {
				t.Errorf("exit code %d: %s", code, messages)
			}
		})
	}
}
