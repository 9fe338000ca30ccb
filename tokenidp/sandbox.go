package tokenidp

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/metrics"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Sandbox provisions an App that never serves, to find out what it does with requests. It
// shares nothing with other configurations of the process, which may serve at the same
// time. It neither reads nor makes keys of the operator, fetches nothing and stores
// nothing. What only the server has, such as a secret, counts as present.
type Sandbox struct {
	// Applications, unless nil, are in force instead of the files, by the issuer's URL.
	Applications map[string]*application.Set

	observe    func(*http.Request, Observation) bool
	absent     func(what string)
	logger     *zap.Logger
	keys       *sandboxKeys
	metrics    *metrics.Counters
	carryovers *caddy.UsagePool
	app        *App // nil until it is provisioned
}

// Observation is what a verify has decided on a request.
type Observation struct {
	Verify *Verify
	// Claims are those of the token, or nil if it was not verified.
	Claims *verifier.Claims
	// Headers are the claim headers that are set.
	Headers http.Header
	// Err is nil if the request passes.
	Err error
}

// NewSandbox returns a sandbox. It calls observe with the decision of each verify on a
// request. If that returns true, the request passes in any case. It calls absent with the
// place of each file that the configuration names and that is not here. The logger gets the
// warnings of a load.
func NewSandbox(observe func(*http.Request, Observation) bool, absent func(what string), logger *zap.Logger) (*Sandbox, error) {
	keys, err := newSandboxKeys()
	return &Sandbox{observe: observe, absent: absent, logger: logger, keys: keys, metrics: metrics.NewCounters(), carryovers: caddy.NewUsagePool()}, err
}

type sandboxKey struct{}

// In returns the context in which to provision the modules.
func (s *Sandbox) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, sandboxKey{}, s)
}

// sandboxFrom returns the sandbox of the configuration, or nil if that may serve.
func sandboxFrom(ctx context.Context) *Sandbox {
	s, _ := ctx.Value(sandboxKey{}).(*Sandbox)
	return s
}

// loggerIn returns the logger of the module that is provisioned.
func loggerIn(ctx caddy.Context) *zap.Logger {
	if s := sandboxFrom(ctx); s != nil {
		return s.logger
	}
	return ctx.Logger()
}

// metricsIn returns the counters of the process, or in a sandbox its own.
func metricsIn(ctx context.Context) *metrics.Counters {
	if s := sandboxFrom(ctx); s != nil {
		return s.metrics
	}
	return counters
}

// reportAbsent reports the files that are not here.
func (s *Sandbox) reportAbsent(source string, files ...string) {
	for _, file := range files {
		if file == "" {
			continue
		}
		if f, err := os.Open(file); err != nil { //nolint:gosec // an operator names it
			s.absent(placedText(source, file))
		} else {
			_ = f.Close() // nothing was read
		}
	}
}

// Warn logs what a configuration that serves warns of at its start. routes are those of
// the whole configuration: in a sandbox, other handlers may stand for those that serve.
func (s *Sandbox) Warn(routes *route.Config) {
	a := s.app
	a.warnOfRoutes(routes)
	a.warnOfUnused(routes)
	a.warnOfReportOnly()
	for _, iss := range a.Issuers {
		iss.warn()
	}
	for _, t := range a.Trusted {
		t.warn()
	}
	if module := a.configuredState(); module != nil {
		module.announce(a.logger)
	}
}

func placedText(source, text string) string {
	if source == "" {
		return text
	}
	return source + ": " + text
}

// App returns the App that was provisioned.
func (s *Sandbox) App() *App { return s.app }

// Issuers returns the Applications of the issuers of this server, by URL. They are nil for an
// issuer that declares none here.
func (s *Sandbox) Issuers() map[string]*application.Set {
	all := make(map[string]*application.Set)
	for _, iss := range s.app.Issuers {
		all[iss.Issuer] = iss.applications.Load()
	}
	return all
}

// TokenIssuer is an issuer whose tokens routes may accept.
type TokenIssuer struct {
	URL string
	// Applications are nil if they are not known here.
	Applications *application.Set
}

// TokenIssuers returns the issuers of this server and the trusted ones, in the order of the
// configuration.
func (s *Sandbox) TokenIssuers() (all []TokenIssuer) {
	for _, iss := range s.app.Issuers {
		all = append(all, TokenIssuer{iss.Issuer, iss.applications.Load()})
	}
	for _, t := range s.app.Trusted {
		all = append(all, TokenIssuer{URL: t.Issuer})
	}
	return all
}

// Audiences returns the audiences that routes accept in tokens of the issuer.
func (s *Sandbox) Audiences(issuer string) (all []string) {
	for _, v := range s.app.routes {
		if rule := v.rules[issuer]; rule != nil {
			all = union(all, rule.requires().AcceptedAudiences())
		}
	}
	return all
}

// Route returns where the verify is configured, as file:line, and whether it only reports.
func (v *Verify) Route() (source string, reportOnly bool) { return v.Source, v.ReportOnly }

// Assumption is what counts as true of a request that stands for others.
type Assumption int

// Nothing counts as true, or expressions that read the request, or all expressions.
const (
	AssumeNothing Assumption = iota
	AssumeAboutRequest
	AssumeExpressions
)

type assumptionKey struct{}

// Assume returns a context for requests in a sandbox.
func Assume(ctx context.Context, a Assumption) context.Context {
	return context.WithValue(ctx, assumptionKey{}, a)
}

// assumes reports whether the refusal is for nothing but expressions that count as true.
func (v *Verify) assumes(r *http.Request, claims *verifier.Claims, err error) bool {
	if v.observe == nil {
		return false
	}
	assumed, _ := r.Context().Value(assumptionKey{}).(Assumption)
	refusal, ok := errors.AsType[*verifier.Refusal](err)
	rule := v.rules[claims.Issuer]
	if assumed == AssumeNothing || !ok || refusal.Reason != verifier.ExpressionRefused || rule == nil {
		return false
	}
	certain := *rule.requires()
	certain.Expressions = slices.DeleteFunc(slices.Clone(certain.Expressions), func(e *verifier.Expression) bool {
		return assumed == AssumeExpressions || e.AsksRequest
	})
	return claims.Authorize(&certain, time.Now, r) == nil
}

// Required returns the scopes that the route requires of tokens of the issuer. It reports whether
// the route accepts such tokens.
func (v *Verify) Required(issuer string) (scopes []string, accepted bool) {
	rule := v.rules[issuer]
	if rule == nil {
		return nil, false
	}
	required := rule.requires()
	for _, audience := range required.AcceptedAudiences() {
		return required.ScopesFor(audience), true
	}
	return nil, true
}

// Serves reports whether the request is for an endpoint of the issuer.
func (s *AuthorizationServer) Serves(r *http.Request) bool {
	switch originalPath(r) {
	case s.endpoints.Token, s.endpoints.Authorization, s.endpoints.Introspection, s.endpoints.Revocation,
		s.endpoints.JWKS, s.endpoints.AuthorizationServerMetadata, s.endpoints.OpenIDConfiguration:
		return true
	}
	return false
}

type assumedKey struct{}

// AssumeScopes returns the request with the answer of token_scope, if a verify of a
// sandbox lets the request pass without a token.
func AssumeScopes(r *http.Request, matches bool) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), assumedKey{}, matches))
}

func assumesScopes(r *http.Request) bool {
	matches, _ := r.Context().Value(assumedKey{}).(bool)
	return matches
}
