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
// section 2). A certificate in a header is ignored, because any caller can write it. app
// is nil if there is a reason.
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

// checkCertificate checks a certificate by its registered key (RFC 8705 section 2.2), or
// by its name (section 2.1). A name counts only if the TLS layer has verified the chain,
// because anyone can make an unverified certificate. It checks the expiry again, because a
// connection may outlive the certificate, and because nothing has checked it without a
// chain.
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

// provesCertificate reports whether the certificate of the connection authenticates the
// client.
func provesCertificate(app *application.Application, connection *tls.ConnectionState, now time.Time) bool {
	if app == nil || !acceptsCertificate(app) {
		return false
	}
	reason, _ := checkCertificate(app, connection, now)
	return reason == ""
}

// describe returns the certificate as text, for the log.
func describe(c *x509.Certificate) error {
	return fmt.Errorf("the certificate is of %q, dns %q, uri %q, ip %v, email %q", c.Subject, c.DNSNames, c.URIs, c.IPAddresses, c.EmailAddresses)
}
