package application

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate from a template.
func certificate(t testing.TB, template x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), noon, noon.Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// withCertificate is an Application with such fields, instead of secrets.
func withCertificate(fields string) string {
	return "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n  - client_id: x\n    scopes: [a.read]\n" + fields + "\n"
}

func registered(t testing.TB, field, value string) *CertificateName {
	t.Helper()
	a, _ := mustLoad(t, withCertificate(fmt.Sprintf("    %s: '%s'", field, strings.ReplaceAll(value, "'", "''")))).Application("x")
	if a.TokenEndpointAuthMethod != AuthMethodTLS || !a.Accepts(AuthMethodTLS) || a.BySecret() || a.Certificate == nil {
		t.Fatalf("%+v", a)
	}
	return a.Certificate
}

func parsedURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// RFC 8705 section 2.1.2: only whole names of the registered kind count.
func TestCertificateNames(t *testing.T) {
	full := certificate(t, x509.Certificate{
		Subject:        pkix.Name{CommonName: "orders", OrganizationalUnit: []string{"batch"}, Organization: []string{"Example, Inc."}, Country: []string{"DE"}},
		DNSNames:       []string{"Orders.example.com", "*.wild.example.com"},
		URIs:           []*url.URL{parsedURL(t, "spiffe://example.com/ns/shop/orders"), parsedURL(t, "urn:example:orders")},
		IPAddresses:    []net.IP{net.ParseIP("192.0.2.7"), net.ParseIP("2001:db8::7")},
		EmailAddresses: []string{"orders@example.com"},
	})
	for _, row := range []struct {
		field, value string
		want         bool
	}{
		{fieldSubjectDN, `CN=orders,OU=batch,O=Example\, Inc.,C=DE`, true},
		{fieldSubjectDN, `cn=orders,ou=batch,o=Example\2C Inc.,c=DE`, true},
		{fieldSubjectDN, `2.5.4.3=orders,OU=batch,O=Example\, Inc.,2.5.4.6=DE`, true},
		{fieldSubjectDN, `2.5.4.3=#0c066f7264657273,OU=batch,O=Example\, Inc.,C=DE`, true},
		{fieldSubjectDN, `CN=Orders,OU=batch,O=Example\, Inc.,C=DE`, false},
		{fieldSubjectDN, `CN=orders`, false},
		{fieldSubjectDN, `CN=order,OU=batch,O=Example\, Inc.,C=DE`, false},
		{fieldSubjectDN, `OU=batch,O=Example\, Inc.,C=DE`, false},
		{fieldSubjectDN, `C=DE,O=Example\, Inc.,OU=batch,CN=orders`, false},
		{fieldSubjectDN, `CN=orders+OU=batch,O=Example\, Inc.,C=DE`, false},
		{fieldSubjectDN, `CN=orders,OU=batch,O=Example\, Inc.,C=DE,C=DE`, false},
		{fieldSANDNS, "orders.example.com", true},
		{fieldSANDNS, "ORDERS.EXAMPLE.COM", true},
		{fieldSANDNS, "rders.example.com", false},
		{fieldSANDNS, "orders.example.com.evil.example", false},
		{fieldSANDNS, "a.wild.example.com", false}, // a wildcard stands for nobody
		{fieldSANDNS, "orders", false},
		{fieldSANURI, "spiffe://example.com/ns/shop/orders", true},
		{fieldSANURI, "urn:example:orders", true},
		{fieldSANURI, "spiffe://EXAMPLE.com/ns/shop/orders", false},
		{fieldSANURI, "spiffe://example.com/ns/shop", false},
		{fieldSANURI, "spiffe://example.com/ns/shop/orders/", false},
		{fieldSANURI, "spiffe://example.com/ns/shop/%6frders", false},
		{fieldSANIP, "192.0.2.7", true},
		{fieldSANIP, "::ffff:192.0.2.7", true},
		{fieldSANIP, "2001:DB8:0::7", true},
		{fieldSANIP, "192.0.2.70", false},
		{fieldSANEmail, "orders@example.com", true},
		{fieldSANEmail, "Orders@example.com", false},
		{fieldSANEmail, "rders@example.com", false},
	} {
		t.Run(row.field+" "+strings.ReplaceAll(row.value, "/", "_"), func(t *testing.T) {
			if got := registered(t, row.field, row.value).Names(full); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
	for field, value := range map[string]string{
		fieldSANDNS: "orders", fieldSANURI: "cn:orders", fieldSANIP: "192.0.2.7", fieldSANEmail: "orders@example.com", fieldSubjectDN: "CN=other",
	} {
		// The common name is no DNS name (RFC 9525 section 2), and no kind counts for another.
		bare := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: value}})
		if field != fieldSubjectDN && registered(t, field, value).Names(bare) {
			t.Errorf("%s matches the common name", field)
		}
		if registered(t, field, value).Names(certificate(t, x509.Certificate{})) {
			t.Errorf("%s matches a certificate without names", field)
		}
	}
}

