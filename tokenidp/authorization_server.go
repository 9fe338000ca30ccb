package tokenidp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/metrics"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func init() {
	caddy.RegisterModule(AuthorizationServer{})
}

// AuthorizationServer serves the endpoints of one issuer: `/token`, `/introspect`,
// `/revoke`, `/authorize`, which tells people that there are no users, and below
// `/.well-known/` `jwks.json`, `oauth-authorization-server` and `openid-configuration`.
// Any other path goes to the next handler.
// Paths are compared as the client sent them, before any rewrite.
type AuthorizationServer struct {
	// The URL of the issuer to serve. Needed only where several are configured.
	Issuer string `json:"issuer,omitempty"`

	// Where this handler is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	*authorizationWorker // set by Provision
}

// authorizationWorker is what an AuthorizationServer answers requests with.
type authorizationWorker struct {
	issuer    *Issuer
	verifier  *verifier.Verifier // of this issuer's tokens alone
	endpoints oauth.Endpoints
	proofs    oauth.Proofs
	metrics   *metrics.Counters
	refusals  *refusallog.Log
	audit     *auditor
	logger    *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (AuthorizationServer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tokenidp",
		New: func() caddy.Module { return new(AuthorizationServer) },
	}
}

// Provision finds the issuer and makes sure that it has a key to sign with.
func (s *AuthorizationServer) Provision(ctx caddy.Context) error {
	a, err := app(ctx)
	if err != nil {
		return placed(s.Source, err)
	}
	if err := expandPlaceholders(s); err != nil {
		return placed(s.Source, err)
	}
	iss, err := a.issuer(s.Issuer)
	if err != nil {
		return placed(s.Source, err)
	}
	if err := iss.issue(ctx); err != nil {
		return placed(s.Source, err)
	}
	s.authorizationWorker = &authorizationWorker{issuer: iss, metrics: metricsIn(ctx), refusals: a.refusals, audit: a.audit, logger: ctx.Logger()}
	s.endpoints = oauth.NewEndpoints(iss.url)
	if s.proofs, err = oauth.NewProofs(iss.url, a.state.Once); err != nil {
		return placed(s.Source, err)
	}
	if s.verifier, err = verifier.New(time.Now, iss.verifies()); err != nil {
		return placed(s.Source, err)
	}
	a.handlerLoaded()
	return nil
}

func (s *AuthorizationServer) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch originalPath(r) {
	case s.endpoints.Token:
		return s.serveToken(w, r)
	case s.endpoints.Authorization:
		return oauth.WriteAuthorization(w, r, s.issuer.Issuer)
	case s.endpoints.Introspection:
		return s.serveIntrospection(w, r)
	case s.endpoints.Revocation:
		return s.serveRevocation(w, r)
	case s.endpoints.JWKS:
		keys := s.issuer.keys.KeySet()
		return serveDocument(w, r, "application/jwk-set+json", keys.ETag, keys.JSON)
	case s.endpoints.AuthorizationServerMetadata, s.endpoints.OpenIDConfiguration:
		return s.serveMetadata(w, r)
	default:
		return next.ServeHTTP(w, r)
	}
}

// serveToken serves the token endpoint (RFC 6749 section 3.2).
func (s *AuthorizationServer) serveToken(w http.ResponseWriter, r *http.Request) error {
	policy := s.issuer.policy()
	if policy.AllowBrowser(w, r) {
		return nil
	}
	ctx, whole := beginPhase(r.Context(), "token", s.metrics.TokenDuration(s.issuer.Issuer, metrics.WholeRequest))
	issued, err := s.issueToken(ctx, w, r, policy)
	refusal := refusalOf(err)
	s.endToken(&whole, issued, refusal)
	format := oauth.FormatOf(r)
	if refusal != nil {
		s.recordRefusal(r, issued, refusal)
		return oauth.WriteError(w, format, refusal)
	}
	s.recordToken(r, issued)
	if issued.client.Secret != nil && !s.issuer.HideSecretExpiry {
		oauth.WriteSecretExpiry(w, issued.client.Secret, time.Now())
	}
	return oauth.WriteToken(w, format, issued.token, issued.signed, issued.request.Scope)
}

