package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

func certificate(t testing.TB, dnsNames ...string) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: dnsNames, NotAfter: time.Now().Add(time.Hour)}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

// signedBy is a certificate that a key has signed for itself, valid for an hour up to
// that time.
func signedBy(t testing.TB, key *ecdsa.PrivateKey, until time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

// over is a connection with a client certificate that a CA in the pool has signed.
func over(c *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
}

func identified(id string, headers ...string) *http.Request {
	return post(formType, "grant_type=client_credentials&scope=orders.read&client_id="+id, headers...)
}

// RFC 8705 section 2.1.
func TestClientCertificate(t *testing.T) {
	e := newEndpoint(t)
	right, other := certificate(t, "orders.example.com"), certificate(t, "stock.example.com")
	unverified, early := over(right), over(right)
	unverified.VerifiedChains, early.HandshakeComplete = nil, false
	outlived := *right // by a connection that was made in its time
	outlived.NotAfter = e.clock.Now().Add(-time.Second)
	for name, row := range map[string]struct {
		request    *http.Request
		connection *tls.ConnectionState
		status     int
		want       Reason // empty: accepted
	}{
		"right":                               {identified("certified"), over(right), 0, ""},
		"JSON":                                {post(jsonType, `{"grantType":"client_credentials","scope":"orders.read","clientId":"certified"}`), over(right), 0, ""},
		"another certificate":                 {identified("certified"), over(other), 401, ReasonWrongCertificate},
		"a certificate that was only asked":   {identified("certified"), unverified, 401, ReasonUnverifiedCertificate},
		"an expired certificate":              {identified("certified"), over(&outlived), 401, ReasonExpiredCertificate},
		"early data":                          {identified("certified"), early, 401, ReasonNoCertificate},
		"no certificate":                      {identified("certified"), &tls.ConnectionState{HandshakeComplete: true}, 401, ReasonNoCertificate},
		"inactive":                            {identified("certified-inactive"), over(right), 401, ReasonInactiveClient},
		"no client_id":                        {post(formType, "grant_type=client_credentials&scope=orders.read"), over(right), 401, ReasonMissingClientID},
		"a certificate of a client elsewhere": {identified("nobody"), over(right), 401, ReasonUnknownClient},
		"a client with a secret, and none":    {identified("worker"), over(right), 401, ReasonNoCredentials},
		"a client with a secret":              {form("worker", generated, "&scope=orders.read"), over(right), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			row.request.TLS = row.connection
			_, _, err := e.issue(httptest.NewRecorder(), row.request)
			wantRefused(t, err, row.status, row.want)
		})
	}
}

// RFC 6749 section 2.3: a client that has authenticated by its certificate must not
// use another way too. Who has not does not learn that it could.
func TestCertificateAndAnotherMethod(t *testing.T) {
	e := newEndpoint(t)
	right, other := certificate(t, "orders.example.com"), certificate(t, "stock.example.com")
	const assertion = "&client_assertion=a.b.c&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	for name, row := range map[string]struct {
		request func() *http.Request
		third   Reason // with a certificate of somebody else's
	}{
		"secret":    {func() *http.Request { return form("certified", generated, "&scope=orders.read") }, ReasonWrongSecret},
		"Basic":     {func() *http.Request { return identified("certified", "Authorization", basic("certified", generated)) }, ReasonWrongSecret},
		"assertion": {func() *http.Request { return identified("certified" + assertion) }, ReasonAssertionMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := row.request()
			r.TLS = over(right)
			_, _, err := e.issue(httptest.NewRecorder(), r)
			wantRefused(t, err, http.StatusBadRequest, ReasonSeveralMethods)
			r = row.request()
			r.TLS = over(other)
			_, _, err = e.issue(httptest.NewRecorder(), r)
			wantRefused(t, err, http.StatusUnauthorized, row.third)
		})
	}
}

