package tokenidp

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func init() {
	caddy.RegisterModule(Verify{})
}

// Verify lets a request through only with an access token (RFC 6750) that one
// of its issuers signed, for the API that owns the scopes asked for. Requests
// without one are answered with 401, requests whose token lacks a scope with
// 403, both as errors that `handle_errors` can handle.
//
// After a verified request these placeholders are set:
//
// Placeholder | Description
// ------------|---------------
// `{http.auth.user.id}` | The client that the token was issued to
// `{http.auth.user.scope}` | The token's scopes, separated by spaces
// `{http.auth.user.iss}` | The token's issuer
// `{http.auth.user.claims.*}` | Any claim of the token
//
// After a refused one, `{http.tokenidp.reason}` is the reason code.
type Verify struct {
	// The scopes that a token must have, all of them. They belong to one API
	// resource, and tokens for another are refused.
	Scopes []string `json:"scopes,omitempty"`

	// Scopes of which a token must have at least one, each for the API
	// resource that owns it.
	AnyScope []string `json:"any_scope,omitempty"`

	// The URLs of the issuers whose tokens are accepted: those of this server, and
	// trusted ones. Default: the only issuer of this server, or, without any, the
	// only trusted one.
	Issuers []string `json:"issuers,omitempty"`

	// The audiences of which a token must have one. Default: the API resource
	// that owns the scopes.
	Audience []string `json:"audience,omitempty"`

	// Claims that a token must have, each with the values of which one must be
	// there. All of them are asked for.
	Claims []ClaimRule `json:"claims,omitempty"`

	// The realm of the challenge sent with 401 and 403. Default: the first
	// issuer's URL.
	Realm string `json:"realm,omitempty"`

	// Request headers that tell the upstream about the token. The same names
	// sent by the client are removed from every request through this handler,
	// in every spelling.
	ClaimHeaders []ClaimHeader `json:"claim_headers,omitempty"`

	// Leave the Authorization header on the request. By default a token is
	// removed, whether it was verified or refused, so that the upstream never
	// holds one that it could use elsewhere.
	ForwardAuthorization bool `json:"forward_authorization,omitempty"`

	// Let CORS preflight requests through without a token, since browsers send
	// none with them. By default OPTIONS needs a token like any other method.
	AllowPreflight bool `json:"allow_preflight,omitempty"`

	// Verify only requests that match. Others pass on without a token, and
	// without the claim headers.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Where this handler is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	matchers caddyhttp.MatcherSets
	verifier *verifier.Verifier
	rules    map[string]rule // by issuer URL
	claims   []verifier.ClaimRule
	app      *App
	metrics  *metrics
	logger   *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Verify) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.verify",
		New: func() caddy.Module { return new(Verify) },
	}
}

// Provision compiles what this route asks of a token.
func (v *Verify) Provision(ctx caddy.Context) error {
	return placed(v.Source, v.provision(ctx))
}

func (v *Verify) provision(ctx caddy.Context) error {
	v.logger = ctx.Logger()
	a, err := app(ctx)
	if err != nil {
		return err
	}
	v.app, v.metrics = a, a.metrics
	issuers, err := v.resolveIssuers(a)
	if err != nil {
		return err
	}
	if v.claims, err = claimRules(v.Claims); err != nil {
		return err
	}
	sources := make([]*verifier.Issuer, 0, len(issuers))
	v.rules = make(map[string]rule, len(issuers))
	for _, iss := range issuers {
		if v.rules[iss.id()], err = iss.newRule(v); err != nil {
			return err
		}
		sources = append(sources, iss.verifies())
	}
	if v.verifier, err = verifier.New(time.Now, sources...); err != nil {
		return err
	}
	a.routes = append(a.routes, v)
	if v.Realm == "" {
		v.Realm = issuers[0].id()
	}
	if err := checkClaimHeaders(v.ClaimHeaders); err != nil {
		return err
	}
	if !slices.ContainsFunc(issuers, isTrusted) {
		v.warnOfUnknownClaims()
	}
	return v.provisionMatchers(ctx)
}

// warnOfUnknownClaims names headers that will never be set.
func (v *Verify) warnOfUnknownClaims() {
	for _, h := range v.ClaimHeaders {
		if !slices.Contains(oauth.ClaimNames, h.Claim) {
			v.logger.Warn("no token issued here has the claim of this claim_header, so it will never be set",
				zap.String("header", h.Header), zap.String("claim", h.Claim), zap.Strings("claims", oauth.ClaimNames), zap.String("source", v.Source))
		}
	}
}

func isTrusted(iss tokenIssuer) bool {
	_, ok := iss.(*TrustedIssuer)
	return ok
}

