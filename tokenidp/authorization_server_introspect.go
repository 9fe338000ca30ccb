package tokenidp

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// serveIntrospection serves the introspection endpoint (RFC 7662 section 2).
func (s *AuthorizationServer) serveIntrospection(w http.ResponseWriter, r *http.Request) error {
	policy := s.issuer.policy()
	if policy.AllowBrowser(w, r) {
		return nil
	}
	asked, err := s.introspect(w, r, policy)
	if err == nil && asked.request.Signed {
		err = s.signIntrospection(asked)
	}
	if err != nil {
		refusal := refusalOf(err)
		s.recordUnasked(r, asked, refusal)
		return oauth.WriteError(w, oauth.FormatOf(r), refusal)
	}
	s.recordIntrospection(r, asked)
	if asked.request.Signed {
		return oauth.WriteIntrospectionJWT(w, asked.signed)
	}
	return oauth.WriteIntrospection(w, oauth.FormatOf(r), asked.answer)
}

// introspection is the data of an introspection request, as far as it was handled.
type introspection struct {
	request *oauth.IntrospectionRequest
	client  *oauth.Client
	claims  *verifier.Claims // of a token of this issuer; nil of any other
	reason  string           // why it is not active for this caller
	answer  oauth.Introspection
	signed  string
}

func (s *AuthorizationServer) introspect(w http.ResponseWriter, r *http.Request, policy oauth.Policy) (*introspection, error) {
	asked := &introspection{answer: oauth.Inactive()}
	var err error
	if asked.request, err = oauth.ParseIntrospectionRequest(w, r, policy); err != nil {
		return asked, err
	}
	applications := s.issuer.applications.Load()
	if asked.client, err = s.authenticate(r, applications, asked.request.Credentials); err != nil {
		return asked, err
	}
	var useless *verifier.Refusal
	if asked.claims, useless, err = s.ownToken(r.Context(), asked.request.Token, verifier.KeysUnavailable); err != nil {
		return asked, err
	}
	switch {
	case useless != nil:
		asked.reason = string(useless.Reason)
	case !applications.MayIntrospect(asked.client.Application, asked.claims.Audience):
		asked.reason = string(oauth.ReasonNotPermitted)
	default:
		err = s.evaluate(asked, time.Now())
	}
	return asked, err
}

// evaluate sets the answer for a caller who may know it. There is no leeway for clocks: the
// token is evaluated by the server that issued it.
func (s *AuthorizationServer) evaluate(asked *introspection, now time.Time) error {
	err := s.issuer.checkActive(asked.claims)
	if err == nil && !now.Before(asked.claims.ExpiresAt) {
		err = verifier.Refuse(verifier.Expired, nil)
	}
	refusal, _ := errors.AsType[*verifier.Refusal](err)
	switch {
	case err == nil:
		asked.answer = oauth.Active(asked.claims.All())
		countRead(s.issuer.usage, asked.claims, asked.claims.Scope) // the caller decides by them
	case refusal == nil:
		return err
	case refusal.Reason == verifier.RevocationsUnknown:
		return oauth.Unavailable(oauth.ReasonStateUnavailable, refusal)
	default:
		asked.reason = string(refusal.Reason)
	}
	return nil
}

// signIntrospection returns the answer as a JWT for the caller (RFC 9701 section 5).
func (s *AuthorizationServer) signIntrospection(asked *introspection) error {
	response, err := asked.answer.Claims(s.issuer.Issuer, asked.client.Application.ClientID, time.Now())
	if err != nil {
		return err
	}
	if asked.signed, err = s.issuer.keys.SignIntrospection(response); err != nil {
		return fmt.Errorf("signing an introspection response: %w", err)
	}
	return nil
}

// recordIntrospection logs an introspection.
func (s *AuthorizationServer) recordIntrospection(r *http.Request, asked *introspection) {
	result := "active"
	if asked.reason != "" {
		result = "inactive"
	}
	s.metrics.Introspection(s.issuer.Issuer, result, asked.reason)
	c := s.logger.Check(zap.InfoLevel, "token introspected")
	if c == nil {
		return
	}
	fields := []zap.Field{
		zap.String("issuer", s.issuer.Issuer),
		zap.String("client_id", asked.client.Application.ClientID),
		zap.String("method", string(asked.client.Method)),
		zap.Bool("active", asked.reason == ""),
		zap.Stringer("client_ip", clientIP(r)),
	}
	if asked.reason != "" {
		fields = append(fields, zap.String("reason", asked.reason))
	}
	if asked.claims != nil {
		fields = append(fields, zap.String("jti", asked.claims.ID), zap.String("issued_to", asked.claims.ClientID))
	}
	c.Write(fields...)
}

func (s *AuthorizationServer) recordUnasked(r *http.Request, asked *introspection, refusal *oauth.Error) {
	s.metrics.Introspection(s.issuer.Issuer, "refused", string(refusal.Reason))
	var credentials *oauth.Credentials
	if asked.request != nil {
		credentials = &asked.request.Credentials
	}
	s.logRefusal("introspection refused", r, credentials, refusal)
	s.auditRefused("introspect", r, credentials, refusal)
}
