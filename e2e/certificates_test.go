package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// authority is a CA that issues certificates for clients.
type authority struct {
	t           *testing.T
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.certificate = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key.Public(), nil)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate. Without a parent it is signed by itself.
func (a *authority) sign(template *x509.Certificate, public crypto.PublicKey, parent *x509.Certificate) *x509.Certificate {
	a.t.Helper()
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return certificate
}

// pem is the CA as a trust pool.
func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
}

// client makes a certificate of a client from a template, with its key.
func (a *authority) client(template x509.Certificate) *tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return &tls.Certificate{Certificate: [][]byte{a.sign(&template, key.Public(), a.certificate).Raw}, PrivateKey: key}
}

func (a *authority) named(dnsName string) *tls.Certificate {
	a.t.Helper()
	return a.client(x509.Certificate{DNSNames: []string{dnsName}})
}

// presenting is a client over one version of HTTP, with the certificate, if any.
func (c *caddy) presenting(t *testing.T, certificate *tls.Certificate, version string) *http.Client {
	t.Helper()
	config := c.tlsConfig()
	if certificate != nil {
		// Whatever CAs the server names.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return speaking(t, config, version)
}

// speaking is a client over one version of HTTP.
func speaking(t *testing.T, config *tls.Config, version string) *http.Client {
	t.Helper()
	client := &http.Client{Timeout: patience}
	switch version {
	case "HTTP/1.1":
		config.NextProtos = []string{"http/1.1"}
		client.Transport = &http.Transport{TLSClientConfig: config, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	case "HTTP/3.0":
		three := &http3.Transport{TLSClientConfig: config}
		t.Cleanup(func() { three.Close() })
		client.Transport = three
	default:
		client.Transport = &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// identifiedForm asks for a token without a secret.
func identifiedForm(clientID, scope string) string {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {scope}}.Encode()
}

const formEncoded = "Content-Type: application/x-www-form-urlencoded"
