package application

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const (
	mostFederated  = 20
	mostClaimRules = 20
	longestClaim   = 1024
)

// federated reads
//
//	federated:
//	  - issuer: <the iss of its tokens>
//	    audience: <text>                       # default: the issuer of this server
//	    subject: <text>                        # or subject_pattern
//	    subject_pattern: <pattern>
//	    claims: {<name or JSON Pointer>: <text> | [<text>, …]}
//	    claims_pattern: {<name or JSON Pointer>: <pattern>}
func (l *loader) federated(m *mapping, a *Application) {
	nodes := m.List("federated")
	switch {
	case len(nodes) == 0 && a.Active && strictyaml.IsEmptyList(m.Field("federated")):
		m.Fail(m.Field("federated"), "federated is empty; it could never authenticate: add an issuer, or write `active: false`")
	case len(nodes) > mostFederated:
		m.Fail(m.Field("federated"), "federated has %d entries; at most %d are accepted", len(nodes), mostFederated)
		return
	}
	for i, n := range nodes {
		fields := l.mapping(n, m.What+": "+l.NameOf("federated", n, "issuer", i), "issuer", "audience", "subject", "subject_pattern", "claims", "claims_pattern")
		if fields != nil {
			a.Federated = append(a.Federated, fields.federation())
		}
	}
}

func (m *mapping) federation() *Federation {
	f := &Federation{Source: m.At(m.Node).String()}
	var at *strictyaml.Node
	if f.Issuer, at = m.Required("issuer"); at != nil && !isClaimValue(f.Issuer) {
		m.FailField(at, "issuer", "must be the iss of its tokens, such as https://token.actions.githubusercontent.com")
	}
	if f.Audience, at = m.Text("audience"); at != nil && !isClaimValue(f.Audience) {
		m.FailField(at, "audience", "must be 1 to %d printable characters", longestClaim)
	}
	f.Claims = append(m.subjectRule(), m.claimRules()...)
	f.Claims = append(f.Claims, m.patternRules()...)
	switch {
	case m.Has("subject") && m.Has("subject_pattern"):
		m.Fail(m.Node, "has both subject and subject_pattern; keep one")
	case !m.Has("subject") && !m.Has("subject_pattern") && !m.Has("claims"):
		m.Fail(m.Node, "says of nobody in particular that he may authenticate: everybody with a token of this issuer could; add subject, subject_pattern or claims")
	case len(f.Claims) > mostClaimRules:
		m.Fail(m.Node, "has %d claims; at most %d are accepted", len(f.Claims), mostClaimRules)
	}
	return f
}

// subjectRule reads the rule for sub.
func (m *mapping) subjectRule() (rules []claimrule.Rule) {
	subject := claimrule.Path{"sub"}
	if value, at := m.Text("subject"); at != nil {
		if !isClaimValue(value) {
			m.FailField(at, "subject", "must be 1 to %d printable characters", longestClaim)
		}
		if strings.Contains(value, "*") {
			m.FailField(at, "subject", "has a *, which would stand for itself; write it as subject_pattern")
		}
		rules = append(rules, claimrule.Rule{Path: subject, Values: []string{value}})
	}
	if pattern := m.pattern(m.Field("subject_pattern"), "subject_pattern"); pattern != nil {
		rules = append(rules, claimrule.Rule{Path: subject, Patterns: []*claimrule.Pattern{pattern}})
	}
	return rules
}

func (m *mapping) claimRules() (rules []claimrule.Rule) {
	entries := m.Entries("claims")
	if n := m.Field("claims"); strictyaml.IsEmptyMapping(n) {
		m.FailField(n, "claims", "is empty")
	}
	for _, e := range entries {
		path := m.path(e, "claims")
		nodes := []*strictyaml.Node{e.Value}
		if strictyaml.IsList(e.Value) && m.IsPlain(e.Value, "claims") {
			nodes = e.Value.Content
		}
		var values []string
		for _, n := range nodes {
			switch {
			case !m.IsPlain(n, "claims") || !m.IsText(n, "claims"):
			case !isClaimValue(n.Value):
				m.FailField(n, "claims", "%s must be 1 to %d printable characters", strictyaml.Quote(e.Name), longestClaim)
			case strings.Contains(n.Value, "*"):
				m.FailField(n, "claims", "%s has a *, which would stand for itself; write it in claims_pattern", strictyaml.Quote(e.Name))
			default:
				values = append(values, n.Value)
			}
		}
		if len(nodes) == 0 {
			m.FailField(e.Value, "claims", "%s has no value that is accepted", strictyaml.Quote(e.Name))
		}
		rules = append(rules, claimrule.Rule{Path: path, Values: values})
	}
	return rules
}

func (m *mapping) patternRules() (rules []claimrule.Rule) {
	for _, e := range m.Entries("claims_pattern") {
		path := m.path(e, "claims_pattern")
		if pattern := m.pattern(e.Value, "claims_pattern"); pattern != nil {
			rules = append(rules, claimrule.Rule{Path: path, Patterns: []*claimrule.Pattern{pattern}})
		}
	}
	return rules
}

func (m *mapping) path(e strictyaml.Entry, field string) claimrule.Path {
	path, err := claimrule.ParsePath(e.Name)
	switch {
	case err != nil:
		m.FailField(e.Key, field, "%v", err)
	case slices.Contains(everybodysClaims, path[0]):
		m.FailField(e.Key, field, "%s says of nobody in particular that he may authenticate: every token of the issuer has it, whose ever it is; name a claim that tells whose a token is", strictyaml.Quote(e.Name))
	}
	return path
}

// everybodysClaims are the claims of RFC 7519 section 4.1 that do not identify a workload.
// iss and aud have their own fields.
var everybodysClaims = []string{"iss", "aud", "exp", "nbf", "iat", "jti"}

func (m *mapping) pattern(n *strictyaml.Node, field string) *claimrule.Pattern {
	if n == nil || !m.IsPlain(n, field) || !m.IsSpelled(n, field) {
		return nil
	}
	if !isClaimValue(n.Value) {
		m.FailField(n, field, "must be 1 to %d printable characters", longestClaim)
		return nil
	}
	pattern, err := claimrule.ParsePattern(n.Value)
	if err != nil {
		m.FailField(n, field, "%v", err)
	}
	return pattern
}

func isClaimValue(s string) bool { return strictyaml.IsLabel(s, longestClaim) }

// String returns the issuer, the audience and the rules in one line, for logs.
func (f *Federation) String() string {
	var b strings.Builder
	b.WriteString(f.Issuer)
	if f.Audience != "" {
		b.WriteString(" for " + f.Audience)
	}
	for _, rule := range f.Claims {
		fmt.Fprintf(&b, " %s", rule.String())
	}
	return b.String()
}
