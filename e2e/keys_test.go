package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// shopWith is the shop with more options of its issuer.
func shopWith(options string) string {
	return strings.Replace(shopOptions, "applications applications.yaml", "applications applications.yaml\n"+options, 1) +
		"localhost:5001 {\n\ttokenidp\n\tverify /orders* orders.read\n\trespond /orders* fine\n}\n"
}

func newKEK(t *testing.T) string {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	return base64.StdEncoding.EncodeToString(secret)
}

func newPEM(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// stored is all that the storage holds of keys.
func (c *caddy) stored() string {
	c.t.Helper()
	entries, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/*/keys/*.json"))
	if err != nil || len(entries) == 0 {
		c.t.Fatalf("no keys are stored: %v", err)
	}
	text := ""
	for _, entry := range entries {
		text += read(c.t, entry)
	}
	return text
}

// Private keys are encrypted with a key that only the environment or a file has,
// over a restart, and a wrong one is an error with its place that changes nothing.
func TestKeysAreEncryptedAtRest(t *testing.T) {
	home, p, kek, files := t.TempDir(), newPorts(t), newKEK(t), map[string]string{"applications.yaml": shopApplications}
	files["kek"] = kek + "\n"
	config := shopWith("\t\t\tkey_encryption_key {file.kek}")
	c := start(t, config, options{home: home, ports: p, files: files})
	token := c.token("reader", "orders.read")
	if text := c.stored(); strings.Contains(text, `"d":`) || !strings.Contains(text, `"ciphertext"`) {
		t.Errorf("stored: %s", text)
	}
	if output, code := c.ctl("keys"); code != 0 || !strings.Contains(output, "encrypted with ") {
		t.Errorf("keys: %d\n%s", code, output)
	}
	if config := c.administer(http.MethodGet, "/config/", "").body; strings.Contains(config, kek[:20]) {
		t.Error("the admin endpoint shows the key encryption key")
	}
	c.stop()

	before := c.stored()
	for name, row := range map[string]struct{ kek, config string }{
		"another":      {newKEK(t), config},
		"none":         {"", shopWith("")},
		"half":         {kek[:20], config},
		"empty":        {"", config},
		"in the clear": {kek, shopWith("\t\t\tkey_encryption_key " + kek)},
	} {
		dir := workspace(t, p, row.config, map[string]string{"applications.yaml": shopApplications, "kek": row.kek})
		output, code := validateAt(t, dir, home)
		if code == 0 || !strings.Contains(output, "Caddyfile:") || !strings.Contains(output, "key_encryption_key") || strings.Contains(output, kek[:16]) {
			t.Errorf("%s: %d %s", name, code, output)
		}
	}
	c = start(t, config, options{home: home, ports: p, files: files})
	if c.stored() != before {
		t.Error("the storage has changed")
	}
	if a := c.get("https://localhost:5001/orders", token); a.StatusCode != http.StatusOK {
		t.Errorf("the token from before gets %d", a.StatusCode)
	}
}

// A key from a file signs; its successor there is published by a reload, and signs
// later; the storage has neither private half.
func TestSigningKeyFromAFile(t *testing.T) {
	c := start(t, shopWith("\t\t\tsigning_key file signing.pem"), options{
		files: map[string]string{"applications.yaml": shopApplications, "signing.pem": newPEM(t)},
	})
	first := c.token("reader", "orders.read")
	c.rewrite("signing.pem", newPEM(t))
	c.reload()
	second := c.token("reader", "orders.read")
	c.eventually("both keys are published", func() bool { return len(c.kids()) == 2 }) // a reload does not wait for the storage
	if kidOf(t, first) != kidOf(t, second) {
		t.Errorf("signed with %s, then %s", kidOf(t, first), kidOf(t, second))
	}
	for _, token := range []string{first, second} {
		if a := c.get("https://localhost:5001/orders", token); a.StatusCode != http.StatusOK {
			t.Errorf("a token gets %d", a.StatusCode)
		}
	}
	if text := c.stored(); strings.Contains(text, `"d":`) {
		t.Errorf("stored: %s", text)
	}
	if output, code := c.ctl("keys", "rotate"); code == 0 || !strings.Contains(output, "come from outside") {
		t.Errorf("rotate: %d %s", code, output)
	}
	if output, _ := c.ctl("keys"); strings.Count(output, "outside") != 2 || !strings.Contains(output, "next") {
		t.Errorf("keys:\n%s", output)
	}
}

// A key in the configuration would be shown, and other mistakes, each with its place.
func TestSigningKeyMistakes(t *testing.T) {
	for want, option := range map[string]string{
		"must be a placeholder":      "signing_key MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
		"rotate has no effect":       "signing_key {env.HOME}\nrotate 30d",
		"no such file":               "signing_key file missing.pem",
		"no private key":             "signing_key file applications.yaml",
		"does not fit the algorithm": "signing_key file signing.pem\nsigning_algorithm RS256",
	} {
		dir := workspace(t, newPorts(t), shopWith(option), map[string]string{"applications.yaml": shopApplications, "signing.pem": newPEM(t)})
		output, code := validate(t, dir)
		if code == 0 || !strings.Contains(output, want) || !strings.Contains(output, "Caddyfile:") || strings.Contains(output, "MIGHAgEA") {
			t.Errorf("%s: %d %s", want, code, output)
		}
	}
}

// Caddy's systemd unit runs `caddy run --environ`, so that the system's log has what the
// environment has.
func TestSecretsFromAPrintedEnvironment(t *testing.T) {
	t.Parallel()
	const printed = "caddy run --environ prints this secret into the system's log"
	for name, row := range map[string]struct {
		placeholder string
		flags       []string
		warned      bool
	}{
		"environment, printed": {"{env.KEK}", []string{"--environ"}, true},
		"environment":          {"{env.KEK}", nil, false},
		"file":                 {"{file.kek}", []string{"--environ"}, false},
	} {
		kek := newKEK(t)
		c := start(t, shopWith("\t\t\tkey_encryption_key "+row.placeholder), options{
			files: map[string]string{"applications.yaml": shopApplications, "kek": kek}, env: []string{"KEK=" + kek}, flags: row.flags,
		})
		if log := c.logged(); strings.Contains(log, printed) != row.warned || row.warned && !strings.Contains(log, `"option":"key_encryption_key","placeholder":"{env.KEK}"`) {
			t.Errorf("%s: warned is not %t\n%s", name, row.warned, log)
		}
		c.stop()
	}
}
