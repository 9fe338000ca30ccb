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

// Confirmation names the keys that a token is bound to (RFC 7800 section 3.1). The sender
// must prove possession of each that is not empty.
type Confirmation struct {
	// Certificate is the thumbprint of the client's certificate (RFC 8705 section 3.1).
	Certificate string `json:"x5t#S256,omitempty"`
	// Key is the thumbprint of the key of its proofs (RFC 9449 section 6.1).
	Key string `json:"jkt,omitempty"`

	proof *dpop.Proof // of the key
}

// tokenType returns the token_type of the answer (RFC 9449 section 5).
func (c *Confirmation) tokenType() string {
	if c != nil && c.Key != "" {
		return "DPoP"
	}
	return "Bearer"
}

// Proofs checks DPoP proofs at the token endpoint.
type Proofs struct {
	// URL is the configured URL of the token endpoint.
	URL weburl.Target
	// Once records that a proof was used, and reports whether this was its first use.
	Once dpop.Once
}

// NewProofs returns the Proofs for the token endpoint of an issuer.
func NewProofs(issuer *url.URL, once dpop.Once) (Proofs, error) {
	endpoint := url.URL{Scheme: issuer.Scheme, Host: issuer.Host, Path: NewEndpoints(issuer).Token}
	u, err := weburl.ParseTarget(endpoint.String())
	return Proofs{URL: u, Once: once}, err
}

// Confirm returns what the token of a client must be bound to, or nil for a bearer token.
// The key is that of the proof, if the client sends one (RFC 9449 section 5). The
// certificate is that of the connection, if the Application requires it; it need not be
// verified, because the token is useless without its key. Call [Proofs.Use] afterwards.
// Every error is an *Error.
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

// Use marks the proof of a confirmation as used, if it has one. Call it after all other
// checks, so that a refused request does not use its proof. Every error is an *Error.
func (p Proofs) Use(ctx context.Context, c *Client, bound *Confirmation) error {
	if bound == nil || bound.proof == nil {
		return nil
	}
	if err := bound.proof.Use(ctx, string(p.URL)+" "+c.Application.ClientID, p.Once); err != nil {
		return proofError(err)
	}
	return nil
}

// proofError returns the answer for an error of a proof (RFC 9449 section 5).
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