func (v *Verify) resolveIssuers(a *App) ([]tokenIssuer, error) {
	if len(v.Issuers) == 0 {
		iss, err := a.tokenIssuer("")
		return []tokenIssuer{iss}, err
	}
	var issuers []tokenIssuer
	for _, name := range v.Issuers {
		iss, err := a.tokenIssuer(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(issuers, iss) {
			return nil, fmt.Errorf("the issuer %s is named twice", name)
		}
		issuers = append(issuers, iss)
	}
	return issuers, nil
}

func (v *Verify) provisionMatchers(ctx caddy.Context) error {
	if len(v.MatcherSetsRaw) == 0 {
		return nil
	}
	byPath := v.matchesPath()
	loaded, err := ctx.LoadModule(v, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	if err := v.matchers.FromInterface(loaded); err != nil {
		return err
	}
	if byPath && afterRewrite(ctx.Modules()) {
		v.logger.Warn("this verify matches on a path that a rewrite before it may have changed, so requests may pass unverified; "+
			"put `handle <path> { verify … }` around the route instead",
			zap.String("source", v.Source))
	}
	return nil
}

func (v *Verify) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	admitted := admittedFrom(r)
	v.removeClaimHeaders(r, admitted)
	applies, err := v.applies(r)
	if err != nil {
		return err
	}
	if !applies {
		return next.ServeHTTP(w, r)
	}
	claims, err := v.authenticate(r, admitted)
	if err != nil {
		return v.refuse(w, r, nil, err)
	}
	if err := v.judge(claims); err != nil {
		return v.refuse(w, r, claims, err)
	}
	values, err := v.claimHeaderValues(claims)
	if err != nil {
		return v.refuse(w, r, claims, err)
	}
	v.metrics.requestAllowed()
	if c := v.logger.Check(zap.DebugLevel, "request verified"); c != nil {
		c.Write(zap.String("client_id", claims.ClientID), zap.String("jti", claims.ID), zap.String("source", v.Source))
	}
	return next.ServeHTTP(w, v.admit(r, claims, values, admitted))
}

// applies tells whether the request must be verified. A matcher that fails is
// an error, never a "no".
func (v *Verify) applies(r *http.Request) (bool, error) {
	if v.AllowPreflight && isPreflight(r) {
		return false, nil
	}
	if len(v.matchers) == 0 {
		return true, nil
	}
	return v.matchers.AnyMatchWithError(r)
}

// isPreflight recognises a CORS preflight (Fetch standard, section 4.8).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// authenticate verifies the token of the request. Behind another verify it is
// the token verified there: the Authorization header may be gone by now.
func (v *Verify) authenticate(r *http.Request, before *admission) (*verifier.Claims, error) {
	if before != nil {
		return before.claims, nil
	}
	token, err := verifier.BearerToken(r.Header)
	if err != nil {
		return nil, err
	}
	return v.verifier.Verify(r.Context(), token)
}

// judge is the verdict of this route on a verified token. One of another issuer's,
// which a verify before this may accept, has no rule here and is refused.
func (v *Verify) judge(claims *verifier.Claims) error {
	rule, ok := v.rules[claims.Issuer]
	if !ok {
		return claims.Authorize(nil)
	}
	return rule.judge(claims)
}

// refuse answers with the challenge that RFC 6750 section 3 asks for, and tells
// the operator the reason.
func (v *Verify) refuse(w http.ResponseWriter, r *http.Request, claims *verifier.Claims, err error) error {
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	if refusal.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	} else {
		w.Header().Add("WWW-Authenticate", refusal.Challenge(v.Realm, v.metadataURL()))
	}
	if holdsBodyBack(r) {
		w.Header().Set("Connection", "close")
	}
	// The route of an error may lead upstream too. Without a token, the header
	// holds nothing, or credentials that are not for verify to take away.
	if !v.ForwardAuthorization && refusal.Reason != verifier.NoToken {
		r.Header.Del("Authorization")
	}
	setRefused(r, refusal)
	v.metrics.requestRefused(refusal.Reason)
	if c := v.logger.Check(zap.InfoLevel, "request refused"); c != nil {
		fields := []zap.Field{
			zap.String("reason", string(refusal.Reason)),
			zap.Int("status", refusal.Status),
			zap.String("method", loggable(r.Method)),
			zap.String("host", loggable(r.Host)),
			zap.String("path", loggable(originalPath(r))),
			zap.Stringer("client_ip", clientIP(r)),
			zap.String("source", v.Source),
		}
		if refusal.Code != "" {
			fields = append(fields, zap.String("error", refusal.Code))
		}
		if cause := refusal.Unwrap(); cause != nil {
			fields = append(fields, zap.String("cause", loggable(cause.Error())))
		}
		if claims != nil {
			fields = append(fields, zap.String("client_id", claims.ClientID), zap.String("jti", claims.ID), zap.Strings("scope", claims.Scope))
		}
		c.Write(fields...)
	}
	return caddyhttp.Error(refusal.Status, refusal)
}

// holdsBodyBack tells whether the client sends its body only when told to go on
// (RFC 9110 section 10.1.1). Over HTTP/1, net/http would tell it so before it
// answers, to use the connection again: it does not know better, because Caddy puts
// a reader of its own before the body. Where the connection ends, it does not.
func holdsBodyBack(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ContentLength != 0 && r.Header.Get("Expect") != ""
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Verify)(nil)
	_ caddyhttp.MiddlewareHandler = (*Verify)(nil)
)
