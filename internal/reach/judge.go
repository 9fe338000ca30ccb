package reach

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// subject is the Application that is judged, and the features that the judgement reads.
// Read everything on which the answer depends through it.
type subject struct {
	*application.Application

	issuer *issuer
	index  int32
	reads  []feature
}

func (s *subject) read(kind kind, name string) {
	if f := (feature{kind, name}); !slices.Contains(s.reads, f) {
		s.reads = append(s.reads, f)
	}
}

func (s *subject) has(scope string) bool {
	s.read(hasScope, scope)
	return slices.Contains(s.Scopes, scope)
}

func (s *subject) hasScopeOf(r *application.Resource) bool {
	s.read(hasScopeOf, r.Name)
	return slices.ContainsFunc(s.Scopes, func(scope string) bool { return s.issuer.owner[scope] == r })
}

// allScopesOf returns its scopes of the resource.
func (s *subject) allScopesOf(r *application.Resource) []string {
	s.read(allScopesOf, r.Name)
	return s.issuer.scopesOf(s.Application, r)
}

// readToken notes what the verifies have read of a token, except its scopes.
func (s *subject) readToken(q *question, v *probe.Verdict) {
	s.read(howBound, "")
	for _, step := range v.Asked {
		required := step.Verify.Requirement(s.issuer.URL)
		if required == nil {
			continue
		}
		if required.MaxLifetime > 0 {
			s.read(howLongValid, "")
		}
		for _, rule := range required.Claims {
			s.readClaim(rule.Path[0])
		}
		for _, path := range required.Present {
			s.readClaim(path[0])
		}
		for _, e := range required.Expressions {
			s.readExpression(e.Reads())
		}
		s.readHeaders(q, step.Verify)
	}
	if len(v.Asked) > 0 && q.m.probe.Mentions("http.auth.user") {
		s.read(whoItIs, "")
	}
}

func (s *subject) readExpression(r verifier.Reads) {
	for _, name := range r.Claims {
		s.readClaim(name)
	}
	if r.AllClaims {
		s.read(allClaims, "")
	}
	if r.AllClaims || r.ClientID {
		s.read(whoItIs, "")
	}
}

// readHeaders is for the headers that a verify sets. Routes can match on them. A verify
// refuses a claim that does not fit into a header.
func (s *subject) readHeaders(q *question, v *tokenidp.Verify) {
	for _, h := range v.ClaimHeaders {
		name := strings.SplitN(strings.TrimPrefix(h.Claim, "/"), "/", 2)[0]
		decides := q.m.probe.Mentions(h.Header)
		switch {
		case decides && (h.Claim == "*" || slices.Contains(oauth.ClaimNames, name)):
			s.read(whoItIs, "")
		case h.Claim == "*":
			s.read(allClaims, "")
		case !slices.Contains(oauth.ClaimNames, name):
			s.readClaim(name)
		}
	}
}

// readClaim notes that a claim was read. Claims that are equal in all tokens, or new in
// each token, are no features of the Application.
func (s *subject) readClaim(name string) {
	switch name {
	case "client_id", "sub":
		s.read(whoItIs, "")
	case "exp":
		s.read(howLongValid, "")
	case "iss", "aud", "scope", "iat", "jti", "cnf":
	default:
		s.read(claim, name)
	}
}

// judge decides whether the Application gets through.
func (q *question) judge(s *subject) (*Class, error) {
	s.read(getsToken, "")
	if refused := oauth.CannotAuthenticate(s.Application, s.issuer.now); refused != nil {
		return deniedToken(refused), nil
	}
	required := q.first.Verify.Requirement(s.issuer.URL)
	if required == nil {
		return &Class{Reason: string(verifier.UnknownIssuer), Cause: "tokens of " + s.issuer.URL + " are not accepted", By: q.first}, nil
	}
	var best *Class
	for _, resource := range s.issuer.resources {
		if !required.Accepts(resource.Audience()) || !s.hasScopeOf(resource) {
			continue
		}
		c, err := q.judgeAt(s, resource)
		if err != nil || c.Allowed {
			return c, err
		}
		best = cmp.Or(best, c)
	}
	if best != nil {
		return best, nil
	}
	audiences := required.AcceptedAudiences()
	c := &Class{Reason: string(verifier.MissingScope), Cause: "it has no scope of " + strings.Join(audiences, " or "), By: q.first}
	if len(audiences) == 1 {
		c.Missing = required.ScopesFor(audiences[0])
	}
	return c, nil
}

