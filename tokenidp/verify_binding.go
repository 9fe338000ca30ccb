package tokenidp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// checkBinding checks that the sender of a bound token has its key. The result is for this
// request only, so it is not cached.
func (v *Verify) checkBinding(r *http.Request, token verifier.Presented, claims *verifier.Claims) error {
	bound := claims.Confirmation
	if bound == nil && token.Scheme == verifier.Bearer {
		return nil
	}
	if err := claims.CheckScheme(token.Scheme); err != nil {
		return err
	}
	if err := bound.CheckCertificate(r.TLS); err != nil {
		return err
	}
	if bound.Key == "" {
		return nil
	}
	proof := presentedProof{token.Token, r.Header[dpop.Header]}
	if err := v.checkProof(r, proof, claims); err != nil {
		return err
	}
	caddyhttp.SetVar(r.Context(), presentedProofVar, proof)
	return nil
}

// presentedProof is the token and the proof of the request, which the first verify
// removes. No other handler can make a value of this type, and a placeholder shows nothing
// of it.
type presentedProof struct {
	token  string
	proofs []string
}

const presentedProofVar = "tokenidp.presented_proof"

// String is what a placeholder of the variable shows: nothing.
func (presentedProof) String() string { return "" }

// checkProofAgain checks the proof that an earlier verify has accepted against the origins
// of this route. If the route has none, those of the earlier verify count.
func (v *Verify) checkProofAgain(r *http.Request, claims *verifier.Claims) error {
	if claims.Confirmation == nil || claims.Confirmation.Key == "" || len(v.DPoPOrigins) == 0 {
		return nil
	}
	proof, _ := caddyhttp.GetVar(r.Context(), presentedProofVar).(presentedProof)
	return v.checkProof(r, proof, claims)
}

// checkProof checks the DPoP proof of a request for a token that is bound to a key
// (RFC 9449 section 7.1).
func (v *Verify) checkProof(r *http.Request, presented presentedProof, claims *verifier.Claims) error {
	if len(v.origins) == 0 {
		return verifier.Refuse(verifier.NoDPoPOrigin, errors.New("nobody said under which URL clients call this API; write: dpop_origin https://api.example.com"))
	}
	method, sent := original(r)
	request := dpop.Request{Method: method, Token: presented.token}
	for _, origin := range v.origins {
		request.URLs = append(request.URLs, origin.At(sent.EscapedPath()))
	}
	proof, err := dpop.Check(presented.proofs, request, time.Now())
	if err == nil {
		err = proof.By(claims.Confirmation.Key)
	}
	if err == nil {
		err = proof.Use(r.Context(), claims.Issuer+" "+claims.ClientID, v.useProof)
	}
	if err != nil {
		return verifier.RefuseProof(err)
	}
	return nil
}

// usedProof is a proof that this request has used. Several verifies may check it, if the
// earlier ones only report. No other handler can make a value of this type.
type usedProof string

const usedProofVar = "tokenidp.used_proof"

func (v *Verify) useProof(ctx context.Context, owner, id string, until time.Time) (first bool, err error) {
	if caddyhttp.GetVar(ctx, usedProofVar) == usedProof(id) {
		return true, nil
	}
	first, err = v.app.state.Once(ctx, owner, id, until)
	if first && err == nil {
		caddyhttp.SetVar(ctx, usedProofVar, usedProof(id))
	}
	return first, err
}

// provisionBinding sets the origins under which clients call this API: those of the route,
// or of the global option, or of the issuers of this server whose tokens it accepts. They
// never come from the request.
func (v *Verify) provisionBinding(a *App, issuers []tokenIssuer) error {
	names := v.DPoPOrigins
	if len(names) == 0 {
		names = a.DPoPOrigins
	}
	if len(names) == 0 {
		for _, iss := range issuers {
			if local, ok := iss.(*Issuer); ok {
				names = append(names, local.url.Scheme+"://"+local.url.Host)
			}
		}
	}
	for _, name := range names {
		origin, err := newDPoPOrigin(name)
		if err != nil {
			return err
		}
		if !slices.Contains(v.origins, origin) {
			v.origins = append(v.origins, origin)
		}
	}
	if len(v.origins) > 0 || !slices.Contains(v.SenderConstrained, verifier.ByDPoP) {
		return nil
	}
	other := ""
	if len(v.SenderConstrained) > 1 {
		other = "; or, for certificates alone: sender_constrained mtls"
	}
	return fmt.Errorf("sender_constrained dpop: nobody said under which URL clients call this API, so that no proof could be checked; write: dpop_origin https://api.example.com%s", other)
}

func newDPoPOrigin(name string) (weburl.Origin, error) {
	origin, err := weburl.ParseOrigin(name)
	if err != nil {
		return "", fmt.Errorf("dpop_origin: %q is not an origin; write it as https://api.example.com", name)
	}
	if u, err := url.Parse(string(origin)); err != nil || !weburl.IsProtected(u) {
		return "", fmt.Errorf("dpop_origin: %q must be https; if a proxy in front terminates TLS, write the URL that clients call", name)
	}
	return origin, nil
}
