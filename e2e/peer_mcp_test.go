//go:build peers

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runPeer runs a script of testdata/peers with the CA of Caddy, and reads the JSON that
// it prints.
func (c *caddy) runPeer(t *testing.T, script string, into any, env ...string) {
	t.Helper()
	c.readPeer(t, exec.CommandContext(t.Context(), "node", script), into, env...)
}

func (c *caddy) readPeer(t *testing.T, cmd *exec.Cmd, into any, env ...string) {
	t.Helper()
	cmd.Dir = peersFolder(t)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "NODE_EXTRA_CA_CERTS=" + rootOf(c.home), "SSL_CERT_FILE=" + rootOf(c.home)}, env...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if err := json.Unmarshal(output, into); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
}

// tourMCP is the configuration that the tour shows, in front of an MCP server.
func tourMCP(t *testing.T) (caddyfile, applications string) {
	t.Helper()
	_, section, found := strings.Cut(read(t, "../docs/tour.md"), "## Let clients find the issuer\n")
	_, caddyfile, _ = strings.Cut(section, "```caddyfile\n")
	caddyfile, _, _ = strings.Cut(caddyfile, "```")
	_, edit, _ := strings.Cut(section, "$ sed '")
	edit, _, _ = strings.Cut(edit, "'")
	if !found || !strings.Contains(caddyfile, `respond "fine"`) || edit == "" {
		t.Fatal("docs/tour.md shows it no more")
	}
	sed := exec.CommandContext(t.Context(), "sed", edit, "../applications.example.yaml")
	output, err := sed.Output()
	if err != nil {
		t.Fatal(err)
	}
	caddyfile = strings.Replace(caddyfile, "verify orders.read", "verify orders.read {\n\t\t\tclaim_header X-Client-Id client_id\n\t\t}", 1)
	return strings.Replace(caddyfile, `respond "fine"`, "reverse_proxy localhost:5002", 1), string(output)
}

// startMCP runs an MCP server of the SDK behind verify.
func startMCP(t *testing.T, caddyfile, applications string) *caddy {
	t.Helper()
	p := newPorts(t)
	startPeer(t, "mcp-server.mjs", "PORT="+p.free["5002"])
	return start(t, caddyfile, options{ports: p, files: map[string]string{"discoverable.yaml": applications}})
}

// mcpSaid is what mcp-client.mjs prints.
type mcpSaid struct {
	Text, Scope, Error string
	Tools, Requests    []string
}

var mcpSDKs = []string{"@modelcontextprotocol/sdk", "@modelcontextprotocol/client"}

// An MCP client that knows nothing but the server's URL and its own credentials, from
// the first 401 to the answer of a tool: MCP's authorization specification, with RFC
// 6750, 9728, 8414, 8707 and client credentials.
func TestPeerMCP(t *testing.T) {
	caddyfile, applications := tourMCP(t)
	c := startMCP(t, caddyfile, applications)
	for _, sdk := range mcpSDKs {
		for scope, granted := range map[string]string{"": "orders.read", "orders.read": "orders.read", "orders.read orders.write": "orders.read orders.write"} {
			t.Run(filepath.Base(sdk)+", scope "+scope, func(t *testing.T) {
				var said mcpSaid
				c.runPeer(t, "mcp-client.mjs", &said, "SDK="+sdk, "URL="+c.url("https://localhost:5001/orders"), "ISSUER="+c.url("https://localhost:5001"),
					"CLIENT_ID=orders-worker", "SECRET=replace-with-real-secret", "SCOPE="+scope)
				if sdk == mcpSDKs[1] {
					granted = "orders.read" // it asks for the scope of the challenge
				}
				if said.Error != "" || said.Text != "you are orders-worker, with no token" || said.Scope != granted || !slices.Equal(said.Tools, []string{"whoami"}) {
					t.Errorf("%+v", said)
				}
				want := []string{
					"POST /orders 401", "GET /.well-known/oauth-protected-resource/orders 200", "GET /.well-known/oauth-authorization-server 200", "POST /token 200", "POST /orders 200",
				}
				if len(said.Requests) < len(want) || !slices.Equal(said.Requests[:len(want)], want) {
					t.Errorf("requests %q", said.Requests)
				}
			})
		}
	}
}

