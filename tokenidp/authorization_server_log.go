package tokenidp

import (
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// recordToken counts and logs an issued token, without the token itself.
func (s *AuthorizationServer) recordToken(r *http.Request, issued *issuance) {
	s.metrics.TokenIssued(s.issuer.Issuer)
	s.countIssued(r, issued)
	s.auditIssued(r, issued)
	if c := s.logger.Check(zap.InfoLevel, "token issued"); c != nil {
		fields := []zap.Field{
			zap.String("issuer", s.issuer.Issuer),
			zap.String("client_id", issued.token.ClientID),
			zap.String("method", string(issued.client.Method)),
			zap.Strings("scope", issued.token.Scope),
			zap.String("audience", issued.token.Audience),
			zap.String("jti", issued.token.ID),
			zap.String("kid", issued.keyID),
			zap.Time("expires", issued.token.ExpiresAt),
			zap.Stringer("client_ip", clientIP(r)),
		}
		if secret := issued.client.Secret; secret != nil {
			fields = append(fields, zap.String("secret_id", secret.ID))
		}
		if id := issued.client.KeyID; id != "" {
			fields = append(fields, zap.String("client_kid", refusallog.Loggable(id)))
		}
		if from := issued.client.FederatedIssuer; from != "" {
			fields = append(fields, zap.String("federated_issuer", from), zap.String("federated_subject", refusallog.Loggable(issued.client.FederatedSubject)))
		}
		if bound := issued.token.Confirmation; bound != nil {
			fields = append(fields, zap.Any("cnf", bound))
		}
		c.Write(fields...)
	}
}

// recordRefusal counts a refused request, and logs it with the true reason.
func (s *AuthorizationServer) recordRefusal(r *http.Request, issued *issuance, refusal *oauth.Error) {
	s.metrics.TokenRefused(s.issuer.Issuer, refusal.Reason)
	s.issuer.usage.CountHourly(usage.Key{Kind: usage.TokenRefusals, Issuer: s.issuer.Issuer, Detail: string(refusal.Reason)})
	if refusal.Reason == oauth.ReasonScopeNotGranted {
		s.countDenied(issued)
	}
	var credentials *oauth.Credentials
	if issued.request != nil {
		credentials = &issued.request.Credentials
	}
	s.logRefusal("token refused", r, credentials, refusal)
	s.auditRefused("token", r, credentials, refusal)
}

// logRefusal logs a refused request of a client. The credentials are nil if they were not
// read. Many equal lines are joined.
func (s *AuthorizationServer) logRefusal(message string, r *http.Request, credentials *oauth.Credentials, refusal *oauth.Error) {
	level := zap.InfoLevel
	if refusal.Status >= http.StatusInternalServerError {
		level = zap.ErrorLevel
	}
	c := s.logger.Check(level, message)
	if c == nil {
		return
	}
	key := refusallog.Key{Message: message, Issuer: s.issuer.Issuer, Reason: string(refusal.Reason), Sender: refusallog.Sender(clientIP(r))}
	if credentials != nil {
		key.ClientID = s.claimedClientID(*credentials)
	}
	if !s.refusals.Whole(s.logger, level, key) {
		return
	}
	fields := []zap.Field{
		zap.String("issuer", s.issuer.Issuer),
		zap.String("reason", string(refusal.Reason)),
		zap.String("error", refusal.Code),
		zap.Int("status", refusal.Status),
		zap.Stringer("client_ip", clientIP(r)),
	}
	if credentials != nil {
		fields = append(fields, zap.String("client_id", key.ClientID))
	}
	if refusal.Cause != nil {
		fields = append(fields, zap.String("cause", refusallog.Loggable(refusal.Cause.Error())))
	}
	c.Write(fields...)
}

func (s *AuthorizationServer) auditIssued(r *http.Request, issued *issuance) {
	e := audit.Event{
		Kind: audit.Issued, At: "token", Issuer: s.issuer.Issuer, ClientID: issued.token.ClientID, AuthMethod: string(issued.client.Method),
		TokenID: issued.token.ID, KeyID: issued.keyID, Audience: issued.token.Audience, Scope: issued.token.Scope, Expires: issued.token.ExpiresAt,
	}
	if issued.client.Secret != nil {
		e.SecretID = issued.client.Secret.ID
	}
	s.audit.writeRequest(r, &e)
}

func (s *AuthorizationServer) auditRefused(at string, r *http.Request, credentials *oauth.Credentials, refusal *oauth.Error) {
	e := audit.Event{Kind: audit.Refused, At: at, Issuer: s.issuer.Issuer, Status: refusal.Status, Reason: string(refusal.Reason)}
	if credentials != nil {
		e.ClientID = s.claimedClientID(*credentials)
	}
	if refusal.Cause != nil {
		e.Cause = refusallog.Loggable(refusal.Cause.Error())
	}
	s.audit.writeRequest(r, &e)
}

// claimedClientID returns the client id that the caller claims, for the log. If the secret
// is the id of an Application, the two were swapped, and the id may be a secret.
func (s *AuthorizationServer) claimedClientID(c oauth.Credentials) string {
	if _, swapped := s.issuer.applications.Load().Application(c.Secret); swapped {
		return "REDACTED: the id and the secret seem to be swapped"
	}
	return refusallog.Loggable(c.ClientID)
}

// countIssued counts a token and its scopes.
func (s *AuthorizationServer) countIssued(r *http.Request, issued *issuance) {
	k := usage.Key{Kind: usage.Issued, Issuer: s.issuer.Issuer, Client: issued.token.ClientID}
	s.issuer.usage.CountHourly(k)
	if issued.client.Secret == nil {
		s.issuer.usage.CountSource(k.Issuer, k.Client, "", clientIP(r))
	}
	k.Kind = usage.Asked
	for _, k.Name = range issued.token.Scope {
		s.issuer.usage.Count(k)
	}
}

// countDenied counts the scopes that an authenticated client asked for and is not granted.
// Only those that exist are told apart.
func (s *AuthorizationServer) countDenied(issued *issuance) {
	set := s.issuer.applications.Load()
	for scope := range strings.FieldsSeq(issued.request.Scope) {
		if _, exists := set.Resource(scope); exists && !slices.Contains(issued.client.Application.Scopes, scope) {
			s.issuer.usage.Count(usage.Key{Kind: usage.Denied, Issuer: s.issuer.Issuer, Client: issued.client.Application.ClientID, Name: scope})
		}
	}
}