// X.501: attributes of one relative name have no order, others have.
func TestDistinguishedNamesOfSeveralValues(t *testing.T) {
	subject, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Example"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "orders"}, {Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "7"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := certificate(t, x509.Certificate{RawSubject: subject})
	for dn, want := range map[string]bool{
		"CN=orders+UID=7,O=Example": true, "UID=7+CN=orders,O=Example": true,
		"CN=orders,UID=7,O=Example": false, "CN=orders,O=Example": false, "CN=orders+UID=7+O=Example": false,
	} {
		if registered(t, fieldSubjectDN, dn).Names(c) != want {
			t.Errorf("%s: not %v", dn, want)
		}
	}
}

// RFC 8705 section 2.1.2: exactly one name.
func TestCertificateFieldErrors(t *testing.T) {
	const x = "a.yaml:3: application \"x\": "
	for _, row := range []struct{ name, fields, want string }{
		{"no name", "    token_endpoint_auth_method: tls_client_auth",
			x + "tls_client_auth needs one of tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email; it could never authenticate: add one, or write `active: false`"},
		{"two names", "    tls_client_auth_san_dns: a.example\n    tls_client_auth_san_ip: 192.0.2.1",
			"a.yaml:6: application \"x\": has both tls_client_auth_san_dns in line 5 and tls_client_auth_san_ip in line 6; it authenticates in one way, so keep one of them"},
		{"another method", "    token_endpoint_auth_method: client_secret_basic\n    tls_client_auth_san_dns: a.example\n    secrets: [{id: a, hash: " + validHash + "}]",
			"a.yaml:6: application \"x\": has both secrets in line 7 and tls_client_auth_san_dns in line 6; it authenticates in one way, so keep one of them"},
		{"the method of secrets", "    token_endpoint_auth_method: client_secret_basic\n    tls_client_auth_san_dns: a.example",
			"a.yaml:5: application \"x\": token_endpoint_auth_method is client_secret_basic, but tls_client_auth_san_dns in line 6 is for tls_client_auth; remove one of them"},
		{"a secret too", "    tls_client_auth_san_dns: a.example\n    secrets: [{id: a, hash: " + validHash + "}]",
			"a.yaml:5: application \"x\": has both secrets in line 6 and tls_client_auth_san_dns in line 5; it authenticates in one way, so keep one of them"},
		{"a wildcard", "    tls_client_auth_san_dns: '*.example.com'",
			"a.yaml:5: application \"x\": tls_client_auth_san_dns must be one DNS name, such as orders.example.com, without a wildcard"},
		{"another script", "    tls_client_auth_san_dns: örders.example.com",
			"a.yaml:5: application \"x\": tls_client_auth_san_dns must be visible ASCII characters without spaces, as it stands in the certificate"},
		{"empty", "    tls_client_auth_san_uri: ''",
			"a.yaml:5: application \"x\": tls_client_auth_san_uri must be visible ASCII characters without spaces, as it stands in the certificate"},
		{"relative", "    tls_client_auth_san_uri: /orders", "a.yaml:5: application \"x\": tls_client_auth_san_uri must be an absolute URI, such as spiffe://example.com/orders"},
		{"a network", "    tls_client_auth_san_ip: 192.0.2.0/24", "a.yaml:5: application \"x\": tls_client_auth_san_ip must be one IP address, such as 192.0.2.7"},
		{"no address", "    tls_client_auth_san_email: example.com", "a.yaml:5: application \"x\": tls_client_auth_san_email must be an email address, such as orders@example.com"},
		{"a DN without types", "    tls_client_auth_subject_dn: orders",
			"a.yaml:5: application \"x\": tls_client_auth_subject_dn is not a distinguished name such as CN=orders,OU=batch,O=Example (RFC 4514): \"orders\" is not <type>=<value>; write a comma within a value as \\,"},
		{"self-signed, and no key", "    token_endpoint_auth_method: self_signed_tls_client_auth",
			x + "self_signed_tls_client_auth needs one of jwks, jwks_file; it could never authenticate: add one, or write `active: false`"},
		{"self-signed, and keys elsewhere", "    token_endpoint_auth_method: self_signed_tls_client_auth\n    jwks_uri: https://orders.example.com/jwks",
			"a.yaml:5: " + inX + "token_endpoint_auth_method is self_signed_tls_client_auth, but jwks_uri in line 6 is for private_key_jwt; remove one of them"},
		{"both bindings", "    tls_client_auth_san_dns: a.example\n    dpop_bound_access_tokens: true\n    tls_client_certificate_bound_access_tokens: true",
			x + "its tokens cannot be bound to a certificate and to a key of DPoP at once; keep one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, _, failure := loadText(t, withCertificate(row.fields)); failure != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, row.want)
			}
		})
	}
}

