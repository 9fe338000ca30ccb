package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// handshakesAs reports whether the server at 5001 has a certificate for the name.
func (c *caddy) handshakesAs(name string) bool {
	connection, err := tls.Dial("tcp", c.url("localhost:5001"), &tls.Config{InsecureSkipVerify: true, ServerName: name})
	return err == nil && connection.Close() == nil
}

// named is a client that names a server in the handshake. An address is not sent.
func (a *attacked) named(t *testing.T, name string, certificate *tls.Certificate) *http.Client {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: name}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return speaking(t, config, a.version)
}

// Contour CVE-2026-50149, Traefik CVE-2026-53622 and 32305: who names another server in the
// handshake, none, or the same in other letters, does not get to a site without its
// certificate, in whatever pieces the handshake comes.
func attackServerNames(t *testing.T, a *attacked) {
	token := bearer(a.tokenFor(t, "reader", "orders.read"))
	certificate := a.ca.named("orders.example.com")
	get := func(client *http.Client, host string) (body string) {
		r := a.request(http.MethodGet, "https://localhost:5001/orders", "", token)
		r.Host = a.url(host)
		if got, err := exchange(client, r); err == nil {
			body = got.body
		}
		return body
	}
	for _, row := range []struct{ name, host string }{
		{"127.0.0.1", "closed.localhost:5001"}, {"localhost", "closed.localhost:5001"}, {"LOCALHOST", "CLOSED.localhost:5001"}, {"stranger.example.com", "closed.localhost:5001"},
		{"closed.localhost", "closed.localhost:5001"}, {"CLOSED.localhost", "closed.localhost:5001"}, {"Closed.Localhost", "CLOSED.LOCALHOST"}, {"localhost", "closed.localhost.:5001"},
		{"a.wild.localhost", "a.wild.localhost:5001"}, {"A.WILD.localhost", "a.wild.localhost:5001"}, {"b.Wild.localhost", "closed.localhost:5001"},
		{"a.b.wild.localhost", "a.wild.localhost:5001"}, {"127.0.0.1", "a.wild.localhost:5001"}, {"localhost", "A.wild.localhost"}, {"wild.localhost", "a.wild.localhost:5001"},
	} {
		for _, client := range append(a.inPieces(t, row.name, nil), a.named(t, row.name, nil)) {
			if body := get(client, row.host); strings.Contains(body, protected) {
				t.Errorf("the name %s and the host %s get %q", row.name, row.host, body)
			}
		}
	}
	for name, host := range map[string]string{"closed.localhost": "closed.localhost:5001", "a.wild.localhost": "a.wild.localhost:5001"} {
		for _, client := range append(a.inPieces(t, name, certificate), a.named(t, name, certificate)) {
			if body := get(client, host); body != protected {
				t.Errorf("%s with its certificate gets %q", name, body)
			}
		}
	}
}

// inPieces is a client whose handshake begins in small pieces. Over HTTP/3 there is none:
// a ClientHello of today fills two packets anyway.
func (a *attacked) inPieces(t *testing.T, name string, certificate *tls.Certificate) []*http.Client {
	t.Helper()
	client := a.named(t, name, certificate)
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		return &fragmenting{Conn: connection}, err
	}
	return []*http.Client{client}
}

// fragmenting sends the first record of TLS as many (RFC 8446 section 5.1).
type fragmenting struct {
	net.Conn
	begun bool
}

func (f *fragmenting) Write(record []byte) (int, error) {
	if f.begun {
		return f.Conn.Write(record)
	}
	f.begun = true
	const header, piece = 5, 100
	for rest := record[header:]; len(rest) > 0; {
		n := min(piece, len(rest))
		fragment := append([]byte{record[0], record[1], record[2], 0, byte(n)}, rest[:n]...)
		if _, err := f.Conn.Write(fragment); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(record), nil
}

// NATS CVE-2026-33248: the subject of a certificate is that which is registered, and not
// one that reads like it.
func attackSubjects(t *testing.T, a *attacked) {
	cn := func(value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: value}
	}
	o := func(value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: value}
	}
	var all sync.WaitGroup
	for name, subject := range map[string]pkix.RDNSequence{
		"registered":              {{o("Example")}, {cn("orders")}},
		"reordered":               {{cn("orders")}, {o("Example")}},
		"an escaped comma":        {{cn("orders,O=Example")}},
		"an escaped comma in O":   {{o("Example,CN=orders")}},
		"multi-valued":            {{cn("orders"), o("Example")}},
		"multi-valued, reordered": {{o("Example"), cn("orders")}},
		"one more":                {{o("Example")}, {cn("stock")}, {cn("orders")}},
		"one more before":         {{o("Other")}, {o("Example")}, {cn("orders")}},
		"a plus sign":             {{cn("orders+O=Example")}},
		"escaped twice":           {{cn(`orders\,O=Example`)}},
		"a space":                 {{o("Example")}, {cn(" orders")}},
		"NUL":                     {{o("Example")}, {cn("orders\x00")}},
		"empty":                   {},
	} {
		raw, err := asn1.Marshal(subject)
		if err != nil {
			t.Fatal(err)
		}
		client := a.presenting(t, a.ca.client(x509.Certificate{RawSubject: raw, DNSNames: []string{"orders.example.com"}}), a.version)
		all.Go(func() {
			got, err := exchange(client, a.request(http.MethodPost, "https://localhost:5001/token", identifiedForm("by-subject", "orders.read"), formEncoded))
			if err != nil || (accessToken(got.body) != "") != (name == "registered") {
				t.Errorf("%s: %v %v", name, err, got)
			}
		})
	}
	all.Wait()
}

// Go CVE-2025-68121: a ticket of before a reload is no certificate of a CA that the reload
// dropped. Caddy gives no tickets where it asks for certificates.
func attackTickets(t *testing.T, g *guarded, ca *authority) {
	cn := pkix.Name{CommonName: "orders", Organization: []string{"Example"}}
	certificate := ca.client(x509.Certificate{Subject: cn})
	configs := make(map[string]*tls.Config)
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
		configs[version] = g.tlsConfig()
		configs[version].ClientSessionCache = tls.NewLRUClientSessionCache(8)
		configs[version].GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
		if a := g.requestToken(t, speaking(t, configs[version], version), "by-subject", false); accessToken(a.body) == "" {
			t.Fatalf("%s: %d %s", version, a.StatusCode, a.body)
		}
	}
	other := newAuthority(t)
	write(t, filepath.Join(g.dir, "ca.pem"), other.pem())
	g.reload()
	for version, config := range configs {
		r := g.request(http.MethodPost, "https://localhost:5001/token", identifiedForm("by-subject", "orders.read"), formEncoded)
		if a, err := exchange(speaking(t, config, version), r); err == nil && accessToken(a.body) != "" {
			t.Errorf("%s: a token, resumed is %t", version, a.TLS.DidResume)
		}
		a := g.requestToken(t, g.presenting(t, other.client(x509.Certificate{Subject: cn}), version), "by-subject", false)
		if accessToken(a.body) == "" {
			t.Errorf("%s, the CA of now: %d %s", version, a.StatusCode, a.body)
		}
	}
}
