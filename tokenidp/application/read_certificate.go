package application

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const longestCertificateName = 1024

// certificateName reads the one name by which the client's certificate is known:
//
//	tls_client_auth_subject_dn: CN=orders,OU=batch,O=Example     # RFC 4514
//	tls_client_auth_san_dns: orders.example.com
//	tls_client_auth_san_uri: spiffe://example.com/orders
//	tls_client_auth_san_ip: 192.0.2.7
//	tls_client_auth_san_email: orders@example.com
func (l *loader) certificateName(m *mapping, a *Application) {
	for _, field := range certificateFields {
		if value, at := m.Spelling(field); at != nil {
			a.Certificate = m.checkedName(&CertificateName{Field: field, Value: value}, at)
			return
		}
	}
}

func (m *mapping) checkedName(n *CertificateName, at *strictyaml.Node) *CertificateName {
	fail := func(problem string) *CertificateName {
		m.FailField(at, n.Field, "%s", problem)
		return nil
	}
	if n.Field == fieldSubjectDN {
		var err error
		if n.subject, err = parseDistinguishedName(n.Value); err != nil {
			return fail("is not a distinguished name such as CN=orders,OU=batch,O=Example (RFC 4514): " + err.Error())
		}
		return n
	}
	if len(n.Value) > longestCertificateName || !ascii.Visible(n.Value) || n.Value == "" {
		return fail("must be visible ASCII characters without spaces, as it stands in the certificate")
	}
	switch n.Field {
	case fieldSANDNS:
		if strings.ContainsAny(n.Value, "*/:@") {
			return fail("must be one DNS name, such as orders.example.com, without a wildcard")
		}
	case fieldSANURI:
		if u, err := url.Parse(n.Value); err != nil || !u.IsAbs() {
			return fail("must be an absolute URI, such as spiffe://example.com/orders")
		}
	case fieldSANIP:
		ip, err := netip.ParseAddr(n.Value)
		if err != nil || ip.Zone() != "" {
			return fail("must be one IP address, such as 192.0.2.7")
		}
		n.ip = ip.Unmap()
	case fieldSANEmail:
		if local, domain, ok := strings.Cut(n.Value, "@"); !ok || local == "" || domain == "" {
			return fail("must be an email address, such as orders@example.com")
		}
	}
	return n
}
