//go:build peers

package e2e

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// An editor finds the schema by the first line of a file, marks mistakes, and explains
// names.
func TestPeerYAMLLanguageServer(t *testing.T) {
	schema, err := filepath.Abs("../docs/applications.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	example := strings.Replace(read(t, "../applications.example.yaml"), application.SchemaURL, schema, 1)
	c := &caddy{home: t.TempDir()}
	for _, row := range []struct{ name, old, new, marked string }{
		{"no mistake", "", "", ""},
		{"unknown field", "client_name:", "client_nam:", "client_nam:"},
		{"wrong type", "default_scopes: [orders.read]", "default_scopes: orders.read", "default_scopes:"},
		{"no secret", `hash: "$argon2id`, `hash: "argon2id`, "hash:"},
		{"empty", "    scopes: [orders.read, orders.write]", "    scopes: []", "    scopes: []"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(example, row.old, row.new, 1)
			file := filepath.Join(t.TempDir(), "applications.yaml")
			write(t, file, text)
			var said struct {
				Mistakes []struct {
					Line    int
					Message string
				}
				Hover string
			}
			c.runPeer(t, "yaml-editor.mjs", &said, "FILE="+file, "LINE="+lineOf(t, text, "client_id:"), "CHARACTER=6")
			if row.marked == "" {
				if len(said.Mistakes) > 0 || !strings.Contains(said.Hover, "The name with which the client asks for tokens.") {
					t.Errorf("%+v", said)
				}
				return
			}
			if len(said.Mistakes) != 1 || strconv.Itoa(said.Mistakes[0].Line) != lineOf(t, text, row.marked) {
				t.Errorf("%+v; want one at line %s", said, lineOf(t, text, row.marked))
			}
		})
	}
}

// lineOf returns the number of the first line that has the part.
func lineOf(t *testing.T, text, part string) string {
	t.Helper()
	before, _, found := strings.Cut(text, part)
	if !found {
		t.Fatalf("no line has %s", part)
	}
	return strconv.Itoa(strings.Count(before, "\n") + 1)
}
