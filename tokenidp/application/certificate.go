package application

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// CertificateName is the registered name in a client's certificate (RFC 8705 section
// 2.1.2). A CA has verified it. The certificate may be replaced by another with the same
// name.
type CertificateName struct {
	// Field is the metadata field in which it was registered.
	Field string
	// Value is the name as it was registered.
	Value string

	subject []relativeName // for tls_client_auth_subject_dn
	ip      netip.Addr     // for tls_client_auth_san_ip
}

// The fields of RFC 8705 section 2.1.2.
const (
	fieldSubjectDN = "tls_client_auth_subject_dn"
	fieldSANDNS    = "tls_client_auth_san_dns"
	fieldSANURI    = "tls_client_auth_san_uri"
	fieldSANIP     = "tls_client_auth_san_ip"
	fieldSANEmail  = "tls_client_auth_san_email"
)

var certificateFields = []string{fieldSubjectDN, fieldSANDNS, fieldSANURI, fieldSANIP, fieldSANEmail}

// The choices of a GeneralName (RFC 5280 section 4.2.1.6).
const (
	generalEmail = 1
	generalDNS   = 2
	generalURI   = 6
	generalIP    = 7
)

// String returns the name for logs. It may be called on nil.
func (n *CertificateName) String() string {
	if n == nil {
		return "none"
	}
	return n.Field + " " + n.Value
}

// Names reports whether the certificate has the name, as its subject or as a subject
// alternative name. Names are compared whole and exactly. Only the case of DNS names is
// ignored, and addresses are compared by value. A wildcard has no special meaning. The
// caller must verify the chain of the certificate.
func (n *CertificateName) Names(certificate *x509.Certificate) bool {
	switch n.Field {
	case fieldSubjectDN:
		return subjectIs(certificate.RawSubject, n.subject)
	case fieldSANDNS:
		return hasAlternativeName(certificate, generalDNS, func(name []byte) bool { return strings.EqualFold(string(name), n.Value) })
	case fieldSANURI:
		return hasAlternativeName(certificate, generalURI, func(name []byte) bool { return string(name) == n.Value })
	case fieldSANIP:
		return hasAlternativeName(certificate, generalIP, func(name []byte) bool {
			ip, ok := netip.AddrFromSlice(name)
			return ok && ip.Unmap() == n.ip
		})
	case fieldSANEmail:
		return hasAlternativeName(certificate, generalEmail, func(name []byte) bool { return string(name) == n.Value })
	}
	return false
}

var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// hasAlternativeName reads the names from the certificate itself, because a parsed URI may
// have another spelling.
func hasAlternativeName(certificate *x509.Certificate, choice int, is func(name []byte) bool) bool {
	for _, extension := range certificate.Extensions {
		if !extension.Id.Equal(subjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(extension.Value, &names); err != nil || len(rest) > 0 {
			return false
		}
		for _, name := range names {
			if name.Class == asn1.ClassContextSpecific && name.Tag == choice && is(name.Bytes) {
				return true
			}
		}
	}
	return false
}

// HasKeyOf reports whether the key of the certificate is registered in `jwks` (RFC 8705
// section 2.2). All certificates of one key belong to the same client.
func (a *Application) HasKeyOf(certificate *x509.Certificate) bool {
	key, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && slices.ContainsFunc(a.Keys, func(registered *jws.Key) bool { return key.Equal(registered.Public) })
}
