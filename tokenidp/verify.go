package tokenidp

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimheader"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/metrics"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
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
	Requirements

	// The names of policies, of which all that they ask is asked as well.
	Policies []string `json:"policies,omitempty"`

	// The URLs of the issuers whose tokens are accepted: those of this server, and
	// trusted ones. Default: the only issuer of this server, or, without any, the
	// only trusted one.
	Issuers []string `json:"issuers,omitempty"`

	// The realm of the challenge sent with 401 and 403. Default: the first
	// issuer's URL.
	Realm string `json:"realm,omitempty"`

	// Request headers that tell the upstream about the token. The same names
	// sent by the client are removed from every request through this handler,
	// in every spelling.
	ClaimHeaders []ClaimHeader `json:"claim_headers,omitempty"`

	// The origins, such as https://api.example.com, under which clients call this API:
	// the URL in a DPoP proof (RFC 9449) must begin with one of them, also where a verify
	// before this has accepted the proof for origins of its own. Default: those of
	// the app, or else those of the issuers of this server whose tokens are accepted.
	DPoPOrigins []string `json:"dpop_origins,omitempty"`

	// Leave the Authorization header on the request. By default a token is
	// removed, whether it was verified or refused, so that the upstream never
	// holds one that it could use elsewhere.
	ForwardAuthorization bool `json:"forward_authorization,omitempty"`

	// Let requests through that would be refused, and record them: `caddy tokenidp
	// report` shows which clients enforcement would refuse. Nothing else changes for
	// them. The Authorization header stays on every request. Default: false.
	ReportOnly bool `json:"report_only,omitempty"`

	// Let CORS preflight requests through without a token, since browsers send
	// none with them. By default OPTIONS needs a token like any other method.
	AllowPreflight bool `json:"allow_preflight,omitempty"`

	// Verify only requests that match. Others pass on without a token, and
	// without the claim headers.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Where this handler is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	*verifyWorker // set by provision
}

// verifyWorker is what a Verify checks requests with.
type verifyWorker struct {
	matchers caddyhttp.MatcherSets
	headers  claimheader.Headers
	verifier *verifier.Verifier
	rules    map[string]rule // by issuer URL
	origins  []weburl.Origin
	observe  func(*http.Request, Observation) bool // nil where requests are served
	app      *App
	routes   []*route.Route // by which requests come to it, see findVerifies
	deciding deciding
	recorder
	metrics *metrics.Counters
	logger  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Verify) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.verify",
		New: func() caddy.Module { return new(Verify) },
	}
}

// Provision compiles the requirements of this route.
func (v *Verify) Provision(ctx caddy.Context) error {
	return placed(v.Source, v.provision(ctx))
}