// The server is at the root of its host, so that some clients add a slash to its
// identifier; and it is for another client.
func TestPeerMCPAtTheRoot(t *testing.T) {
	caddyfile, applications := tourMCP(t)
	caddyfile = strings.Replace(strings.Replace(caddyfile, "https://localhost:5001/orders", "https://localhost:5001/", 1), "handle /orders*", "handle", 1)
	applications = strings.Replace(applications, "https://localhost:5001/orders", "https://localhost:5001", 1)
	c := startMCP(t, caddyfile, applications)
	for _, sdk := range mcpSDKs {
		for secret, works := range map[string]bool{"replace-with-real-secret": true, "wrong": false} {
			var said mcpSaid
			c.runPeer(t, "mcp-client.mjs", &said, "SDK="+sdk, "URL="+c.url("https://localhost:5001"), "ISSUER="+c.url("https://localhost:5001"),
				"CLIENT_ID=orders-worker", "SECRET="+secret, "SCOPE=")
			if works && said.Text != "you are orders-worker, with no token" || !works && !strings.Contains(said.Error, "client authentication failed") {
				t.Errorf("%s, %s: %+v", sdk, secret, said)
			}
		}
	}
}

// A client that has a key instead of a secret (RFC 7523), under both names of EdDSA.
func TestPeerMCPWithAKey(t *testing.T) {
	caddyfile, applications := tourMCP(t)
	applications, _, _ = strings.Cut(applications, "\n# Who gets through") // and no tests behind them
	applications += "\n"
	dir := t.TempDir()
	keys := make(map[string]string)
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		key := makeKey(t, dir, algorithm)
		keys[algorithm] = key.file
		applications += "  - client_id: key-" + algorithm + "\n    scopes: [orders.read]\n    default_scopes: [orders.read]\n" + key.declaration
	}
	c := startMCP(t, caddyfile, applications)
	for _, sdk := range mcpSDKs {
		for alg, key := range map[string]string{"ES256": "ES256", "EdDSA": "EdDSA", "Ed25519": "EdDSA"} {
			var said mcpSaid
			c.runPeer(t, "mcp-client.mjs", &said, "SDK="+sdk, "URL="+c.url("https://localhost:5001/orders"), "ISSUER="+c.url("https://localhost:5001"),
				"CLIENT_ID=key-"+key, "KEY="+keys[key], "ALG="+alg, "SCOPE=")
			if said.Error != "" || said.Text != "you are key-"+key+", with no token" {
				t.Errorf("%s, %s: %+v", sdk, alg, said)
			}
		}
	}
}

// The Go SDK asks for the scope of the challenge, and for PKCE in the metadata.
func TestPeerMCPInGo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "mcp-go")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join(peersFolder(t), "mcp-go")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	caddyfile, applications := tourMCP(t)
	applications = strings.Replace(applications, "    default_scopes:", "    # default_scopes:", 1)
	atTheRoot := strings.NewReplacer("https://localhost:5001/orders", "https://localhost:5001", "handle /orders*", "handle")
	for path, c := range map[string]*caddy{
		"/orders": startMCP(t, caddyfile, applications),
		"":        startMCP(t, atTheRoot.Replace(caddyfile), atTheRoot.Replace(applications)),
	} {
		var said mcpSaid
		c.readPeer(t, exec.CommandContext(t.Context(), program), &said, "URL="+c.url("https://localhost:5001"+path), "ISSUER="+c.url("https://localhost:5001"),
			"CLIENT_ID=orders-worker", "SECRET=replace-with-real-secret")
		if said.Error != "" || said.Text != "you are orders-worker, with no token" || !slices.Equal(said.Tools, []string{"whoami"}) {
			t.Errorf("%s: %+v", path, said)
		}
	}
}
