package tokenidp

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

func (t *TrustedIssuer) provisionKeys(ctx context.Context, bounded *storage.Bounded) (err error) {
	t.serving, t.release, err = carry(ctx, t.Issuer, func() (*succession[jwks.Source], error) { return new(succession[jwks.Source]), nil })
	if err != nil {
		return err
	}
	o := jwks.Options{
		Issuer: t.Issuer, JWKSURL: t.JWKSURL, File: t.JWKSFile, Algorithms: t.Algorithms,
		Storage: bounded, Folder: path.Join(storage.Folder(t.Issuer), "jwks"),
		InsecureHTTP: t.InsecureHTTP, MaxStale: time.Duration(t.MaxStale),
		Predecessor: t.serving.latest(), Logger: t.logger,
	}
	if o.Transport, err = t.transport(); err != nil {
		return err
	}
	if offlineFrom(ctx) != nil {
		o.Transport = noNetwork{}
	}
	if t.keys, err = jwks.New(o); err != nil {
		return err
	}
	reading, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	err = t.keys.Load(reading)
	if t.JWKSFile != "" {
		return err // as with any file of the operator's
	}
	if err != nil {
		t.logger.Warn("the keys kept from before cannot be read; they are fetched from the issuer", zap.Error(err))
	}
	return nil
}

// KeyHealth returns how the keys of the issuer are.
func (t *TrustedIssuer) KeyHealth() jwks.Health { return t.keys.Health() }

// serve makes these keys the predecessor for later configurations. Call leave when this
// configuration ends.
func (t *TrustedIssuer) serve() (leave func()) { return t.serving.enter(t.keys) }

// transport returns the transport that fetches the keys, or nil for the default.
func (t *TrustedIssuer) transport() (http.RoundTripper, error) {
	if t.CAFile == "" && t.BearerTokenFile == "" {
		return nil, nil
	}
	var roots *x509.CertPool
	if t.CAFile != "" {
		text, err := readSmallFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: there is no certificate in %s", t.CAFile)
		}
	}
	transport := jwks.Transport(roots)
	if t.BearerTokenFile == "" {
		return transport, nil
	}
	if _, err := readToken(t.BearerTokenFile); err != nil {
		return nil, fmt.Errorf("bearer_token_file: %w", err)
	}
	hosts := make(map[string]bool)
	for _, raw := range []string{t.Issuer, t.JWKSURL} {
		if u, err := url.Parse(raw); err == nil && u.Scheme == "https" {
			hosts[u.Host] = true
		}
	}
	if len(hosts) == 0 {
		return nil, errors.New("bearer_token_file: neither the issuer nor jwks_url is https, so that the token would be sent to nobody")
	}
	return &bearerTransport{next: transport, file: t.BearerTokenFile, hosts: hosts}, nil
}

// bearerTransport sends a token to the issuer's own hosts, over TLS, and never to a host
// in its metadata.
type bearerTransport struct {
	next  http.RoundTripper
	file  string
	hosts map[string]bool
}

func (b *bearerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || !b.hosts[r.URL.Host] {
		return b.next.RoundTrip(r)
	}
	token, err := readToken(b.file) // it changes: Kubernetes rotates it
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}

func readToken(file string) (string, error) {
	text, err := readSmallFile(file)
	if err != nil {
		return "", err
	}
	token := string(bytes.TrimSpace(text))
	if token == "" || !ascii.Visible(token) {
		return "", fmt.Errorf("%s does not hold one token", file) // and says nothing of what it does hold
	}
	return token, nil
}
