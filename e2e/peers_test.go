//go:build peers

package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// peersFolder is where `npm ci` has installed what testdata/peers/package.json asks
// for. These tests have a tag, so that all the others need nothing but Go.
func peersFolder(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("TOKENIDP_PEERS")
	if folder == "" {
		t.Fatal("TOKENIDP_PEERS names no folder; copy e2e/testdata/peers, run `npm ci` in the copy, and set it to that")
	}
	return folder
}

// startOIDCProvider runs a server of oidc-provider, and returns its URL and the file
// with its certificate.
func startOIDCProvider(t *testing.T) (issuer, ca string) {
	t.Helper()
	dir, port := t.TempDir(), testport.Free(t)
	ca = filepath.Join(dir, "cert.pem")
	writeCertificate(t, filepath.Join(dir, "key.pem"), ca)
	startPeer(t, "oidc-provider.mjs", "PORT="+port, "KEY="+filepath.Join(dir, "key.pem"), "CERT="+ca)
	return "https://127.0.0.1:" + port, ca
}

// startPeer runs a script of testdata/peers until the test ends, once it is ready.
func startPeer(t *testing.T, script string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Dir = peersFolder(t)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s says %q, %v", script, line, err)
	}
}

// writeCertificate writes the key and the certificate that httptest's servers have.
func writeCertificate(t *testing.T, keyFile, certFile string) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}

// An authorization server in another language, with tokens of RFC 9068 signed by
// each kind of key, one of which names no algorithm.
func TestPeerOIDCProvider(t *testing.T) {
	issuer, ca := startOIDCProvider(t)
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(trust(issuer, "ca_file "+ca, "types at+jwt",
		"audience https://orders.example.com https://stock.example.com https://users.example.com"))+trustedSite(`
	handle /orders* {
		verify orders.read
		respond "{http.auth.user.id} {http.auth.user.scope}"
	}
	handle /only* {
		verify orders.read {
			audience https://orders.example.com
		}
		respond fine
	}`))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, ca)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	token := func(api, scope string) string {
		return clientCredentials(t, &http.Client{Transport: transport, Timeout: patience}, issuer+"/token", "worker", "secret",
			url.Values{"scope": {scope}, "resource": {"https://" + api + ".example.com"}})
	}
	api.checkVerdicts(t, map[string]verdict{
		"RS256":              {"/orders", token("orders", "orders.read orders.write"), 200, "worker orders.read orders.write"},
		"ES256, without alg": {"/orders", token("stock", "orders.read"), 200, "worker orders.read"},
		"PS256":              {"/orders", token("users", "orders.read"), 200, "worker orders.read"},
		"another scope":      {"/orders", token("orders", "orders.write"), 403, "missing_scope"},
		"another API":        {"/only", token("stock", "orders.read"), 401, "wrong_audience"},
		"the API":            {"/only", token("orders", "orders.read"), 200, "fine"},
	})
	if s := api.trusted()[0]; s.Keys != 3 || len(s.Skipped) != 0 || s.From != issuer+"/jwks" {
		t.Errorf("%+v", s)
	}
}
