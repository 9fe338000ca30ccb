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

// Means are all of them.
var Means = []string{ByDPoP, ByMTLS}

// boundBy reports whether the token is bound by one of the means.
func (c *Claims) boundBy(means []string) bool {
	if c.Confirmation == nil {
		return false
	}
	return c.Confirmation.Key != "" && slices.Contains(means, ByDPoP) ||
		c.Confirmation.Certificate != "" && slices.Contains(means, ByMTLS)
}

// CheckScheme checks how the token was presented (RFC 9449 section 7.1): what is
// bound to the key of a proof is no bearer token, and nothing else goes with one.
// Errors are *[Refusal].
func (c *Claims) CheckScheme(scheme Scheme) error {
	switch bound := c.Confirmation != nil && c.Confirmation.Key != ""; {
	case bound && scheme != DPoP:
		return Refuse(WrongScheme, &Mismatch{"a token bound to the key of a proof, under " + string(scheme), string(DPoP)})
	case !bound && scheme != Bearer:
		return Refuse(WrongScheme, &Mismatch{"a token that is bound to no key of a proof, under " + string(scheme), string(Bearer)})
	}
	return nil
}

// CheckCertificate checks that the connection is that of whom the token was issued
// to (RFC 8705 section 3): its client certificate is the one that the token is bound
// to. Whoever has no key of it does not get through the handshake, so that its chain
// is of no interest here. Errors are *[Refusal].
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

// ClientCertificate is the client's own certificate, nil without one. That the client
// has its key is known once the handshake is complete (RFC 8446 section 4.4.3): early
// data does not wait for that, and may be a replay of somebody else's (section 8).
func ClientCertificate(connection *tls.ConnectionState) *x509.Certificate {
	if connection == nil || !connection.HandshakeComplete || len(connection.PeerCertificates) == 0 {
		return nil
	}
	return connection.PeerCertificates[0]
}

// RefuseProof is the refusal of a request whose DPoP proof does not do. What is no
// error of package dpop says that its single use cannot be told.
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

// algs are the algorithms of a challenge (RFC 9449 section 7.1).
var algs = strings.Join(dpop.Algorithms, " ")