// RFC 4514 section 3.
func TestDistinguishedNamesThatAreMalformed(t *testing.T) {
	for _, dn := range []string{
		"", "CN", "CN=", "=orders", "CN=a,", "CN=a,,O=b", ",CN=a", "CN=a+", "CN=a, O=b", "CN= a", "CN=a ", "X=a", "1..2=a b\\", "CN=a\\", "CN=a\\x",
		"CN=a;O=b", "CN=\"a\"", "CN=<a>", "CN=\\ff", "CN=#", "CN=#0c", "CN=#zz", "CN=#020101", "CN=#0c0161ff", "/CN=a/O=b",
	} {
		if name, err := parseDistinguishedName(dn); err == nil {
			t.Errorf("%q: %v", dn, name)
		}
	}
}

// The text that Go writes for a subject names that subject, and no other.
func FuzzDistinguishedName(f *testing.F) {
	for _, seed := range []string{"CN=orders,OU=batch,O=Example", `CN=\#a\+b\,c\"d\\e\<f\>g\;h`, "CN=a+UID=b", "2.5.4.3=#0c0161", `CN=\20a\20`, "CN=ä", "DC=a,DC=b", "CN=a\\00b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		parsed, err := parseDistinguishedName(dn)
		if err != nil {
			return
		}
		var sequence pkix.RDNSequence
		for _, relative := range parsed {
			var set pkix.RelativeDistinguishedNameSET
			for _, a := range relative {
				set = append(set, pkix.AttributeTypeAndValue{Type: identifier(t, a.kind), Value: a.value})
			}
			sequence = append(sequence, set)
		}
		der, err := asn1.Marshal(sequence)
		if err != nil || sequence == nil {
			return // an identifier that does not exist
		}
		if !subjectIs(der, parsed) {
			t.Errorf("%q is not itself", dn)
		}
		longer := append(append(pkix.RDNSequence{}, sequence...), sequence[0])
		if der, err := asn1.Marshal(longer); err == nil && subjectIs(der, parsed) {
			t.Errorf("%q is a longer name too", dn)
		}
	})
}

func identifier(t *testing.T, dotted string) (oid asn1.ObjectIdentifier) {
	t.Helper()
	for number := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.ParseInt(number, 10, 31)
		if err != nil {
			return nil
		}
		oid = append(oid, int(n))
	}
	return oid
}
