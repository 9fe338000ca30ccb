package application

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const longestCertificateName = 1024

// certificateName reads the one name that identifies the client's certificate.
func (l *loader) certificateName(m *mapping, a *Application) {
	for _, field := range certificateFields {
		value, at := m.Text(field)
		if at == nil {
			continue
		}
		a.Certificate = &CertificateName{Field: field, Value: value}
		switch field {
		case fieldSubjectDN:
			a.Certificate.subject, _ = parseDistinguishedName(value)
		case fieldSANIP:
			a.Certificate.ip = netip.MustParseAddr(value).Unmap()
		}
		return
	}
}

var subjectDNFormat = &strictyaml.Format{
	Check: func(s string) error {
		_, err := parseDistinguishedName(s)
		if err != nil {
			return errors.New("is not a distinguished name such as CN=orders,OU=batch,O=Example (RFC 4514): " + err.Error())
		}
		return nil
	},
	Pattern: "=",
	Says:    "must be a distinguished name such as CN=orders,OU=batch,O=Example",
	Loose:   "what is no distinguished name",
}

var (
	sanDNSFormat = alternativeNameFormat("must be one DNS name, such as orders.example.com, without a wildcard",
		`^[!-)+-.0-9;-?A-~]+$`, "", func(s string) bool { return !strings.ContainsAny(s, "*/:@") })

	sanURIFormat = alternativeNameFormat("must be an absolute URI, such as spiffe://example.com/orders",
		`^[A-Za-z][A-Za-z0-9+.-]*:[!-~]*$`, "what is no URI", func(s string) bool {
			u, err := url.Parse(s)
			return err == nil && u.IsAbs()
		})

	sanIPFormat = alternativeNameFormat("must be one IP address, such as 192.0.2.7",
		`^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*)$`, "what is no IP address", func(s string) bool {
			ip, err := netip.ParseAddr(s)
			return err == nil && ip.Zone() == ""
		})

	sanEmailFormat = alternativeNameFormat("must be an email address, such as orders@example.com",
		`^[!-?A-~]+@[!-~]+$`, "", func(s string) bool {
			local, domain, ok := strings.Cut(s, "@")
			return ok && local != "" && domain != ""
		})
)

func alternativeNameFormat(says, pattern, loose string, is func(string) bool) *strictyaml.Format {
	return &strictyaml.Format{
		Check: func(s string) error {
			switch {
			case len(s) > longestCertificateName || !ascii.Visible(s) || s == "":
				return errors.New("must be visible ASCII characters without spaces, as it stands in the certificate")
			case !is(s):
				return errors.New(says)
			}
			return nil
		},
		Pattern: pattern, Longest: longestCertificateName, Says: says, Loose: loose,
	}
}
