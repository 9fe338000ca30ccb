package tokenidp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// revokeTimeout bounds how long a revocation may take to become durable.
const revokeTimeout = 10 * time.Second

// serveRevocation serves the revocation endpoint (RFC 7009 section 2).
func (s *AuthorizationServer) serveRevocation(w http.ResponseWriter, r *http.Request) error {
	policy := s.issuer.policy()
	if policy.AllowBrowser(w, r) {
		return nil
	}
	revoked, err := s.revoke(w, r, policy)
	if err != nil {
		refusal := refusalOf(err)
		s.recordUnrevoked(r, revoked, refusal)
		return oauth.WriteError(w, oauth.FormatOf(r), refusal)
	}
	s.recordRevoked(r, revoked)
	return oauth.WriteRevoked(w, oauth.FormatOf(r))
}

// revocation is the data of a revocation request, as far as it was handled.
type revocation struct {
	request *oauth.RevocationRequest
	client  *oauth.Client
	claims  *verifier.Claims  // nil: there is nothing to revoke
	useless *verifier.Refusal // why the token was of no use before
}

// undecided are the reasons for which a token may still be valid later, or on another
// server. Then the answer must not say that it was revoked.
var undecided = []verifier.Reason{verifier.KeysUnavailable, verifier.NotYetValid, verifier.IssuedInFuture}

func (s *AuthorizationServer) revoke(w http.ResponseWriter, r *http.Request, policy oauth.Policy) (*revocation, error) {
	revoked := new(revocation)
	var err error
	if revoked.request, err = oauth.ParseRevocationRequest(w, r, policy); err != nil {
		return revoked, err
	}
	if revoked.client, err = s.authenticate(r, s.issuer.applications.Load(), revoked.request.Credentials); err != nil {
		return revoked, err
	}
	began := time.Now()
	if revoked.claims, revoked.useless, err = s.ownToken(r.Context(), revoked.request.Token, undecided...); revoked.claims == nil {
		if err == nil && revoked.useless.Reason == verifier.UnknownKey && !s.issuer.keys.RereadSince(began) {
			err = oauth.Unavailable(oauth.ReasonUndecided, revoked.useless) // another server may have made the key since
		}
		return revoked, err
	}
	if err := oauth.AuthorizeRevocation(revoked.client, revoked.claims.ClientID); err != nil {
		return revoked, err
	}
	return revoked, revokeDurably(r.Context(), s.issuer.state, revocationOf(revoked.claims))
}

// ownToken verifies a token of this issuer. It returns no claims for an invalid token, and
// an error if it cannot find out whether the token is valid.
func (s *AuthorizationServer) ownToken(ctx context.Context, token string, undecided ...verifier.Reason) (*verifier.Claims, *verifier.Refusal, error) {
	claims, err := s.verifier.Verify(ctx, token)
	if err == nil {
		return claims, nil, nil
	}
	refusal, ok := errors.AsType[*verifier.Refusal](err)
	switch {
	case !ok:
		return nil, nil, err
	case slices.Contains(undecided, refusal.Reason):
		return nil, nil, oauth.Unavailable(oauth.ReasonUndecided, refusal)
	}
	return nil, refusal, nil
}

// revocationOf returns the revocation of one token. It names the claims, not the text,
// because a token can be spelled in several ways.
func revocationOf(claims *verifier.Claims) state.Revocation {
	return state.Revocation{Issuer: claims.Issuer, TokenID: claims.ID, Until: claims.ExpiresAt}
}

// revokeDurably revokes the token. It continues if the caller closes the connection.
func revokeDurably(ctx context.Context, s state.State, revocations ...state.Revocation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	err := s.Revoke(ctx, revocations...)
	if errors.Is(err, state.ErrUnavailable) {
		return oauth.Unavailable(oauth.ReasonStateUnavailable, err)
	}
	return err
}

// recordRevoked logs a revocation, also of a token that was already invalid.
func (s *AuthorizationServer) recordRevoked(r *http.Request, revoked *revocation) {
	message, result := "token revoked", "revoked"
	if revoked.claims == nil {
		message, result = "nothing to revoke", "nothing_to_revoke"
	}
	s.metrics.Revocation(s.issuer.Issuer, result, "")
	if revoked.claims != nil {
		s.audit.writeRequest(r, &audit.Event{
			Kind: audit.Revoked, At: "revoke", Issuer: s.issuer.Issuer, ClientID: revoked.client.Application.ClientID, AuthMethod: string(revoked.client.Method),
			TokenID: revoked.claims.ID, KeyID: revoked.claims.KeyID, Scope: revoked.claims.Scope, Expires: revoked.claims.ExpiresAt,
		})
	}
	c := s.logger.Check(zap.InfoLevel, message)
	if c == nil {
		return
	}
	fields := []zap.Field{
		zap.String("issuer", s.issuer.Issuer),
		zap.String("client_id", revoked.client.Application.ClientID),
		zap.String("method", string(revoked.client.Method)),
		zap.Stringer("client_ip", clientIP(r)),
	}
	if revoked.claims != nil {
		fields = append(fields, zap.String("jti", revoked.claims.ID), zap.Time("expires", revoked.claims.ExpiresAt))
	} else {
		fields = append(fields, zap.String("reason", string(revoked.useless.Reason)))
	}
	c.Write(fields...)
}

func (s *AuthorizationServer) recordUnrevoked(r *http.Request, revoked *revocation, refusal *oauth.Error) {
	s.metrics.Revocation(s.issuer.Issuer, "refused", refusal.Reason)
	var credentials *oauth.Credentials
	if revoked.request != nil {
		credentials = &revoked.request.Credentials
	}
	s.logRefusal("revocation refused", r, credentials, refusal)
	s.auditRefused("revoke", r, credentials, refusal)
}
