package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var keypairYAML = regexp.MustCompile(`(?m)^    token_endpoint_auth_method: private_key_jwt\n    jwks:\n      keys:\n        - kid: "[A-Za-z0-9_-]{43}"\n(          [a-z]+: "[A-Za-z0-9_-]+"\n)+`)

// The private key is shown once, or is in a file of the owner's alone.
func TestKeypairIsShownOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stdout, stderr, code := command(t, dir, "", "tokenidp", "keypair")
	block, _ := pem.Decode([]byte(stdout))
	if code != 0 || stderr != "" || block == nil || block.Type != "PRIVATE KEY" || strings.Count(stdout, "BEGIN") != 1 || !keypairYAML.MatchString(stdout) || !strings.Contains(stdout, `alg: "ES256"`) {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		t.Error(err)
	}
	stdout, stderr, code = command(t, dir, "", "tokenidp", "keypair", "--alg", "PS256", "--out", "key.pem")
	if code != 0 || stderr != "" || strings.Contains(stdout, "BEGIN") || !keypairYAML.MatchString(stdout) || !strings.Contains(stdout, `alg: "PS256"`) || !strings.HasPrefix(stdout, "The private key is in key.pem") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if block, rest := pem.Decode([]byte(read(t, filepath.Join(dir, "key.pem")))); block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 {
		t.Error("the file is no PEM")
	}
	if info, err := os.Stat(filepath.Join(dir, "key.pem")); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
