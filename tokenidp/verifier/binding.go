package verifier

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// CheckCertificate judges whether the connection is that of whom the token was issued
// to (RFC 8705 section 3): its client certificate is the one that the token is bound
// to. Whoever has no key of it does not get through the handshake, so that its chain
// is of no interest here. Errors are *[Refusal].
func (c *Confirmation) CheckCertificate(connection *tls.ConnectionState) error {
	if c.Certificate == "" {
		return nil
	}
	// Early data may be a replay of somebody else's (RFC 8446 section 8).
	if connection == nil || !connection.HandshakeComplete || len(connection.PeerCertificates) == 0 {
		return Refuse(NoCertificate, errors.New("the connection has no client certificate"))
	}
	presented := jws.CertificateThumbprint(connection.PeerCertificates[0])
	if subtle.ConstantTimeCompare([]byte(presented), []byte(c.Certificate)) != 1 {
		return Refuse(CertificateMismatch, &Mismatch{"the certificate of the connection has x5t#S256 " + presented, c.Certificate})
	}
	return nil
}
