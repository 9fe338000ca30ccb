package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// What may serve without a token, and may be meant to, is warned of with its place, at
// load and by the command that judges a configuration.
func TestWarnsOfWhatServesWithoutAToken(t *testing.T) {
	t.Parallel()
	const refused, unseen = "this handle_errors serves requests that a verify has refused", "this handle_response also serves requests that no verify has seen"
	const guarded = "verify orders.read\nreverse_proxy localhost:5002\n"
	for name, row := range map[string]struct{ site, warning, place string }{
		"files for a refusal":        {guarded + "handle_errors {\nfile_server\n}", refused, "file_server"},
		"a proxy for a refusal":      {guarded + "handle_errors 4xx {\nreverse_proxy localhost:5003\n}", refused, "reverse_proxy localhost:5003"},
		"an error page":              {guarded + "handle_errors {\nrewrite * /{err.status_code}.html\nfile_server\n}", "", ""},
		"files for another error":    {guarded + "handle_errors 404 {\nfile_server\n}", "", ""},
		"words":                      {guarded + "handle_errors {\nrespond no\n}", "", ""},
		"an intercept":               {"route {\nintercept {\nhandle_response {\nreverse_proxy localhost:5003\n}\n}\nrespond /health ok\n" + guarded + "}", unseen, "reverse_proxy localhost:5003"},
		"an intercept behind verify": {"route {\nverify orders.read\nintercept {\nhandle_response {\nreverse_proxy localhost:5003\n}\n}\nrespond /health ok\nreverse_proxy localhost:5002\n}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workspace(t, asWritten, shopOptions+"localhost:5001 {\n"+row.site+"\n}\n", map[string]string{"applications.yaml": shopApplications})
			validated, code := validate(t, dir)
			offline, _, _ := command(t, dir, "", "tokenidp", "access", "--offline", "--config", "Caddyfile")
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, validated)
			}
			for _, warning := range []string{refused, unseen} {
				if got := strings.Contains(validated, warning); got != (warning == row.warning) {
					t.Errorf("%s: warned: %t\n%s", warning, got, validated)
				}
			}
			if row.warning != "" && !strings.Contains(offline, "without a token: "+row.place) {
				t.Errorf("access does not show it:\n%s", offline)
			}
		})
	}
}

// What is declared and out of reach is warned of.
func TestWarnsOfWhatIsUnused(t *testing.T) {
	t.Parallel()
	const unused, elsewhere, resource = "nothing uses this issuer", "no site with `tokenidp` serves the URL of this issuer", "no verify accepts tokens for this protected_resource"
	shop := func(site string) string { return shopOptions + site + " {\n" }
	for name, row := range map[string]struct{ caddyfile, warning string }{
		"an issuer that nothing uses":     {shop("localhost:5001") + "respond fine\nprotected_resource https://stock.example.com\n}\n", unused},
		"a gateway":                       {shop("localhost:5001") + "verify orders.read\n}\n", ""},
		"the site of the issuer":          {shop("localhost:5001") + "tokenidp\n}\n", ""},
		"any host":                        {shop(":5001") + "tokenidp\n}\n", ""},
		"another port":                    {shop("localhost:5002") + "tokenidp\n}\n", ""},
		"another host":                    {shop("127.0.0.1:5001") + "tokenidp\n}\n", elsewhere},
		"another path":                    {shop("localhost:5001") + "handle /oauth/* {\ntokenidp\n}\n}\n", elsewhere},
		"a resource that nothing accepts": {shop("localhost:5001") + "tokenidp\nprotected_resource https://stock.example.com\nverify orders.read\n}\n", resource},
		"a resource of a route":           {shop("localhost:5001") + "tokenidp\nprotected_resource https://stock.example.com\nverify stock.read\n}\n", ""},
		"a resource of a trusted issuer":  {trustingOptions("trust https://login.example.com {\naudience https://stock.example.com\n}") + "localhost:5003 {\nprotected_resource https://stock.example.com\nverify a\n}\n", ""},
		"a resource of nobody":            {trustingOptions("trust https://login.example.com {\naudience https://stock.example.com\n}") + "localhost:5003 {\nprotected_resource https://stock.example.org\nverify a\n}\n", resource},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := workspace(t, asWritten, row.caddyfile, map[string]string{"applications.yaml": shopApplications})
			messages, code := validate(t, dir)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, messages)
			}
			output, log, _ := command(t, dir, "", "tokenidp", "access", "--offline", "--config", "Caddyfile")
			if row.warning != "" && !strings.Contains(output+log, row.warning) {
				t.Errorf("access does not warn:\n%s%s", output, log)
			}
			for _, warning := range []string{unused, elsewhere, resource} {
				if got := strings.Contains(messages, warning); got != (warning == row.warning) && (name != "an issuer that nothing uses" || warning != resource) {
					t.Errorf("%s: warned: %t\n%s", warning, got, messages)
				}
			}
		})
	}
}

// What is known at load is expanded: in the scope, the audience and the realm.
func TestPlaceholdersInVerify(t *testing.T) {
	t.Parallel()
	c := start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n\tverify {env.TEST_SCOPE} {\n\t\taudience {file../audience}\n\t\trealm \"the {env.TEST_SCOPE} realm\"\n\t}\n\trespond fine\n}\n", options{
		files: map[string]string{"applications.yaml": shopApplications, "audience": "orders-api\n"}, env: []string{"TEST_SCOPE=orders.read"},
	})
	if a := c.get("https://localhost:5001/", c.token("reader", "orders.read")); a.StatusCode != http.StatusOK {
		t.Errorf("status %d", a.StatusCode)
	}
	if a := c.do(http.MethodGet, "https://localhost:5001/", ""); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("Www-Authenticate"), `realm="the orders.read realm"`) {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}

// The warning is right: the refusal comes with what was refused.
func TestHandleErrorsServesWhatWasRefused(t *testing.T) {
	t.Parallel()
	c := startShop(t, "\troot {$ROOT:.}\n\tverify orders.read\n\tfile_server\n\thandle_errors {\n\t\tfile_server\n\t}")
	write(t, filepath.Join(c.dir, "report.txt"), "protected")
	if a := c.do(http.MethodGet, "https://localhost:5001/report.txt", ""); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", a.StatusCode)
	}
	c.entries("this handle_errors serves requests that a verify has refused, without a token; rewrite to an error page first, or write respond, or write handle_errors with other statuses than 401 and 403")
}
