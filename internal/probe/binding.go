package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// binding has the key and the certificate to which made-up clients bind their tokens.
type binding struct {
	certificate *x509.Certificate
	key         *client.Key
}

func newBinding() (*binding, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	b := new(binding)
	if b.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	b.key, err = client.GenerateKey("ES256")
	return b, err
}

// thumbprints returns the thumbprints of the certificate and of the key.
func (b *binding) thumbprints() (certificate, key string) {
	return jws.CertificateThumbprint(b.certificate), b.key.Public().Thumbprint()
}

// present adds the token to the request, like a client to which it is bound.
func (b *binding) present(r *http.Request, url string, t *Token) error {
	if t == nil {
		return nil
	}
	if t.mtls && r.TLS != nil {
		r.TLS = connection(r.Host, b.certificate)
	}
	if !t.dpop {
		r.Header["Authorization"] = []string{"Bearer " + t.text}
		return nil
	}
	r.Header["Authorization"] = []string{"DPoP " + t.text}
	proof, err := b.key.Proof(client.Proof{Method: r.Method, URL: url, AccessToken: t.text}, time.Now())
	r.Header[dpop.Header] = []string{proof}
	return err
}
