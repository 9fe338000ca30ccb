package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exports = "../migrate/testdata/"

// The file goes to standard output, and the list of what is missing in it to standard
// error.
func TestImport(t *testing.T) {
	for _, row := range []struct {
		args     []string
		code     int
		out, err string
	}{
		{[]string{"hydra", "--file", exports + "hydra-clients.json", "--hashes", exports + "hydra-hashes.json"}, 1, "# Imported from Ory Hydra.\n", `client "app": left out: it is public`},
		{[]string{"keycloak", "--file", exports + "keycloak-realm.json"}, 1, "# Imported from the Keycloak realm \"shop\".\n", "3 clients of Keycloak itself are left out"},
		{[]string{"keycloak", "--file", exports + "hydra-clients.json"}, 2, "", "it is no export of a realm"},
		{[]string{"hydra", "--file", filepath.Join(exports, "none.json")}, 2, "", "reading the export: open "},
		{[]string{"hydra", "--file", exports + "hydra-clients.json", "--hashes", "none.json"}, 2, "", "reading the export: open "},
		{[]string{"hydra", "clients.json"}, 2, "", "this command takes no arguments; the export is read from --file, or from standard input"},
		{[]string{"okta"}, 2, "", "unknown command okta"},
		{nil, 0, "Say 'caddy tokenidp import hydra --help'", ""},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			r := run(t, append([]string{"import"}, row.args...)...)
			if r.code != row.code || !strings.HasPrefix(r.stdout, row.out) || !strings.Contains(r.stderr, row.err) {
				t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			if row.code == 2 && r.stdout != "" {
				t.Errorf("it prints %s", r.stdout)
			}
		})
	}
}

func TestImportOfAll(t *testing.T) {
	export := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(export, []byte(`[{"client_id":"a","grant_types":["client_credentials"],"scope":"s","audience":["api"],"client_secret":"$pbkdf2-sha256$i=25000,l=32$8PHy8/T19vf4+fr7/P3+/w$Z0bL/CEUeBgqYwh8bhulKNloC9te2/TMkzMs4fHPDec"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, "import", "hydra", "--file", export); r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, `client_id: "a"`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
