package oauth

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// byCertificate authenticates a client by the certificate of its connection (RFC 8705
// section 2). The TLS layer alone says which that is: whatever a header says of a
// certificate, anybody can write. The Application is nil where there is a reason why
// there is none.
func (a *Authenticator) byCertificate(app *application.Application, reason Reason, c Credentials) (*Client, *Error) {
	switch {
	case app == nil:
		return nil, refuse(reason, nil)
	case !acceptsCertificate(app):
		return nil, refuse(ReasonNoCredentials, nil)
	}
	if reason, cause := checkCertificate(app, c.TLS, a.now()); reason != "" {
		return nil, refuse(reason, cause)
	}
	return &Client{Application: app, Method: Method(app.TokenEndpointAuthMethod)}, nil
}

func acceptsCertificate(app *application.Application) bool {
	return app.Accepts(application.AuthMethodTLS) || app.Accepts(application.AuthMethodSelfSignedTLS)
}

// checkCertificate checks a certificate by the key that is registered (RFC 8705 section
// 2.2), or else by the name (section 2.1). For a name, its chain is what the TLS layer
// verified: a certificate that was asked for, and not verified, is one that anybody can
// make. Whether it has expired is asked anew, since a connection may outlive it, and
// nobody has asked where there is no chain.
func checkCertificate(app *application.Application, connection *tls.ConnectionState, now time.Time) (Reason, error) {
	certificate, selfSigned := verifier.ClientCertificate(connection), app.Accepts(application.AuthMethodSelfSignedTLS)
	switch {
	case certificate == nil:
		return ReasonNoCertificate, nil
	case !selfSigned && len(connection.VerifiedChains) == 0:
		return ReasonUnverifiedCertificate, describe(certificate)
	case now.Before(certificate.NotBefore) || now.After(certificate.NotAfter):
		return ReasonExpiredCertificate, fmt.Errorf("it is valid from %s to %s", strictjson.FormatDate(certificate.NotBefore), strictjson.FormatDate(certificate.NotAfter))
	case selfSigned && !app.HasKeyOf(certificate), !selfSigned && !app.Certificate.Names(certificate):
		return ReasonWrongCertificate, describe(certificate)
	}
	return "", nil
}

// provesCertificate reports whether the client has authenticated by its certificate
// already, whatever else it sends.
func provesCertificate(app *application.Application, connection *tls.ConnectionState, now time.Time) bool {
	if app == nil || !acceptsCertificate(app) {
		return false
	}
	reason, _ := checkCertificate(app, connection, now)
	return reason == ""
}

// describe is for the operator, who compares it with what is registered.
func describe(c *x509.Certificate) error {
	return fmt.Errorf("the certificate is of %q, dns %q, uri %q, ip %v, email %q", c.Subject, c.DNSNames, c.URIs, c.IPAddresses, c.EmailAddresses)
}
