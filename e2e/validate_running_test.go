package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A claim that no token has is most often misspelled.
func TestValidateWarnsOfClaimsThatNoTokenHas(t *testing.T) {
	t.Parallel()
	for claim, warned := range map[string]bool{"clientid": true, "client_id": false} {
		site := "verify orders.read {\n\tclaim_header X-Client-Id " + claim + "\n}\n"
		dir := workspace(t, newPorts(t), shopOptions+"localhost:5001 {\n"+site+"}\n", map[string]string{"applications.yaml": shopApplications})
		message, code := validate(t, dir)
		if code != 0 || strings.Contains(message, "no token issued here has the claim") != warned {
			t.Errorf("%s: exit code %d, %s", claim, code, message)
		}
	}
}

// A rewrite can lead a request around a matcher that looks at the path.
func TestValidateWarnsOfRewrites(t *testing.T) {
	t.Parallel()
	const warned, harmless = true, false
	for _, row := range []struct {
		name, site string
		warning    bool
	}{
		{"uri before it", "uri strip_prefix /api\nverify /orders* orders.read # here", warned},
		{"uri after it in the text, yet before it in order", "verify /orders* orders.read # here\nuri strip_prefix /api", warned},
		{"rewrite", "rewrite /alias /orders\nverify /orders* orders.read # here", warned},
		{"rewrite of everything", "rewrite * /orders\nverify /orders* orders.read # here", warned},
		{"try_files", "try_files {path} /index.html\nverify /orders* orders.read # here", warned},
		{"named matcher", "uri replace a b\n@o {\nmethod GET\npath /orders*\n}\nverify @o orders.read # here", warned},
		{"negated matcher", "uri replace a b\n@o not path /public*\nverify @o orders.read # here", warned},
		{"in a route", "route {\nuri strip_prefix /api\nverify /orders* orders.read # here\n}", warned},
		{"outside the handle", "uri strip_prefix /api\nhandle {\nverify /orders* orders.read # here\n}", warned},
		{"in an earlier route", "route {\nroute /a* {\nuri strip_prefix /a\n}\nverify /orders* orders.read # here\n}", warned},
		{"behind tokenidp", "tokenidp\nuri strip_prefix /api\nverify /orders* orders.read # here", warned},
		{"between two verifies", "route {\nverify orders.read\nuri strip_prefix /api\nverify /orders* orders.write # here\n}", warned},

		{"no rewrite", "verify /orders* orders.read", harmless},
		{"no matcher", "uri strip_prefix /api\nverify orders.read", harmless},
		{"no path in the matcher", "uri strip_prefix /api\n@w not method GET\nverify @w orders.read", harmless},
		{"handle_path in another handle", "handle_path /a/* {\nrespond a\n}\nhandle {\nverify /orders* orders.read\n}", harmless},
		{"rewrite in another handle", "handle /a/* {\nrewrite * /b\nrespond a\n}\nhandle /b/* {\nrewrite * /c\n}\nhandle {\nverify /orders* orders.read\n}", harmless},
		{"handle_path around it, unmatched", "handle_path /a/* {\nverify orders.read\n}", harmless},
		{"rewrite behind it", "route {\nverify /orders* orders.read\nuri strip_prefix /api\n}", harmless},
		{"rewrite between it and an unmatched one", "route {\nverify /orders* orders.read\nuri strip_prefix /api\nverify orders.write\n}", harmless},
		{"rewrite in another site", "verify /orders* orders.read\n}\nlocalhost:5002 {\nuri strip_prefix /api\nrespond 204", harmless},
		{"rewrite in another site of the server", "@o path /orders*\nverify @o orders.read\n}\n127.0.0.1:5001 {\nuri strip_prefix /api\nrespond 204", harmless},
		{"rewrite in a later handle", "handle /orders* {\nverify /orders/1* orders.read\n}\nhandle_path /api* {\nrespond 204\n}", harmless},
	} {
		for _, address := range []string{"localhost:5001", ":5001"} {
			t.Run(row.name+" at "+address, func(t *testing.T) {
				t.Parallel()
				caddyfile := strings.Replace(shopOptions, "applications.yaml\n", "applications.yaml\nsigning_algorithm ES256\n", 1) +
					address + " {\n" + row.site + "\n}\n"
				dir := workspace(t, asWritten, caddyfile, map[string]string{"applications.yaml": shopApplications})
				messages, code := validate(t, dir)
				if code != 0 {
					t.Fatalf("exit code %d: %s", code, messages)
				}
				if got := strings.Contains(messages, "requests may pass unverified"); got != row.warning {
					t.Errorf("warned: %t\n%s", got, messages)
				}
				for _, place := range places(caddyfile, nil) {
					if !strings.Contains(messages, strings.TrimSuffix(place, ":")) {
						t.Errorf("the warning does not name %s\n%s", place, messages)
					}
				}
			})
		}
	}
}