// judgeAt tries the tokens for one resource. It tries the token with the least scope. If
// rules may forbid a scope or require another one, it also tries each scope alone, and all
// scopes.
func (q *question) judgeAt(s *subject, r *application.Resource) (*Class, error) {
	first, err := q.judgeLeast(s, r)
	if err != nil || first.Allowed || len(first.Missing) > 0 || !q.scopesMatter(s, first) {
		return first, err
	}
	all := s.allScopesOf(r)
	for _, scopes := range append(slices.Collect(slices.Chunk(all, 1)), all) {
		a := &attempt{question: q, subject: s, resource: r, scopes: scopes}
		if c, err := a.judge(); err != nil || c.Allowed {
			return c, err
		}
	}
	return first, nil
}

// scopesMatter reports whether a token with other scopes may get through.
func (q *question) scopesMatter(s *subject, c *Class) bool {
	if q.m.probe.Mentions("token_scope") || q.m.probe.Mentions("http.auth.user") {
		return true
	}
	return slices.ContainsFunc(c.Verdict.Asked, func(step probe.Step) bool { return readsScopes(step.Verify, s.issuer.URL, true) })
}

// readsScopes reports whether a verify reads the scopes of a token. With beyond, the scopes
// that it requires do not count.
func readsScopes(v *tokenidp.Verify, issuer string, beyond bool) bool {
	required := v.Requirement(issuer)
	if required == nil {
		return false
	}
	for _, e := range required.Expressions {
		if r := e.Reads(); r.Scopes || r.AllClaims || slices.Contains(r.Claims, "scope") {
			return true
		}
	}
	for _, rule := range required.Claims {
		if rule.Path[0] == "scope" {
			return true
		}
	}
	return !beyond && len(required.Scopes)+len(required.Alternatives) > 0
}

// judgeLeast asks only for the scopes that the verifies on the way require.
func (q *question) judgeLeast(s *subject, r *application.Resource) (*Class, error) {
	a := &attempt{question: q, subject: s, resource: r}
	if refused := a.require(q.first); refused != nil {
		return refused, nil
	}
	return a.judge()
}

// attempt is one try with a token.
type attempt struct {
	*question
	*subject

	resource *application.Resource
	scopes   []string
	least    bool // the scopes are no more than the required ones
	binding  probe.Binding
}

// require adds the scopes that a verify requires. It returns the refusal if that is
// impossible.
func (a *attempt) require(step *probe.Step) *Class {
	a.least = true
	required, audience := step.Verify.Requirement(a.issuer.URL), a.resource.Audience()
	if required == nil || !required.Accepts(audience) {
		return &Class{Reason: string(verifier.WrongAudience), Cause: "tokens for " + audience + " are not accepted", By: step}
	}
	missing := slices.DeleteFunc(slices.Clone(required.Scopes), a.has)
	needed := slices.Clone(required.Scopes)
	alternatives := ofAudience(required.Alternatives, audience)
	if len(required.Alternatives) > 0 {
		if i := slices.IndexFunc(alternatives, func(scope string) bool { return slices.Contains(a.scopes, scope) || a.has(scope) }); i >= 0 {
			needed = append(needed, alternatives[i])
		} else {
			missing = append(missing, ofAudience(required.Alternatives, "")...)
		}
	}
	if len(missing) > 0 {
		return &Class{Reason: string(verifier.MissingScope), Cause: "it lacks " + describe(required, missing), Missing: missing, By: step}
	}
	for _, scope := range needed {
		if !slices.Contains(a.scopes, scope) {
			a.scopes = append(a.scopes, scope)
		}
	}
	return nil
}

