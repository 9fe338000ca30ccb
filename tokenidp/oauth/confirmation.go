package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Confirmation is what a token is bound to (RFC 7800 section 3.1): whoever presents
// it has to prove that it has the key. The members that are there must all hold.
type Confirmation struct {
	// Certificate is the thumbprint of the client's certificate (RFC 8705 section 3.1).
	Certificate string `json:"x5t#S256,omitempty"`
	// Key is the thumbprint of the key of its proofs (RFC 9449 section 6.1).
	Key string `json:"jkt,omitempty"`

	proof *dpop.Proof // of the key
}

// tokenType is how the token is to be presented (RFC 9449 section 5).
func (c *Confirmation) tokenType() string {
	if c != nil && c.Key != "" {
		return "DPoP"
	}
	return "Bearer"
}

// Proofs are what DPoP proofs at the token endpoint are held to.
type Proofs struct {
	// URL is that of the token endpoint, as configured.
	URL weburl.Target
	// Once records that a proof was used.
	Once dpop.Once
}

// NewProofs are those for the token endpoint of an issuer.
func NewProofs(issuer *url.URL, once dpop.Once) (Proofs, error) {
	endpoint := url.URL{Scheme: issuer.Scheme, Host: issuer.Host, Path: NewEndpoints(issuer).Token}
	u, err := weburl.ParseTarget(endpoint.String())
	return Proofs{URL: u, Once: once}, err
}

// Confirm settles what the token of a client is bound to: nil for a bearer token. The
// key is that of a proof, if the client sends one (RFC 9449 section 5), and the
// certificate that of the connection, if the Application asks for it. The certificate
// need not be verified, since the token is worth nothing to others either way. The
// proof is not used up yet: see [Proofs.Use]. Every error is an *Error.
func (p Proofs) Confirm(c *Client, r *TokenRequest, now time.Time) (*Confirmation, error) {
	bound := new(Confirmation)
	if c.Application.CertificateBound {
		certificate := verifier.ClientCertificate(r.Credentials.TLS)
		if certificate == nil {
			return nil, refuse(ReasonCertificateRequired, nil)
		}
		bound.Certificate = jws.CertificateThumbprint(certificate)
	}
	if c.Application.DPoPBound || len(r.Proofs) > 0 {
		proof, err := dpop.Check(r.Proofs, dpop.Request{Method: http.MethodPost, URLs: []weburl.Target{p.URL}}, now)
		if err != nil {
			return nil, proofError(err)
		}
		bound.Key, bound.proof = proof.Thumbprint, proof
	}
	if *bound == (Confirmation{}) {
		return nil, nil
	}
	return bound, nil
}

// Use uses up the proof of a confirmation, if it has one. Call it after everything else
// that can refuse the request, so that no proof is used up in vain. Every error is an
// *Error.
func (p Proofs) Use(ctx context.Context, c *Client, bound *Confirmation) error {
	if bound == nil || bound.proof == nil {
		return nil
	}
	if err := bound.proof.Use(ctx, string(p.URL)+" "+c.Application.ClientID, p.Once); err != nil {
		return proofError(err)
	}
	return nil
}

// proofError is the answer to a proof that does not do (RFC 9449 section 5).
func proofError(err error) *Error {
	for _, known := range []struct {
		err    error
		reason Reason
	}{
		{dpop.ErrMissing, ReasonNoProof}, {dpop.ErrSeveral, ReasonSeveralProofs}, {dpop.ErrMalformed, ReasonMalformedProof},
		{dpop.ErrStale, ReasonStaleProof}, {dpop.ErrOtherRequest, ReasonProofOfAnotherRequest}, {dpop.ErrReplayed, ReasonReplayedProof},
	} {
		if errors.Is(err, known.err) {
			return refuse(known.reason, err)
		}
	}
	return Unavailable(ReasonStateUnavailable, err)
}