// Validating beside a running server, in its storage, leaves its keys alone.
func TestValidateLeavesKeysAlone(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	const jwks = "https://localhost:5001/.well-known/jwks.json"
	before := c.do(http.MethodGet, jwks, "").body
	token := c.token("reader", "orders.read")
	stored := storedKeys(t, c.home)
	if len(stored) == 0 {
		t.Fatal("no key is stored")
	}
	for _, caddyfile := range []string{
		read(t, filepath.Join(c.dir, "Caddyfile")),
		c.ports.replace(shopOptions + "localhost:5001 {\ntokenidp\nverify orders.raed\n}\n"),
	} {
		write(t, filepath.Join(c.dir, "Caddyfile"), caddyfile)
		validateAt(t, c.dir, c.home)
		if after := c.do(http.MethodGet, jwks, "").body; after != before {
			t.Errorf("the keys were\n%s\nand are\n%s", before, after)
		}
		if after := storedKeys(t, c.home); !maps.Equal(after, stored) {
			t.Errorf("the stored keys were %v and are %v", slices.Sorted(maps.Keys(stored)), slices.Sorted(maps.Keys(after)))
		}
	}
	if again := c.token("reader", "orders.read"); keyID(t, again) != keyID(t, token) {
		t.Errorf("the key was %s and is %s", keyID(t, token), keyID(t, again))
	}
}

// storedKeys are the files of keys in the storage. The server writes its usage beside
// them whenever it is time for it.
func storedKeys(t *testing.T, home string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(filepath.Join(home, ".local/share/caddy/tokenidp"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && filepath.Base(filepath.Dir(path)) == "keys" {
			files[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A configuration with a mistake is refused, and the one in force stays.
func TestReloadWithMistakeKeepsServing(t *testing.T) {
	t.Parallel()
	c := startShop(t, "verify /orders* orders.read\nrespond /orders* orders")
	token := c.token("reader", "orders.read")
	for _, m := range []mistake{
		inSite("unknown scope", "tokenidp\nverify orders.raed", `unknown scope`),
		inSite("syntax", "tokenidp {\nissuer a\n}", "takes no block"),
		{name: "no issuer", caddyfile: "localhost:5001 {\nverify orders.read\n}\n", says: []string{"no issuer is configured"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			a := c.load(strings.ReplaceAll(m.caddyfile, "applications.yaml", filepath.Join(c.dir, "applications.yaml")))
			if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, m.says[0]) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if a := c.do(http.MethodGet, "https://localhost:5001/orders", "", "Authorization: Bearer "+token); a.body != "orders" {
				t.Errorf("a verified request gets %d %s", a.StatusCode, a.body)
			}
			if a := c.do(http.MethodGet, "https://localhost:5001/orders", ""); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("a request without a token gets %d", a.StatusCode)
			}
			c.token("reader", "orders.read")
		})
	}
}

// load replaces the configuration through the admin endpoint.
func (c *caddy) load(caddyfile string) *answer {
	c.t.Helper()
	return c.administer(http.MethodPost, "/load", c.ports.replace(caddyfile), "Content-Type: text/caddyfile")
}

// keyID is the kid in the token's header.
func keyID(t *testing.T, token string) string {
	t.Helper()
	encoded, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(decoded, &header); err != nil {
		t.Fatal(err)
	}
	return header.Kid
}
