package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// The command refuses what the server refuses, and leaves no file.
func TestKeypairRefuses(t *testing.T) {
	dir, secret := t.TempDir(), secret.Generate()
	there, link := filepath.Join(dir, "there.pem"), filepath.Join(dir, "link.pem")
	if err := os.WriteFile(there, []byte("a key in use"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	out := []string{"--out", filepath.Join(dir, "new.pem")}
	sample := func(id, issuer string) []string { return append(out, "--client-id", id, "--issuer", issuer) }
	for _, row := range []struct {
		name string
		args []string
		says string
	}{
		{"to overwrite", []string{"--out", there}, "there.pem exists already, and is not overwritten"},
		{"to follow a link", []string{"--out", link}, "link.pem exists already"},
		{"a missing folder", []string{"--out", filepath.Join(dir, "missing", "key.pem")}, "no such file or directory"},
		{"to overwrite a set", append(out, "--jwks", there), "there.pem exists already"},
		{"to leave a set without its key", []string{"--out", there, "--jwks", filepath.Join(dir, "new.json")}, "there.pem exists already"},
		{"one file for both", append(out, "--jwks", out[1]), "new.pem exists already"},
		{"a symmetric algorithm", append(out, "--alg", "HS256"), `--alg "HS256" is not one of ES256, PS256, RS256, EdDSA`},
		{"none", append(out, "--alg", "none"), "is not one of"},
		{"a sample for nobody", append(out, "--issuer", "https://idp.example.com"), "needs both --client-id and --issuer"},
		{"a sample for no issuer", append(out, "--client-id", "orders-worker"), "needs both --client-id and --issuer"},
		{"an issuer that ends in a slash", sample("orders-worker", "https://idp.example.com/"), "must not end in a slash"},
		{"an http issuer", sample("orders-worker", "http://idp.example.com"), "must be https"},
		{"a client_id with a space", sample("orders worker", "https://idp.example.com"), "--client-id must be 1 to 255 visible ASCII characters"},
		{"a client_id with a colon", sample("orders:worker", "https://idp.example.com"), "--client-id must have no colon"},
		{"a secret as client_id", sample(secret, "https://idp.example.com"), "--client-id is a secret"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := runKeypair(newCall(t, keypairCommand(), row.args...))
			if code := exitCode(err); code != 2 || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("exit code %d, %v", code, err)
			}
		})
	}
	content, err := os.ReadFile(there)
	if entries, _ := os.ReadDir(dir); err != nil || len(entries) != 2 || string(content) != "a key in use" {
		t.Errorf("%v, %q, %v", entries, content, err)
	}
}

func TestQuotedForShell(t *testing.T) {
	for text, want := range map[string]string{"a": "'a'", "": "''", "o'w $(x)": `'o'\''w $(x)'`} {
		if got := quotedForShell(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