// describe puts "or" between scopes if one of them is enough.
func describe(r *verifier.Requirement, scopes []string) string {
	var all, either []string
	for _, scope := range scopes {
		if slices.Contains(r.Scopes, scope) {
			all = append(all, scope)
		} else {
			either = append(either, scope)
		}
	}
	if len(either) > 0 {
		all = append(all, strings.Join(either, " or "))
	}
	return strings.Join(all, " and ")
}

// ofAudience returns the scopes of the audience, or all of them for "".
func ofAudience(alternatives []verifier.Alternative, audience string) (scopes []string) {
	for _, a := range alternatives {
		if (a.Audience == audience || audience == "") && !slices.Contains(scopes, a.Scope) {
			scopes = append(scopes, a.Scope)
		}
	}
	return scopes
}

// judge sends the request. It adds to the token what the verifies require, until there is
// nothing to add.
func (a *attempt) judge() (*Class, error) {
	for {
		v, err := a.request()
		if err != nil {
			return deniedToken(err), nil // the token endpoint refuses
		}
		a.readToken(a.question, v)
		step := blocked(v)
		if step == nil {
			return a.decided(v), nil
		}
		before := len(a.scopes)
		switch verifier.Reason(step.Reason) {
		case verifier.MissingScope:
			if refused := a.require(step); refused != nil {
				refused.Verdict = v
				return refused, nil
			}
			if len(a.scopes) > before {
				continue
			}
		case verifier.NotSenderConstrained:
			if a.binding == probe.Unbound && slices.Contains(step.Verify.Requirement(a.issuer.URL).SenderConstrained, verifier.ByDPoP) && !a.DPoPBound {
				a.binding = probe.ByDPoP
				continue
			}
		default:
		}
		return &Class{Reason: step.Reason, Cause: step.Cause, By: step, Verdict: v}, nil
	}
}

func deniedToken(err error) *Class {
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		return &Class{Reason: string(refusal.Reason), Cause: fmt.Sprint(cmp.Or(refusal.Cause, err))}
	}
	return &Class{Reason: string(oauth.ReasonInternal), Cause: err.Error()}
}

// request sends the request with the token. If no scope is required, it uses any scope.
func (a *attempt) request() (*probe.Verdict, error) {
	scopes := a.scopes
	if len(scopes) == 0 {
		scopes = a.issuer.anyScope(a.index, a.resource.Audience())
	}
	t, err := a.m.probe.Grant(a.issuer.URL, a.ClientID, scopes, a.binding)
	if err != nil {
		return nil, err
	}
	v, err := a.ask(t)
	if err != nil {
		return nil, err
	}
	if len(a.scopes) == 0 && (a.m.probe.Mentions("token_scope") ||
		slices.ContainsFunc(v.Asked, func(step probe.Step) bool { return readsScopes(step.Verify, a.issuer.URL, false) })) {
		a.allScopesOf(a.resource) // it matters which scope was used
	}
	return v, nil
}

// decided returns the class of a request that no verify refuses.
func (a *attempt) decided(v *probe.Verdict) *Class {
	if !v.Allowed {
		return &Class{Reason: v.Reason, Cause: v.Cause, Verdict: v}
	}
	return &Class{
		Allowed: true, Scope: a.scopes, AnyScope: len(a.scopes) == 0, Audience: a.resource.Audience(), Verdict: v,
		Conditions: append(a.bindings(), a.conditions(v, a.issuer.URL)...),
	}
}

func (a *attempt) bindings() (all []string) {
	if a.DPoPBound || a.binding == probe.ByDPoP {
		all = append(all, withProof)
	}
	if a.CertificateBound {
		all = append(all, withCertificate)
	}
	return all
}

const (
	withProof       = "with a DPoP proof"
	withCertificate = "over a connection with its certificate"
)

// conditions returns the conditions of the verifies on the way, and those that the request
// assumes.
func (q *question) conditions(v *probe.Verdict, issuer string) (all []string) {
	add := func(text string) {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	for _, step := range v.Asked {
		required := step.Verify.Requirement(issuer)
		if required == nil {
			continue
		}
		if required.MaxAge > 0 {
			add(fmt.Sprintf("with a token not older than %s", required.MaxAge))
		}
		for _, e := range required.Expressions {
			if q.assumes(e) {
				add("where " + e.String())
			}
		}
	}
	return all
}
