package application

import (
	"errors"
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

var federationObject = &strictyaml.Object{
	Title:       "Workload",
	Description: "A workload that authenticates with a token of an issuer elsewhere.",
	Kind:        "federated", By: "issuer",
	Fields: []strictyaml.Field{
		{
			Name: "issuer", Required: true,
			Type: strictyaml.Text{Format: claimValueFormat("must be the iss of its tokens, such as https://token.actions.githubusercontent.com", "")},

			Description: "The iss of its tokens, byte for byte.", Examples: []any{"https://token.actions.githubusercontent.com"},
		},
		{
			Name: "audience", Type: strictyaml.Text{Format: claimValueFormat(anyClaimValue, "")},
			Description: "The only audience of its tokens; the default is the URL of this issuer.",
		},
		{
			Name: "subject", Type: strictyaml.Text{Format: claimValueFormat(anyClaimValue, "write it as subject_pattern")},
			Description: "The exact sub of its tokens.", Examples: []any{"system:serviceaccount:shop:orders-worker"},
		},
		{
			Name: "subject_pattern", Type: strictyaml.Spelling{Format: patternFormat},
			Description: "A pattern for the sub of its tokens.", Examples: []any{"repo:shop@11/orders@74:*"},
		},
		{
			Name: "claims", Type: strictyaml.Map{Names: claimPathFormat, Values: claimValues, NotEmpty: true},
			Description: "The exact values of other claims, by name or JSON Pointer.",
			Examples:    []any{map[string]string{"repository_id": "74"}},
		},
		{
			Name: "claims_pattern", Type: strictyaml.Map{Names: claimPathFormat, Values: strictyaml.Spelling{Format: patternFormat}},
			Description: "Patterns for other claims, by name or JSON Pointer.",
			Examples:    []any{map[string]string{"ref": "refs/heads/*"}},
		},
	},
	Choices: []strictyaml.Choice{
		{Of: []string{"subject", "subject_pattern"}, Several: "keep one"},
		{
			Of:   []string{"subject", "subject_pattern", "claims"},
			None: "says of nobody in particular that he may authenticate: everybody with a token of this issuer could; add subject, subject_pattern or claims",
		},
	},
}

// claimValueFormat accepts the value of a claim. insteadOfPattern says what to write
// instead of a value with an asterisk; "" accepts it.
func claimValueFormat(says, insteadOfPattern string) *strictyaml.Format {
	f := strictyaml.Label(longestClaim, "")
	f.Says = says
	f.Check = func(s string) error {
		switch {
		case !isClaimValue(s):
			return errors.New(says)
		case insteadOfPattern != "" && strings.Contains(s, "*"):
			return errors.New("has a *, which would stand for itself; " + insteadOfPattern)
		}
		return nil
	}
	if insteadOfPattern != "" {
		f.Not = `\*`
	}
	return f
}

var (
	anyClaimValue = fmt.Sprintf("must be 1 to %d printable characters", longestClaim)

	claimValues = strictyaml.OneOrMore{Of: strictyaml.Text{Format: claimValueFormat(anyClaimValue, "write it in claims_pattern")}}

	patternFormat = &strictyaml.Format{
		Check: func(s string) error {
			if !isClaimValue(s) {
				return errors.New(anyClaimValue)
			}
			_, err := claimrule.ParsePattern(s)
			return err
		},
		Pattern: claimrule.PatternSyntax,
		Longest: longestClaim,
		Says:    "must have a * behind a colon or a slash, as in repo:my-org@11/my-repo@74:*",
		Loose:   "a character that Unicode does not count as printable",
	}

	claimPathFormat = &strictyaml.Format{
		Check: func(name string) error {
			path, err := claimrule.ParsePath(name)
			if err == nil && slices.Contains(everybodysClaims, path[0]) {
				err = fmt.Errorf("%s says of nobody in particular that he may authenticate: every token of the issuer has it, whose ever it is; name a claim that tells whose a token is", strictyaml.Quote(name))
			}
			return err
		},
		Pattern: claimrule.PathSyntax,
		Not:     "^/?(" + strings.Join(everybodysClaims, "|") + ")$|^/(" + strings.Join(everybodysClaims, "|") + ")/",
		Says:    "must be the name of a claim that identifies a workload, or a JSON Pointer to one",
	}
)

func (l *loader) federated(m *mapping, a *Application) {
	for fields := range m.Objects("federated") {
		a.Federated = append(a.Federated, federation(fields))
	}
}

func federation(m *strictyaml.Mapping) *Federation {
	f := &Federation{Source: m.At(m.Node).String()}
	f.Issuer, _ = m.Text("issuer")
	f.Audience, _ = m.Text("audience")
	subject := claimrule.Path{"sub"}
	if value, at := m.Text("subject"); at != nil {
		f.Claims = append(f.Claims, claimrule.Rule{Path: subject, Values: []string{value}})
	}
	if n := m.Field("subject_pattern"); n != nil {
		f.Claims = append(f.Claims, patternRule(subject, n))
	}
	for _, e := range m.Entries("claims") {
		rule := claimrule.Rule{Path: pathOf(e)}
		for _, n := range strictyaml.Elements(e.Value) {
			rule.Values = append(rule.Values, n.Value)
		}
		f.Claims = append(f.Claims, rule)
	}
	for _, e := range m.Entries("claims_pattern") {
		f.Claims = append(f.Claims, patternRule(pathOf(e), e.Value))
	}
	if len(f.Claims) > mostClaimRules {
		m.Fail(m.Node, "has %d claims; at most %d are accepted", len(f.Claims), mostClaimRules)
	}
	return f
}

// pathOf returns the path of a claim. The format of the claim has been checked.
func pathOf(e strictyaml.Entry) claimrule.Path {
	path, _ := claimrule.ParsePath(e.Name)
	return path
}

func patternRule(path claimrule.Path, n *strictyaml.Node) claimrule.Rule {
	pattern, _ := claimrule.ParsePattern(n.Value)
	return claimrule.Rule{Path: path, Patterns: []*claimrule.Pattern{pattern}}
}

// everybodysClaims are the claims of RFC 7519 section 4.1 that do not identify a workload.
// iss and aud have their own fields.
var everybodysClaims = []string{"iss", "aud", "exp", "nbf", "iat", "jti"}

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