// issuance is the data of a token request, as far as it was handled.
type issuance struct {
	request *oauth.TokenRequest
	client  *oauth.Client
	token   *oauth.AccessToken
	signed  string
	keyID   string
}

func (s *AuthorizationServer) issueToken(ctx context.Context, w http.ResponseWriter, r *http.Request, policy oauth.Policy) (*issuance, error) {
	issued := new(issuance)
	var err error
	if issued.request, err = oauth.ParseTokenRequest(w, r, policy); err != nil {
		return issued, err
	}
	applications := s.issuer.applications.Load()
	_, authenticating := beginPhase(ctx, "authenticate", s.metrics.TokenDuration(s.issuer.Issuer, metrics.Authenticate))
	issued.client, err = s.authenticate(r, applications, issued.request.Credentials)
	authenticating.end()
	if err != nil {
		return issued, err
	}
	grant, err := oauth.Authorize(applications, issued.client, issued.request, time.Duration(s.issuer.TokenLifetime))
	if err != nil {
		return issued, err
	}
	confirmation, err := s.proofs.Confirm(issued.client, issued.request, time.Now())
	if err != nil {
		return issued, err
	}
	if err := s.issuer.takeFromQuota(r.Context(), issued.client.Application); err != nil {
		return issued, err
	}
	if err := s.proofs.Use(r.Context(), issued.client, confirmation); err != nil {
		return issued, err
	}
	issued.token = oauth.NewAccessToken(s.issuer.Issuer, issued.client, grant, time.Now())
	issued.token.Confirmation = confirmation
	claims, err := issued.token.Claims()
	if err != nil {
		return issued, err
	}
	_, signed := beginPhase(ctx, "sign", s.metrics.TokenDuration(s.issuer.Issuer, metrics.Sign))
	issued.signed, issued.keyID, err = s.issuer.keys.Sign(claims)
	signed.end()
	return issued, err
}

// authenticate authenticates the client of all endpoints.
func (s *AuthorizationServer) authenticate(r *http.Request, applications *application.Set, c oauth.Credentials) (*oauth.Client, error) {
	client, err := s.issuer.authenticator.Authenticate(r.Context(), applications, c, clientIP(r))
	if err != nil {
		return nil, err
	}
	if client.Secret != nil {
		s.issuer.usage.CountSecret(s.issuer.Issuer, client.Application.ClientID, client.Secret.ID, clientIP(r))
	}
	return client, nil
}

// refusalOf returns the answer for an error, or nil if there is none.
func refusalOf(err error) *oauth.Error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		return refusal
	}
	return oauth.InternalError(err)
}

// serveMetadata serves the metadata document (RFC 8414 section 3).
func (s *AuthorizationServer) serveMetadata(w http.ResponseWriter, r *http.Request) error {
	document, err := oauth.Metadata(s.issuer.url, s.issuer.applications.Load().ScopeNames(), s.issuer.signingAlgorithms())
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	return serveDocument(w, r, "application/json", "", document)
}

// documentMaxAge is how long caches may keep a published document: shorter than
// any time for which a key is published before it signs.
var documentMaxAge = fmt.Sprintf("public, max-age=%d", int(signing.MaxAge.Seconds()))

// serveDocument serves a public document to GET and HEAD, with revalidation.
func serveDocument(w http.ResponseWriter, r *http.Request, contentType, etag string, document []byte) error {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", documentMaxAge)
	if etag != "" {
		h.Set("ETag", etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(document))
	return nil
}

// takeFromQuota takes one token from the quota of the Application. The client is
// authenticated by now, so no client can use the quota of another.
func (iss *Issuer) takeFromQuota(ctx context.Context, a *application.Application) error {
	if a.Quota.Tokens == 0 {
		return nil
	}
	// Neither of the two has a space in it.
	if wait := iss.state.Take(ctx, iss.Issuer+" "+a.ClientID, a.Quota.Tokens, a.Quota.Per); wait > 0 {
		return oauth.QuotaExceeded(wait)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*AuthorizationServer)(nil)
	_ caddyhttp.MiddlewareHandler = (*AuthorizationServer)(nil)
)
