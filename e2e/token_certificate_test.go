package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// writePair writes a certificate and its key into files, and the two into one.
func writePair(t *testing.T, dir string, pair *tls.Certificate) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	for name, content := range map[string]string{"client.key": key, "client.crt": certificate, "client.pem": certificate + key} {
		write(t, filepath.Join(dir, name), content)
	}
}

// RFC 8705: the certificate says who asks, or what the token is bound to.
func TestTokenCommandWithACertificate(t *testing.T) {
	t.Parallel()
	c, ca := startMTLS(t, mtlsSite("verify_if_given"))
	pair := ca.named("orders.example.com")
	writePair(t, c.dir, pair)
	write(t, filepath.Join(c.dir, "secret"), shopSecret)
	for _, row := range []struct {
		name  string
		args  []string
		bound bool
	}{
		{"two files", []string{"--client-id", "by-dns", "--cert", "client.crt", "--cert-key", "client.key"}, false},
		{"one file, bound", []string{"--client-id", "bound-by-dns", "--cert", "client.pem"}, true},
		{"a secret, bound", []string{"--client-id", "bound", "--cert", "client.pem", "--secret-file", "secret"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := c.getToken("", append(row.args, "--scope", "orders.read")...)
			for name, certificate := range map[string]*tls.Certificate{"its own": pair, "none": nil} {
				want := http.StatusOK
				if row.bound && certificate == nil {
					want = http.StatusUnauthorized
				}
				if a := send(t, c.presenting(t, certificate, ""), c.request("GET", "https://localhost:5001/orders", "", bearer(token))); a.StatusCode != want {
					t.Errorf("with the certificate %s: %d", name, a.StatusCode)
				}
			}
		})
	}
	writePair(t, c.dir, ca.named("stock.example.com"))
	_, stderr, code := c.types(typedCommand{args: []string{"token", "--issuer", c.url("https://localhost:5001"), "--client-id", "by-dns", "--cert", "client.pem", "--scope", "orders.read"}})
	if code != 1 || !strings.Contains(stderr, "registered with this certificate") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