// RFC 8705 section 6.5: what a proxy, or anybody, says of a
// certificate in a header is never looked at.
func TestHeadersDoNotMakeACertificate(t *testing.T) {
	e := newEndpoint(t)
	for _, name := range []string{"X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "Client-Cert", "Client-Cert-Chain", "X-Forwarded-Tls-Client-Cert"} {
		r := identified("certified", name, "Hash=00;Subject=\"CN=orders\";URI=spiffe://example.com/orders;DNS=orders.example.com")
		_, _, err := e.issue(httptest.NewRecorder(), r)
		wantRefused(t, err, http.StatusUnauthorized, ReasonNoCertificate)
	}
}

// RFC 8705 sections 3 and 3.1.
func TestCertificateBoundToken(t *testing.T) {
	e := newEndpoint(t)
	c := certificate(t, "anything.example.com")
	connection := over(c)
	connection.VerifiedChains = nil // possession is all that counts
	r := form("bound", generated, "&scope=orders.read")
	r.TLS = connection
	_, token, err := e.issue(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Confirmation map[string]string `json:"cnf"`
	}
	if err := json.Unmarshal(must(token.Claims()), &claims); err != nil {
		t.Fatal(err)
	}
	if len(claims.Confirmation) != 1 || claims.Confirmation["x5t#S256"] != jws.CertificateThumbprint(c) || len(claims.Confirmation["x5t#S256"]) != 43 {
		t.Errorf("cnf %v", claims.Confirmation)
	}

	_, _, err = e.issue(httptest.NewRecorder(), form("bound", generated, "&scope=orders.read"))
	wantRefused(t, err, http.StatusBadRequest, ReasonCertificateRequired)
}

// RFC 8705 section 2.2: a certificate of a registered key, whoever signed it.
func TestSelfSignedClientCertificate(t *testing.T) {
	e := newEndpoint(t)
	now := e.clock.Now()
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	unverified := func(c *x509.Certificate) *tls.ConnectionState {
		state := over(c)
		state.VerifiedChains = nil
		return state
	}
	for name, row := range map[string]struct {
		id         string
		connection *tls.ConnectionState
		status     int
		want       Reason // empty: accepted
	}{
		"its key":                     {"self-signed", unverified(signedBy(t, proofKey(), now.Add(time.Minute))), 0, ""},
		"its key, and a CA":           {"self-signed", over(signedBy(t, proofKey(), now.Add(time.Minute))), 0, ""},
		"another key":                 {"self-signed", unverified(signedBy(t, other, now.Add(time.Minute))), 401, ReasonWrongCertificate},
		"another key, and a CA":       {"self-signed", over(signedBy(t, other, now.Add(time.Minute))), 401, ReasonWrongCertificate},
		"expired":                     {"self-signed", unverified(signedBy(t, proofKey(), now.Add(-time.Second))), 401, ReasonExpiredCertificate},
		"not valid yet":               {"self-signed", unverified(signedBy(t, proofKey(), now.Add(2*time.Hour))), 401, ReasonExpiredCertificate},
		"none":                        {"self-signed", nil, 401, ReasonNoCertificate},
		"where a CA is asked for":     {"certified", unverified(signedBy(t, proofKey(), now.Add(time.Minute))), 401, ReasonUnverifiedCertificate},
		"where a secret is asked for": {"worker", unverified(signedBy(t, proofKey(), now.Add(time.Minute))), 401, ReasonNoCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			r := identified(row.id)
			if row.connection != nil {
				r.TLS = row.connection
			}
			_, _, err := e.issue(httptest.NewRecorder(), r)
			wantRefused(t, err, row.status, row.want)
		})
	}
	r := form("self-signed", generated, "&scope=orders.read")
	r.TLS = unverified(signedBy(t, proofKey(), now.Add(time.Minute)))
	wantRefused(t, e.refuse(t, r), http.StatusBadRequest, ReasonSeveralMethods)
}
