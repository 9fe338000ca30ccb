package migrate

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

var update = flag.Bool("update", false, "write the golden files")

// staple is the hash of "correct horse battery staple", as Hydra makes it.
const staple = "$pbkdf2-sha256$i=25000,l=32$8PHy8/T19vf4+fr7/P3+/w$Z0bL/CEUeBgqYwh8bhulKNloC9te2/TMkzMs4fHPDec"

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// argonHash is another one each time.
var argonHash = regexp.MustCompile(`\$argon2id\$[^"]*`)

// golden compares the file and its notes with a golden file.
func golden(t *testing.T, f *File, name string) {
	t.Helper()
	got := argonHash.ReplaceAllString(f.YAML(), "$$argon2id$$…") + "---\n" + strings.Join(f.Notes, "\n") + "\n"
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name), []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, name)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestHydra(t *testing.T) {
	f, err := Hydra(read(t, "hydra-clients.json"), read(t, "hydra-hashes.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, f, "hydra.golden")
	for _, private := range []string{"not-a-hash-but-the-secret", "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE", "$2a$04$"} {
		if strings.Contains(f.YAML()+strings.Join(f.Notes, "\n"), private) {
			t.Errorf("%s came along", private)
		}
	}
}

func TestKeycloak(t *testing.T) {
	f, err := Keycloak(read(t, "keycloak-realm.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, f, "keycloak.golden")
	var s secret.Secret
	if err := s.SetHash(f.Applications[0].Hash); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{"vYSz1x7oIuFQxhVxjVjWbWqLq4eW9q0b", "old-secret-of-orders-worker", "7n4kq0Zr2b8s1v6x"} {
		if strings.Contains(f.YAML()+strings.Join(f.Notes, "\n"), private) {
			t.Errorf("%s came along", private)
		}
	}
}

// Hydra's command line prints an object in place of a list.
func TestHydraItems(t *testing.T) {
	f, err := Hydra([]byte(`{"items":[{"client_id":"a","grant_types":["client_credentials"],"scope":"s","audience":["api"],"client_secret":"`+staple+`"}],"next_page_token":""}`), nil)
	if err != nil || len(f.Notes) != 0 || len(f.Applications) != 1 || f.Applications[0].Inactive {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestErrors(t *testing.T) {
	hydra := func(export, hashes string) func() (*File, error) {
		return func() (*File, error) {
			if hashes == "" {
				return Hydra([]byte(export), nil)
			}
			return Hydra([]byte(export), []byte(hashes))
		}
	}
	for _, row := range []struct {
		name string
		read func() (*File, error)
		want string
	}{
		{"nothing", hydra(" ", ""), "there is nothing to read"},
		{"no JSON", hydra("client_id", ""), "JSON is not an object"},
		{"no list", hydra(`{"client_id":"a"}`, ""), "it is neither a list of clients nor an object with one as `items`"},
		{"hashes that are no object", hydra(`[]`, "[1"), "JSON is malformed"},
		{"two clients of one id", hydra(`[{"client_id":"a","grant_types":["client_credentials"],"scope":"s"},{"client_id":"a","grant_types":["client_credentials"],"scope":"s"}]`, ""), "what was read makes no file that loads: "},
		{"no realm", func() (*File, error) { return Keycloak([]byte(`{"clients":[]}`)) }, "it is no export of a realm: it has no `realm` with `clients`"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := row.read()
			if err == nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

// No export makes a file that does not load, unless the error says so; and none makes a
// panic.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"hydra-clients.json", "hydra-hashes.json", "keycloak-realm.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Hydra(data, data)
		_, _ = readKeycloak(data, func(string) (string, error) { return staple, nil }) // hashing takes long
	})
}

func TestTokenLifetime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 20 * time.Second: "20s", 90 * time.Second: "1m30s", 24 * time.Hour: "24h",
		time.Second: "", 25 * time.Hour: "", 10*time.Second + 1: "", 0: "", -time.Hour: "",
	} {
		if got := tokenLifetime(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
