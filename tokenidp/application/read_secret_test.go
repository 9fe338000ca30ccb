package application

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

const mountedFile = "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n" +
	"  - client_id: x\n    scopes: [a.read]\n    secrets: [{id: m, file: secrets/x}]\n"

func TestMountedSecret(t *testing.T) {
	mistyped := generated[:len(generated)-1] + "0"
	const place = `a.yaml:5: application "x": secret "m": file secrets/x`
	for _, row := range []struct{ name, content, secret, want string }{
		{"generated", generated + "\n", generated, ""},
		{"chosen", "correct horse", "correct horse", ""},
		{"with a line break", "correct horse\n", "correct horse", ""},
		{"with a line break of Windows", "correct horse\r\n", "correct horse", ""},
		{"only one line break is not part of it", "correct horse\n\n", "correct horse\n", ""},
		{"a lone carriage return is part of it", "correct horse\r", "correct horse\r", ""},
		{"with a byte order mark", "\uFEFFcorrect horse\r\n", "correct horse", ""},
		{"spaces are part of it", " correct horse ", " correct horse ", ""},
		{"the longest", strings.Repeat("a", 4096), strings.Repeat("a", 4096), ""},
		{"empty", "", "", place + ": the secret is empty"},
		{"nothing but a line break", "\r\n", "", place + ": the secret is empty"},
		{"NUL", "correct\x00horse", "", place + ": the secret has a NUL in it"},
		{"invalid UTF-8", "correct\xffhorse", "", place + ": the secret is not valid UTF-8"},
		{"mistyped", mistyped, "", place + ": the secret begins with tidp_ but its checksum does not fit: it is mistyped or cut off"},
		{"too long", strings.Repeat("a", 4097), "", place + " is larger than 4096 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := write(t, map[string]string{"a.yaml": mountedFile, "secrets/x": row.content})
			set, warnings, failure := loadFrom(dir, "a.yaml")
			if failure != row.want || len(warnings) > 0 {
				t.Fatalf("got %s %v, want %s", failure, warnings, row.want)
			}
			if row.want != "" {
				return
			}
			a, _ := set.Application("x")
			wantFast(t, a, row.secret, "m", secret.Matched)
			wantFast(t, a, row.secret+"x", "", secret.NoMatch)
		})
	}
}

func TestMountedSecretCannotBeRead(t *testing.T) {
	const place = `a.yaml:5: application "x": secret "m": file `
	for _, row := range []struct{ name, path, want string }{
		{"missing", "none", place + "none cannot be read: no such file or directory"},
		{"a folder", "secrets", place + "secrets is a directory, not a file"},
		{"endless", os.DevNull, place + os.DevNull + " is not a regular file"},
		{"empty path", `""`, place + "must be the path of a file with the secret, not the secret"},
		{"a number", `12`, place + "must be a string; quote it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := write(t, map[string]string{"a.yaml": strings.Replace(mountedFile, "secrets/x", row.path, 1), "secrets/x": generated})
			if _, _, failure := loadFrom(dir, "a.yaml"); failure != row.want {
				t.Errorf("got %s, want %s", failure, row.want)
			}
		})
	}
}

func TestMountedSecretByAbsolutePath(t *testing.T) {
	elsewhere := filepath.Join(write(t, map[string]string{"x": generated}), "x")
	set := mustLoad(t, strings.Replace(mountedFile, "secrets/x", "'"+elsewhere+"'", 1))
	a, _ := set.Application("x")
	wantFast(t, a, generated, "m", secret.Matched)
}

func TestSecretFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	dir := write(t, map[string]string{"a.yaml": mountedFile, "secrets/..data/x": generated})
	// Kubernetes mounts a secret as a link.
	if err := os.Symlink("..data/x", filepath.Join(dir, "secrets", "x")); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o400: "", 0o700: "",
		0o640: "(mode 0640)", 0o604: "(mode 0604)", 0o620: "(mode 0620)", 0o444: "(mode 0444)",
	} {
		if err := os.Chmod(filepath.Join(dir, "secrets/..data/x"), mode); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			want = `a.yaml:5: application "x": secret "m": file secrets/x is open to others than its owner ` + want + "; chmod 600 it"
		}
		_, warnings, failure := loadFrom(dir, "a.yaml")
		if got := strings.Join(warnings, "\n"); failure != "" || got != want {
			t.Errorf("%04o: %s got %q, want %q", mode, failure, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, row := range []struct {
		name, old, new string
		want           []string
	}{
		{"none", "30m", "1h", nil},
		{"a long lifetime", "30m", "61m", []string{"a.yaml:23: " + orders + "token_lifetime is longer than 1h: for so long, a stolen token works and a withdrawn scope is still granted"}},
		{"a client_id that curl -u does not encode", "client_id: orders-worker", "client_id: orders+worker", []string{`a.yaml:12: application "orders+worker": client_id has a + or a %, which a client must write as %2B or %25 in Basic authentication (RFC 6749 section 2.3.1); curl -u does not, and fails`}},
		{"such a client_id that is sent in the body", "client_id: orders-worker\n    client_name: Orders worker\n    active: true\n    grant_types: [client_credentials]\n    token_endpoint_auth_method: client_secret_basic",
			"client_id: orders%worker\n    token_endpoint_auth_method: client_secret_post", nil},
		{"it expires today", "2027-06-30", "2026-11-20", nil},
		{"it expired yesterday", "2027-06-30", "2026-11-19", []string{
			"a.yaml:12: " + orders + "all its secrets have expired; it cannot authenticate",
			"a.yaml:18: " + secret11 + "it expired on 2026-11-19; remove it",
		}},
		{"it expires this instant", "2027-06-30", "2026-11-20T13:00:00+01:00", []string{
			"a.yaml:12: " + orders + "all its secrets have expired; it cannot authenticate",
			"a.yaml:18: " + secret11 + "it expired on 2026-11-20; remove it",
		}},
		{"one of two expired", "      - id", "      - {id: old, hash: " + bcryptPHP + ", expires: 2025-12-31}\n      - id", []string{
			"a.yaml:18: " + orders + `secret "old": it expired on 2025-12-31; remove it`,
		}},
		{"a hash that slows down all", "      - id", slowHashes(1) + "      - id", []string{
			"a.yaml:12: " + orders + "its hashes are so slow together that every failed authentication, of any client, takes 1.8s; hash with a lower cost, or use generated secrets",
		}},
		{"two of the usual cost", "      - id", strings.ReplaceAll("      - {id: a, hash: "+bcryptPHP+"}\n      - {id: b, hash: "+bcryptPHP+"}\n", "$10$", "$12$") + "      - id", nil},
		{"hashes too slow to hide", "      - id", slowHashes(3) + "      - id", []string{
			"a.yaml:12: " + orders + "its hashes are so slow together that a failed authentication can be told by its time from that of an unknown client_id; remove some",
		}},
		{"a shared secret", "token_lifetime: 30m\n", "token_lifetime: 30m\n  - client_id: other\n    secrets: [{id: a, hash: " + validHash + "}]\n    scopes: [orders.read]\n", []string{
			`a.yaml:25: application "other": secret "a": application "orders-worker" has the same secret; give each its own`,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, warnings, failure := loadText(t, strings.Replace(valid, row.old, row.new, 1))
			if failure != "" || !slices.Equal(warnings, row.want) {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", failure, strings.Join(warnings, "\n"), strings.Join(row.want, "\n"))
			}
		})
	}
}

// slowHashes returns n bcrypt hashes of the highest cost, 912 ms each.
func slowHashes(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString("      - {id: slow" + string(rune('a'+i)) + ", hash: " + strings.Replace(bcryptPHP, "$10$", "$14$", 1) + "}\n")
	}
	return text.String()
}

func TestExpiryIsTheEndOfTheDay(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"2027-06-30", "2027-07-01T00:00:00Z"},
		{`"2027-12-31"`, "2028-01-01T00:00:00Z"},
		{"2028-02-28", "2028-02-29T00:00:00Z"},
		{"2027-06-30T12:00:00Z", "2027-06-30T12:00:00Z"},
		{`"2027-06-30T23:30:00.5-01:00"`, "2027-07-01T00:30:00.5Z"},
	} {
		set := mustLoad(t, strings.Replace(valid, "2027-06-30", row.text, 1))
		a, _ := set.Application("orders-worker")
		if got := a.Secrets[0].Expires.Format(time.RFC3339Nano); got != row.want {
			t.Errorf("%s: expires %s, want %s", row.text, got, row.want)
		}
	}
}
