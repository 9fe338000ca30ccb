package verifier

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// The means by which a token can be bound to its sender.
const (
	ByDPoP = "dpop" // a key, of RFC 9449
	ByMTLS = "mtls" // a certificate, of RFC 8705
)

// Means lists all means.
var Means = []string{ByDPoP, ByMTLS}

// boundBy reports whether the token is bound by one of the means.
func (c *Claims) boundBy(means []string) bool {
	if c.Confirmation == nil {
		return false
	}
	return c.Confirmation.Key != "" && slices.Contains(means, ByDPoP) ||
		c.Confirmation.Certificate != "" && slices.Contains(means, ByMTLS)
}

// CheckScheme checks that a token with the scheme DPoP, and no other, is bound to the key
// of a proof (RFC 9449 section 7.1). Errors are *[Refusal].
func (c *Claims) CheckScheme(scheme Scheme) error {
	switch bound := c.Confirmation != nil && c.Confirmation.Key != ""; {
	case bound && scheme != DPoP:
		return Refuse(WrongScheme, &Mismatch{"a token bound to the key of a proof, under " + string(scheme), string(DPoP)})
	case !bound && scheme != Bearer:
		return Refuse(WrongScheme, &Mismatch{"a token that is bound to no key of a proof, under " + string(scheme), string(Bearer)})
	}
	return nil
}

// CheckCertificate checks that the client certificate of the connection is the one that
// the token is bound to (RFC 8705 section 3). The handshake has proved possession of its
// key, so its chain is not checked here. Errors are *[Refusal].
func (c *Confirmation) CheckCertificate(connection *tls.ConnectionState) error {
	if c.Certificate == "" {
		return nil
	}
	certificate := ClientCertificate(connection)
	if certificate == nil {
		return Refuse(NoCertificate, errors.New("the connection has no client certificate"))
	}
	presented := jws.CertificateThumbprint(certificate)
	if subtle.ConstantTimeCompare([]byte(presented), []byte(c.Certificate)) != 1 {
		return Refuse(CertificateMismatch, &Mismatch{"the certificate of the connection has x5t#S256 " + presented, c.Certificate})
	}
	return nil
}

// ClientCertificate returns the certificate of the client, or nil. It returns nil before
// the handshake is complete, because only that proves that the client has the key (RFC
// 8446 section 4.4.3). Early data may be a replay (section 8).
func ClientCertificate(connection *tls.ConnectionState) *x509.Certificate {
	if connection == nil || !connection.HandshakeComplete || len(connection.PeerCertificates) == 0 {
		return nil
	}
	return connection.PeerCertificates[0]
}

// RefuseProof returns the refusal for an error of a DPoP proof. An error that is not of
// package dpop means that its single use could not be checked.
func RefuseProof(err error) *Refusal {
	for _, known := range []struct {
		err    error
		reason Reason
	}{
		{dpop.ErrMissing, NoProof}, {dpop.ErrSeveral, SeveralProofs}, {dpop.ErrMalformed, MalformedProof}, {dpop.ErrOtherRequest, ProofForAnotherRequest},
		{dpop.ErrStale, StaleProof}, {dpop.ErrOtherToken, ProofForAnotherToken}, {dpop.ErrOtherKey, ProofByAnotherKey}, {dpop.ErrReplayed, ReplayedProof},
	} {
		if errors.Is(err, known.err) {
			return Refuse(known.reason, err)
		}
	}
	return Refuse(StateUnavailable, err)
}

// algs lists the algorithms in a challenge (RFC 9449 section 7.1).
var algs = strings.Join(dpop.Algorithms, " ")
