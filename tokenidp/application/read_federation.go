package application

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
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
	nodes := m.list("federated")
	switch {
	case len(nodes) == 0 && a.Active && isEmptyList(m.fields["federated"]):
		m.fail(m.fields["federated"], "federated is empty; it could never authenticate: add an issuer, or write `active: false`")
	case len(nodes) > mostFederated:
		m.fail(m.fields["federated"], "federated has %d entries; at most %d are accepted", len(nodes), mostFederated)
		return
	}
	for i, n := range nodes {
		fields := l.mapping(n, m.what+": "+nameOf("federated", n, "issuer", i), "issuer", "audience", "subject", "subject_pattern", "claims", "claims_pattern")
		if fields != nil {
			a.Federated = append(a.Federated, fields.federation())
		}
	}
}

func isEmptyList(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.SequenceNode && len(n.Content) == 0
}

func (m *mapping) federation() *Federation {
	f := &Federation{Source: m.at(m.node).String()}
	var at *yaml.Node
	if f.Issuer, at = m.required("issuer"); at != nil && !isClaimValue(f.Issuer) {
		m.failField(at, "issuer", "must be the iss of its tokens, such as https://token.actions.githubusercontent.com")
	}
	if f.Audience, at = m.text("audience"); at != nil && !isClaimValue(f.Audience) {
		m.failField(at, "audience", "must be 1 to %d printable characters", longestClaim)
	}
	f.Claims = append(m.subjectRule(), m.claimRules()...)
	f.Claims = append(f.Claims, m.patternRules()...)
	switch {
	case m.has("subject") && m.has("subject_pattern"):
		m.fail(m.node, "has both subject and subject_pattern; keep one")
	case !m.has("subject") && !m.has("subject_pattern") && !m.has("claims"):
		m.fail(m.node, "says of nobody in particular that he may authenticate: everybody with a token of this issuer could; add subject, subject_pattern or claims")
	case len(f.Claims) > mostClaimRules:
		m.fail(m.node, "has %d claims; at most %d are accepted", len(f.Claims), mostClaimRules)
	}
	return f
}

// subjectRule reads what sub must be.
func (m *mapping) subjectRule() (rules []claimrule.Rule) {
	subject := claimrule.Path{"sub"}
	if value, at := m.text("subject"); at != nil {
		if !isClaimValue(value) {
			m.failField(at, "subject", "must be 1 to %d printable characters", longestClaim)
		}
		if strings.Contains(value, "*") {
			m.failField(at, "subject", "has a *, which would stand for itself; write it as subject_pattern")
		}
		rules = append(rules, claimrule.Rule{Path: subject, Values: []string{value}})
	}
	if pattern := m.pattern(m.fields["subject_pattern"], "subject_pattern"); pattern != nil {
		rules = append(rules, claimrule.Rule{Path: subject, Patterns: []*claimrule.Pattern{pattern}})
	}
	return rules
}

func (m *mapping) claimRules() (rules []claimrule.Rule) {
	entries := m.entries("claims")
	if n := m.fields["claims"]; n != nil && n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		m.failField(n, "claims", "is empty")
	}
	for _, e := range entries {
		path := m.path(e, "claims")
		nodes := []*yaml.Node{e.value}
		if e.value.Kind == yaml.SequenceNode && m.plain(e.value, "claims") {
			nodes = e.value.Content
		}
		var values []string
		for _, n := range nodes {
			switch {
			case !m.plain(n, "claims") || !m.isText(n, "claims"):
			case !isClaimValue(n.Value):
				m.failField(n, "claims", "%s must be 1 to %d printable characters", quoted(e.name), longestClaim)
			case strings.Contains(n.Value, "*"):
				m.failField(n, "claims", "%s has a *, which would stand for itself; write it in claims_pattern", quoted(e.name))
			default:
				values = append(values, n.Value)
			}
		}
		if len(nodes) == 0 {
			m.failField(e.value, "claims", "%s has no value that is accepted", quoted(e.name))
		}
		rules = append(rules, claimrule.Rule{Path: path, Values: values})
	}
	return rules
}

func (m *mapping) patternRules() (rules []claimrule.Rule) {
	for _, e := range m.entries("claims_pattern") {
		path := m.path(e, "claims_pattern")
		if pattern := m.pattern(e.value, "claims_pattern"); pattern != nil {
			rules = append(rules, claimrule.Rule{Path: path, Patterns: []*claimrule.Pattern{pattern}})
		}
	}
	return rules
}

func (m *mapping) path(e entry, field string) claimrule.Path {
	path, err := claimrule.ParsePath(e.name)
	switch {
	case err != nil:
		m.failField(e.key, field, "%v", err)
	case slices.Contains(everybodysClaims, path[0]):
		m.failField(e.key, field, "%s says of nobody in particular that he may authenticate: every token of the issuer has it, whose ever it is; name a claim that tells whose a token is", quoted(e.name))
	}
	return path
}

// everybodysClaims are those of RFC 7519 section 4.1 that tell a token from others, and
// not its subject from others. What iss and aud must be has fields of its own.
var everybodysClaims = []string{"iss", "aud", "exp", "nbf", "iat", "jti"}

func (m *mapping) pattern(n *yaml.Node, field string) *claimrule.Pattern {
	if n == nil || !m.plain(n, field) || !m.isText(n, field) {
		return nil
	}
	if !isClaimValue(n.Value) {
		m.failField(n, field, "must be 1 to %d printable characters", longestClaim)
		return nil
	}
	pattern, err := claimrule.ParsePattern(n.Value)
	if err != nil {
		m.failField(n, field, "%v", err)
	}
	return pattern
}

func isClaimValue(s string) bool { return isLabel(s, longestClaim) }

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
