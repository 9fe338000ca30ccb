package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const mtlsApplications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}]
applications:
  - {client_id: by-dns, tls_client_auth_san_dns: orders.example.com, scopes: [orders.read]}
  - {client_id: by-subject, tls_client_auth_subject_dn: "CN=orders,O=Example", scopes: [orders.read]}
  - {client_id: by-uri, tls_client_auth_san_uri: "spiffe://example.com/orders", scopes: [orders.read]}
  - {client_id: by-ip, tls_client_auth_san_ip: "192.0.2.7", scopes: [orders.read]}
  - {client_id: by-email, tls_client_auth_san_email: orders@example.com, scopes: [orders.read]}
  - {client_id: bound-by-dns, tls_client_auth_san_dns: orders.example.com, scopes: [orders.read], tls_client_certificate_bound_access_tokens: true}
  - client_id: bound
    scopes: [orders.read]
    tls_client_certificate_bound_access_tokens: true
    secrets: [{id: "1", hash: ` + shopHash + `}]
  - client_id: reader
    scopes: [orders.read]
    secrets: [{id: "1", hash: ` + shopHash + `}]
`

// mtlsSite asks for client certificates in the given mode.
func mtlsSite(mode string) string {
	return shopOptions + `localhost:5001 {
	tls {
		client_auth {
			mode ` + mode + `
			trust_pool file ca.pem
		}
	}
	tokenidp
	handle /orders* {
		verify orders.read
		respond "protected content"
	}
}
`
}

func startMTLS(t *testing.T, caddyfile string) (*caddy, *authority) {
	t.Helper()
	ca := newAuthority(t)
	return start(t, caddyfile, options{files: map[string]string{"applications.yaml": mtlsApplications, "ca.pem": ca.pem()}}), ca
}

// requestToken asks for a token, with a secret if there is one.
func (c *caddy) requestToken(t *testing.T, client *http.Client, clientID string, secret bool, headers ...string) *answer {
	t.Helper()
	body := identifiedForm(clientID, "orders.read")
	if secret {
		body += "&client_secret=" + shopSecret
	}
	return send(t, client, c.request("POST", "https://localhost:5001/token", body, append(headers, formEncoded)...))
}

// refuses checks a refused token request: its answer, and the reason in the log.
func (c *caddy) refuses(t *testing.T, a *answer, status int, code, reason string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, `"`+code+`"`) || accessToken(a.body) != "" {
		t.Errorf("%d %s, want %d %s", a.StatusCode, a.body, status, code)
	}
	c.eventually("the refusal "+reason, func() bool {
		return slices.ContainsFunc(c.entries("token refused"), func(line map[string]any) bool { return line["reason"] == reason })
	})
}

// RFC 8705 section 2.1: each kind of name, over each version of HTTP.
func TestTLSClientAuth(t *testing.T) {
	t.Parallel()
	c, ca := startMTLS(t, mtlsSite("verify_if_given"))
	spiffe, err := url.Parse("spiffe://example.com/orders")
	if err != nil {
		t.Fatal(err)
	}
	all := ca.client(x509.Certificate{
		Subject:  pkix.Name{CommonName: "orders", Organization: []string{"Example"}},
		DNSNames: []string{"orders.example.com"}, URIs: []*url.URL{spiffe},
		IPAddresses: []net.IP{net.ParseIP("192.0.2.7")}, EmailAddresses: []string{"orders@example.com"},
	})
	other := ca.named("stock.example.com")
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
		rightful, stranger, nobody := c.presenting(t, all, version), c.presenting(t, other, version), c.presenting(t, nil, version)
		for _, id := range []string{"by-dns", "by-subject", "by-uri", "by-ip", "by-email"} {
			if a := c.requestToken(t, rightful, id, false); accessToken(a.body) == "" || a.Proto != version {
				t.Errorf("%s, %s: %d %s", id, a.Proto, a.StatusCode, a.body)
			}
		}
		c.refuses(t, c.requestToken(t, stranger, "by-dns", false), 401, "invalid_client", "wrong_client_certificate")
		c.refuses(t, c.requestToken(t, nobody, "by-dns", false, "X-Forwarded-Client-Cert: DNS=orders.example.com", "Client-Cert: :AAAA:"), 401, "invalid_client", "no_client_certificate")
	}
	c.refuses(t, c.requestToken(t, c.presenting(t, all, ""), "by-dns", true), 400, "invalid_request", "several_authentication_methods")
	if a := c.requestToken(t, c.presenting(t, all, ""), "reader", true); a.StatusCode != 200 {
		t.Errorf("a secret, and a certificate that nobody asked about: %d %s", a.StatusCode, a.body)
	}
	if a := c.do("GET", "https://localhost:5001/.well-known/oauth-authorization-server", ""); !strings.Contains(a.body, `"tls_client_auth"`) ||
		!strings.Contains(a.body, `"tls_client_certificate_bound_access_tokens":true`) {
		t.Errorf("metadata: %s", a.body)
	}
}

// RFC 8705 section 7.2: what no CA vouches for, and what has expired, is nothing.
func TestUnverifiedCertificates(t *testing.T) {
	t.Parallel()
	asked, ca := startMTLS(t, strings.Replace(mtlsSite("request"), "trust_pool file ca.pem", "", 1))
	asked.refuses(t, asked.requestToken(t, asked.presenting(t, ca.named("orders.example.com"), ""), "by-dns", false), 401, "invalid_client", "unverified_client_certificate")
	verified, ca := startMTLS(t, mtlsSite("verify_if_given"))
	for name, certificate := range map[string]*tls.Certificate{
		"another CA's": newAuthority(t).named("orders.example.com"),
		"expired": ca.client(x509.Certificate{
			DNSNames: []string{"orders.example.com"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		}),
	} {
		response, err := exchange(verified.presenting(t, certificate, ""), verified.request("POST", "https://localhost:5001/token", identifiedForm("by-dns", "orders.read"), formEncoded))
		if err == nil {
			t.Errorf("%s: %d %s", name, response.StatusCode, response.body)
		}
	}
}

// Caddy's CVE-2026-27586: a trust pool that cannot be read is no reason to start, and
// one without a certificate in it vouches for nobody.
func TestUselessTrustPool(t *testing.T) {
	t.Parallel()
	dir := workspace(t, newPorts(t), mtlsSite("verify_if_given"), map[string]string{"applications.yaml": mtlsApplications})
	if _, errs, code := command(t, dir, "", "validate", "--config", "Caddyfile"); code == 0 {
		t.Errorf("is valid: %s", errs)
	}
	c := start(t, mtlsSite("verify_if_given"), options{files: map[string]string{"applications.yaml": mtlsApplications, "ca.pem": "no certificate\n"}})
	client := c.presenting(t, newAuthority(t).named("orders.example.com"), "")
	if a, err := exchange(client, c.request("POST", "https://localhost:5001/token", identifiedForm("by-dns", "orders.read"), formEncoded)); err == nil {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// RFC 8705 section 3: a bound token is of use with its certificate alone.
func TestCertificateBoundTokens(t *testing.T) {
	t.Parallel()
	c, ca := startMTLS(t, mtlsSite("verify_if_given"))
	own, other := ca.named("orders.example.com"), ca.named("orders.example.com")
	for _, row := range []struct {
		id     string
		secret bool
	}{{"bound-by-dns", false}, {"bound", true}} {
		a := c.requestToken(t, c.presenting(t, own, ""), row.id, row.secret)
		token := accessToken(a.body)
		if token == "" || !strings.Contains(a.body, `"token_type":"Bearer"`) {
			t.Fatalf("%s: %d %s", row.id, a.StatusCode, a.body)
		}
		sum := sha256.Sum256(own.Certificate[0])
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if want := `"cnf":{"x5t#S256":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}`; err != nil || !strings.Contains(string(claims), want) {
			t.Errorf("%s: claims %s, want %s", row.id, claims, want)
		}
		for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
			for name, presented := range map[string]struct {
				certificate *tls.Certificate
				reason      string // empty: passes
			}{
				"own": {own, ""}, "other": {other, "certificate_mismatch"}, "none": {nil, "no_certificate"},
			} {
				for _, time := range []string{"first", "remembered"} {
					path := "/orders/" + row.id + "/" + segment(version) + "/" + name + "/" + time
					a := send(t, c.presenting(t, presented.certificate, version), c.request("GET", "https://localhost:5001"+path, "", bearer(token)))
					if presented.reason == "" {
						if a.StatusCode != 200 || a.body != protected || a.Proto != version {
							t.Errorf("%s: %d %q", path, a.StatusCode, a.Header.Get("WWW-Authenticate"))
						}
						continue
					}
					g := &guarded{caddy: c}
					if line := g.refusalAt(path); a.StatusCode != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) || line["reason"] != presented.reason {
						t.Errorf("%s: %d %q, %v", path, a.StatusCode, a.Header.Get("WWW-Authenticate"), line)
					}
				}
			}
		}
	}
	c.refuses(t, c.requestToken(t, c.presenting(t, nil, ""), "bound", true), 400, "invalid_request", "certificate_required")
}

// CVE-2018-21246: who says in the handshake that it wants a site which asks for no
// certificate, does not get to the one that does.
func TestServerNameDoesNotDodgeClientAuth(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := start(t, strings.Replace(mtlsSite("require_and_verify"), "localhost:5001 {", "closed.localhost:5001 {", 1)+`
open.localhost:5001 {
	respond "open"
}
localhost:5002 {
	respond "for the test to wait for"
}
`, options{files: map[string]string{"applications.yaml": mtlsApplications, "ca.pem": ca.pem()}})
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		client := c.presenting(t, nil, version)
		client.Transport.(*http.Transport).TLSClientConfig.ServerName = "open.localhost"
		for path, body := range map[string]string{"/token": identifiedForm("by-dns", "orders.read"), "/orders": ""} {
			for _, host := range []string{"closed.localhost:5001", "CLOSED.localhost:5001", "closed.localhost"} {
				r := c.request("POST", "https://localhost:5001"+path, body, formEncoded)
				r.Host = c.url(host)
				var a *answer
				c.eventually("the site", func() bool {
					var err error
					a, err = exchange(client, r.Clone(t.Context()))
					return err == nil
				})
				if a.StatusCode != http.StatusMisdirectedRequest && a.StatusCode != http.StatusForbidden || accessToken(a.body) != "" || strings.Contains(a.body, protected) {
					t.Errorf("%s, %s, %s: %d %s", version, host, path, a.StatusCode, a.body)
				}
			}
		}
	}
}

// RFC 8705 section 2.2: the key is registered, and nobody has to sign for it. Caddy
// asks for certificates, and verifies none.
func TestSelfSignedTLSClientAuth(t *testing.T) {
	t.Parallel()
	own, other := newAuthority(t), newAuthority(t)
	site := strings.Replace(mtlsSite("request"), "trust_pool file ca.pem", "", 1)
	c := start(t, site, options{files: map[string]string{"own.pem": own.pem(), "applications.yaml": mtlsApplications +
		"  - {client_id: self-signed, token_endpoint_auth_method: self_signed_tls_client_auth, jwks_file: own.pem, tls_client_certificate_bound_access_tokens: true, scopes: [orders.read]}\n"}})
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
		client := c.presenting(t, &tls.Certificate{Certificate: [][]byte{own.certificate.Raw}, PrivateKey: own.key}, version)
		a := c.requestToken(t, client, "self-signed", false)
		if token := accessToken(a.body); token == "" {
			t.Errorf("%s: %d %s", version, a.StatusCode, a.body)
		} else if a := send(t, client, c.request("GET", "https://localhost:5001/orders", "", bearer(token))); a.body != protected {
			t.Errorf("%s: %d %s", version, a.StatusCode, a.body)
		}
		stranger := c.presenting(t, &tls.Certificate{Certificate: [][]byte{other.certificate.Raw}, PrivateKey: other.key}, version)
		c.refuses(t, c.requestToken(t, stranger, "self-signed", false), 401, "invalid_client", "wrong_client_certificate")
	}
}
