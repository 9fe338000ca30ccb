package live

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// valid uses every field once. Rows replace a part of it.
const valid = `resources:
  - name: orders-api
    scopes:
      - name: orders.read
        description: Read orders
      - name: orders.write
  - name: billing-api
    resource: https://api.example.com/billing
    scopes:
      - name: billing.read
applications:
  - client_id: orders-worker
    client_name: Orders worker
    active: true
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    secrets:
      - id: "2026-11"
        hash: "$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
        expires: 2027-06-30
    scopes: [orders.read, orders.write]
    default_scopes: [orders.read]
    token_lifetime: 30m
`

const validHash = `"$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"`

const (
	generated     = "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA"
	bcryptPHP     = "$2y$10$92IXUNpkjO0rOQ5byMi.Ye4oKoEa3Ro9llC/.og/at2.uheWG/igi"
	ecJWK         = `{kty: EC, crv: P-256, x: MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4, y: 4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM, use: sig, kid: "1"}`
	applicationOf = "client_id, client_name, active, grant_types, " +
		"token_endpoint_auth_method, token_endpoint_auth_signing_alg, secrets, jwks, jwks_file, jwks_uri, federated, " +
		"tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email, " +
		"scopes, default_scopes, token_lifetime, claims, quota, introspection, " +
		"tls_client_certificate_bound_access_tokens, dpop_bound_access_tokens"
	emptyFile = "is empty; if there is to be no application, write `applications: []`"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const mountedFile = "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n" +
	"  - client_id: x\n    scopes: [a.read]\n    secrets: [{id: m, file: secrets/x}]\n"

// keyed is a file with one Application that has these fields.
func keyed(fields string) string {
	return "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n  - client_id: x\n    scopes: [a.read]\n" + fields
}

func wantFast(t *testing.T, a *application.Application, presented, id string, want secret.Match) {
	t.Helper()
	s, match := a.Secrets.CheckFast(presented, noon)
	if match != want || (s != nil) != (want == secret.Matched) || s != nil && s.ID != id {
		t.Errorf("CheckFast(%q) = %v, %v; want %q, %v", presented, s, match, id, want)
	}
}

// write puts files, by their names, into a folder of their own.
func write(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadFrom loads the patterns from dir at noon. Its error and warnings leave dir out.
func loadFrom(dir string, patterns ...string) (set *application.Set, warnings []string, failure string) {
	for i := range patterns {
		patterns[i] = filepath.Join(dir, patterns[i])
	}
	set, err := NewLibrary(patterns, application.Options{Now: func() time.Time { return noon }}).Load()
	if err != nil {
		return set, nil, strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	}
	for _, w := range set.Warnings() {
		warnings = append(warnings, strings.ReplaceAll(w.String(), dir+string(filepath.Separator), ""))
	}
	return set, warnings, ""
}

func loadText(t testing.TB, content string) (*application.Set, []string, string) {
	t.Helper()
	return loadFrom(write(t, map[string]string{"a.yaml": content}), "a.yaml")
}

func team(name string) string {
	return fmt.Sprintf("resources:\n  - name: %s-api\n    scopes: [{name: %[1]s.read}]\n"+
		"applications:\n  - client_id: %[1]s\n    active: false\n    scopes: [%[1]s.read]\n", name)
}

func clientIDs(s *application.Set) string {
	var ids []string
	for _, a := range s.Applications() {
		ids = append(ids, a.ClientID)
	}
	return strings.Join(ids, " ")
}

func TestLoadSeveralFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"teams/b.yaml": team("b"), "teams/a.yaml": team("a"), "teams/.a.yaml": team("a"), "teams/readme.md": "x",
		"z.yaml": team("z"), ".hidden/h.yaml": team("h"),
	})
	for _, row := range []struct {
		name     string
		patterns []string
		ids      string
		files    string
	}{
		{"one", []string{"z.yaml"}, "z", "z.yaml"},
		{"a glob, in its order", []string{"teams/*.yaml"}, "a b", "teams/a.yaml teams/b.yaml"},
		{"both, in the order named", []string{"z.yaml", "teams/*.yaml"}, "a b z", "z.yaml teams/a.yaml teams/b.yaml"},
		{"one path twice", []string{"teams/*.yaml", "teams/../teams/a.yaml"}, "a b", "teams/a.yaml teams/b.yaml"},
		{"hidden, when asked for", []string{"teams/.*.yaml"}, "a", "teams/.a.yaml"},
		{"a hidden folder, when asked for", []string{".hidden/*.yaml"}, "h", ".hidden/h.yaml"},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _, failure := loadFrom(dir, slices.Clone(row.patterns)...)
			if failure != "" {
				t.Fatal(failure)
			}
			if got := clientIDs(set); got != row.ids {
				t.Errorf("applications %s, want %s", got, row.ids)
			}
			var files []string
			for _, f := range set.Files() {
				rel, _ := filepath.Rel(dir, f)
				files = append(files, filepath.ToSlash(rel))
			}
			if got := strings.Join(files, " "); got != row.files {
				t.Errorf("files %s, want %s", got, row.files)
			}
		})
	}
}

func TestLoadFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(write(t, map[string]string{"a.yaml": team("a")}))
	set, err := NewLibrary([]string{"a.yaml"}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := set.Application("a"); a.Source != "a.yaml:5" {
		t.Errorf("source %s", a.Source)
	}
}

func TestFileErrors(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": team("a"), "b.yaml": team("b"), "again.yaml": team("a"), "dir.yaml/x": "",
		"large.yaml": "# " + strings.Repeat("x", 16<<20),
		"wrong.yaml": "applications:\n  - client_id: x\n    active: false\n    scopes: [none]\n",
		"empty.yaml": "",
	})
	for _, row := range []struct {
		name     string
		patterns []string
		want     string
	}{
		{"none named", nil, "applications: no file is named"},
		{"missing", []string{"a.yaml", "missing.yaml"}, "missing.yaml: cannot be read: no such file or directory"},
		{"a glob without files", []string{"a.yaml", "*.yml"}, "*.yml: no file matches"},
		{"a broken glob", []string{"[.yaml"}, "[.yaml: not a pattern of file names: syntax error in pattern"},
		{"a directory", []string{"dir.yaml"}, "dir.yaml: is a directory, not a file"},
		{"too large", []string{"large.yaml"}, "large.yaml: is larger than 16777216 bytes"},
		{"empty", []string{"a.yaml", "empty.yaml"}, "empty.yaml:1: is empty; if there is to be no application, write `applications: []`"},
		{
			"defined in two files, with both places",
			[]string{"a.yaml", "b.yaml", "again.yaml"},
			"again.yaml:2: resource \"a-api\": resource \"a-api\" is already defined at a.yaml:2\n" +
				"again.yaml:3: resource \"a-api\": scope \"a.read\" is already defined at a.yaml:3\n" +
				"again.yaml:5: application \"a\": client_id \"a\" is already defined at a.yaml:5",
		},
		{
			"a scope that no file defines",
			[]string{"a.yaml", "wrong.yaml"},
			`wrong.yaml:4: application "x": scope "none" is owned by no resource; known: a.read`,
		},
		{
			"no consequences of a missing file are reported",
			[]string{"wrong.yaml", "missing.yaml"},
			"missing.yaml: cannot be read: no such file or directory",
		},
		{
			"in the order of the files",
			[]string{"missing.yaml", "empty.yaml", "dir.yaml"},
			"missing.yaml: cannot be read: no such file or directory\n" +
				"empty.yaml:1: is empty; if there is to be no application, write `applications: []`\n" +
				"dir.yaml: is a directory, not a file",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _, failure := loadFrom(dir, row.patterns...)
			if failure != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, row.want)
			}
			if set != nil {
				t.Error("half a set was loaded")
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such files there")
	}
	dir := write(t, map[string]string{"locked.yaml": team("a"), "a.yaml": team("a")})
	if err := os.Symlink("gone.yaml", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, failure := loadFrom(dir, "dangling.yaml"); failure != "dangling.yaml: cannot be read: no such file or directory" {
		t.Error(failure)
	}
	if _, _, failure := loadFrom(dir, "link.yaml"); failure != "" {
		t.Error(failure)
	}
	if _, err := NewLibrary([]string{os.DevNull}, application.Options{}).Load(); err == nil || err.Error() != os.DevNull+": is not a regular file" {
		t.Error(err)
	}
	if os.Geteuid() == 0 {
		return // root reads everything
	}
	if err := os.Chmod(filepath.Join(dir, "locked.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, failure := loadFrom(dir, "locked.yaml"); failure != "locked.yaml: cannot be read: permission denied" {
		t.Error(failure)
	}
}