func (v *Verify) provision(ctx caddy.Context) error {
	if err := expandPlaceholders(v); err != nil {
		return err
	}
	a, err := app(ctx)
	if err != nil {
		return err
	}
	v.verifyWorker = &verifyWorker{app: a, metrics: metricsIn(ctx), logger: loggerIn(ctx)}
	v.recorder = recorder{usage: a.usage, audit: a.audit, recorded: sync.OnceValue(v.recordedRoutes), debug: v.logger.Core().Enabled(zap.DebugLevel)}
	if s := sandboxFrom(ctx); s != nil {
		v.observe = s.observe
	}
	issuers, err := v.resolveIssuers(a)
	if err != nil {
		return err
	}
	if err := v.applyPolicies(a); err != nil {
		return err
	}
	if err := v.compile(); err != nil {
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
	if v.names() == 0 {
		return errNamesNothing
	}
	if v.verifier, err = verifier.New(time.Now, sources...); err != nil {
		return err
	}
	v.deciding = newDeciding(v)
	if err := v.provisionBinding(a, issuers); err != nil {
		return err
	}
	a.routes = append(a.routes, v)
	if v.Realm == "" {
		v.Realm = issuers[0].id()
	}
	if v.headers, err = claimHeaders(v.ClaimHeaders); err != nil {
		return err
	}
	if !slices.ContainsFunc(issuers, isTrusted) {
		v.warnOfUnknownClaims(issuers)
	}
	if err := v.provisionMatchers(ctx); err != nil {
		return err
	}
	a.handlerLoaded()
	return nil
}

// warnOfUnknownClaims warns of headers that will never be set, according to the
// Applications in force.
func (v *Verify) warnOfUnknownClaims(issuers []tokenIssuer) {
	known := slices.Clone(oauth.ClaimNames)
	for _, iss := range issuers {
		set := iss.(*Issuer).applications.Load()
		if set == nil {
			return // they are declared elsewhere
		}
		known = append(known, set.ClaimNames()...)
	}
	for _, h := range v.ClaimHeaders {
		path, err := claimrule.ParsePath(h.Claim)
		if h.Claim != claimheader.All && err == nil && !slices.Contains(known, path[0]) {
			v.logger.Warn("no token issued here has the claim of this claim_header, so it will never be set", warning.UnknownClaimHeader.Log(),
				zap.String("header", h.Header), zap.String("claim", h.Claim), zap.Strings("claims", known), zap.String("source", v.Source))
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
	loaded, err := ctx.LoadModule(v, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	return v.matchers.FromInterface(loaded)
}

func (v *Verify) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	known := variables(r)
	admitted := admittedIn(known)
	v.removeClaimHeaders(r, admitted)
	applies, err := v.applies(r)
	if err != nil {
		return err
	}
	if !applies {
		return next.ServeHTTP(w, r)
	}
	_, checking := beginPhase(r.Context(), "verify", v.metrics.VerifyDuration)
	claims, headers, err := v.check(r, admitted)
	v.endCheck(&checking, r, claims, err)
	if v.observe != nil && v.observe(r, Observation{Verify: v, Claims: claims, Headers: headerOf(headers), Err: err}) && err != nil {
		return next.ServeHTTP(w, asReported(r))
	}
	switch {
	case err != nil && v.ReportOnly:
		return v.letThrough(w, r, next, claims, err)
	case err != nil:
		return v.refuse(w, r, claims, err)
	}
	v.recordAllowed(r, known, &checking, claims)
	v.admit(r, known, claims, headers, admitted)
	return next.ServeHTTP(w, r)
}

// check verifies and authorizes a request. After an error it also returns the claims, if
// they were verified.
func (v *Verify) check(r *http.Request, before *admission) (*verifier.Claims, []claimheader.Value, error) {
	claims, err := v.authenticate(r, before)
	if err != nil {
		return claims, nil, err
	}
	if err := v.authorize(claims, r); err != nil && !v.assumes(r, claims, err) {
		return claims, nil, err
	}
	headers, err := v.headers.Values(claims)
	return claims, headers, err
}

// applies reports whether the request must be verified. A matcher that fails is
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

// isPreflight reports whether the request is a CORS preflight (Fetch standard, section
// 4.8).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// authenticate returns the claims of the verified token. If an earlier verify has verified
// it, these are its claims: the Authorization header may be removed by now.
func (v *Verify) authenticate(r *http.Request, before *admission) (*verifier.Claims, error) {
	if before != nil {
		return before.claims, v.checkProofAgain(r, before.claims)
	}
	token, err := verifier.PresentedToken(r.Header)
	if err != nil {
		return nil, err
	}
	claims, err := v.verifier.Verify(r.Context(), token.Token)
	if err != nil {
		return nil, err
	}
	return claims, v.checkBinding(r, token, claims)
}

// authorize returns an error if a verified token may not pass this route. An earlier verify
// may accept the token of an issuer that has no rule here. Such a token is refused.
func (v *Verify) authorize(claims *verifier.Claims, r *http.Request) error {
	rule, ok := v.rules[claims.Issuer]
	if !ok {
		return claims.Authorize(nil, time.Now, r)
	}
	return rule.authorize(claims, r)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Verify)(nil)
	_ caddyhttp.MiddlewareHandler = (*Verify)(nil)
)
