package tokenidp

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// preset is what is known of a kind of issuers.
type preset struct {
	// options are those that the operator need not give.
	options TrustedIssuer
	// purpose tells its access tokens from its other JWTs, where their type does
	// not.
	purpose []claimrule.Rule
	// purposeOfBound tells those that are bound to the key of a proof.
	purposeOfBound []claimrule.Rule
	// open says who gets a token there for an audience of his own choice. The
	// audience then keeps nobody out: a claim of whose must, or a scope if
	// scopesTell.
	open       string
	whose      []string
	scopesTell bool
	// subject is how a pattern of sub has to begin in order to say whose; nil: none
	// does. Patterns of other claims begin with a whole segment, which is the owner.
	subject *regexp.Regexp
	// everybodys is the audience that every token has.
	everybodys string
	// issuer is what its identifiers look like, and wanted how to write it.
	issuer *regexp.Regexp
	wanted string
}

var presets = map[string]*preset{
	// Access tokens have azp (v2) or appid (v1), and ID tokens neither:
	// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
	// Roles are permissions of applications. Any application of the tenant gets a
	// token without roles:
	// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
	"entra": {
		options: TrustedIssuer{
			Algorithms: []string{"RS256"}, Types: []string{"jwt"},
			ClientIDClaims: []string{"azp", "appid"}, ScopeClaims: []string{"scp", "roles"},
		},
		open:       "every application of an Entra tenant gets a token for every API there; name the scope or role that it needs, as in `verify Orders.Read`, or the application: claim azp <client-id>",
		whose:      []string{"azp", "appid", "oid", "sub", "roles", "groups"},
		scopesTell: true,
		issuer:     regexp.MustCompile(`^/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/`),
		wanted:     "the id of one tenant, as the iss of its tokens does: https://login.microsoftonline.com/<tenant-id>/v2.0 (or, for tokens of version 1, https://sts.windows.net/<tenant-id>/)",
	},
	// The claim typ, unlike the header, tells what a token is for: Bearer, DPoP, ID,
	// Refresh and others. Every token is for "account", the users' own pages.
	// https://www.keycloak.org/docs/latest/server_admin/#_audience
	"keycloak": {
		options: TrustedIssuer{
			Types: []string{"at+jwt", "jwt"}, ClientIDClaims: []string{"client_id", "azp"}, ScopeClaims: []string{"scope"},
		},
		purpose:        []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"Bearer"}}},
		purposeOfBound: []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"DPoP"}}},
		everybodys:     "account",
	},
	// Scope has what was asked for and is allowed; the claim permissions, where it
	// is switched on, all that the user may do, whoever acts for him.
	// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
	"auth0": {
		options: TrustedIssuer{
			Algorithms: []string{"RS256", "PS256"}, Types: []string{"at+jwt", "jwt"},
			ClientIDClaims: []string{"client_id", "azp"}, ScopeClaims: []string{"scope"},
		},
	},
	// An access token is an ID token but for the value of at_hash, and is not typed. The
	// client is azp, or else the only audience (server/tokens/issuer.go and claims.go of
	// github.com/dexidp/dex). There are no scopes in it.
	"dex": {
		options: TrustedIssuer{
			Types: []string{"none"}, ClientIDClaims: []string{"azp", "aud"}, ScopeClaims: []string{"scope"},
			InsecureIDTokenMarks: []string{"nonce", "at_hash"},
		},
	},
	// Whoever can make a pod can give it a token for any audience:
	// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin
	"kubernetes": {
		options: TrustedIssuer{
			Algorithms: []string{"RS256", "ES256", "ES384", "ES512"}, Types: []string{"none", "jwt"},
			ClientIDClaims: []string{"sub"}, ScopeClaims: []string{"scope"},
		},
		open:  "every pod of a cluster gets a token for any audience; say whose are accepted, as in: claim sub system:serviceaccount:<namespace>:<name>",
		whose: []string{"sub", "/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/uid"},
		// system:serviceaccount:<namespace>:<name>
		subject: regexp.MustCompile(`^system:serviceaccount:[^:*]+:`),
	},
	// https://docs.github.com/actions/reference/security/oidc
	"github_actions": {
		options: TrustedIssuer{
			Algorithms: []string{"RS256"}, Types: []string{"jwt"},
			ClientIDClaims: []string{"sub"}, ScopeClaims: []string{"scope"},
		},
		open: "every workflow on GitHub gets a token for any audience; say whose are accepted, as in: claim repository my-org/my-repo",
		whose: []string{
			"sub", "repository", "repository_id", "repository_owner", "repository_owner_id",
			"enterprise", "enterprise_id", "job_workflow_ref",
		},
		// repo:<owner>@<id>/<repository>@<id>:… and, before July 2026, without the ids
		subject: regexp.MustCompile(`^repo:[^:/*]+/`),
	},
}

// knownHosts are those of services that everybody uses. What their presets ask for
// must not depend on whether the operator knows of them.
var knownHosts = map[string]*preset{
	"login.microsoftonline.com":           presets["entra"],
	"sts.windows.net":                     presets["entra"],
	"token.actions.githubusercontent.com": presets["github_actions"],
	// https://docs.gitlab.com/ci/secrets/id_token_authentication
	"gitlab.com": {
		open:  "every project on gitlab.com gets a token for any audience; say whose are accepted, as in: claim project_id 46573356",
		whose: []string{"sub", "project_id", "project_path", "namespace_id", "namespace_path"},
		// project_path:<group>/<project>:…
		subject: regexp.MustCompile(`^project_path:[^:/*]+/`),
	},
	// https://cloud.google.com/docs/authentication/token-types
	"accounts.google.com": {
		open:  "every service account of anybody gets a token of Google for any audience; say whose are accepted, as in: claim sub 104029292291203840284",
		whose: []string{"sub", "email", "hd"},
	},
}

// knownKind is the kind of an issuer that the operator says nothing of.
func knownKind(issuer string) *preset {
	if u, err := url.Parse(issuer); err == nil {
		if kind, known := knownHosts[strings.ToLower(u.Hostname())]; known {
			return kind
		}
	}
	return new(preset)
}

// defaults are those of an issuer of no known kind.
var defaults = TrustedIssuer{
	Algorithms: jws.Algorithms, Types: []string{"at+jwt", "jwt"},
	ClientIDClaims: []string{"client_id", "azp", "appid", "cid", "sub"}, ScopeClaims: []string{"scope", "scp"},
}

func (p *preset) checkIssuer(u *url.URL) error {
	if p.issuer != nil && !p.issuer.MatchString(u.Path+"/") {
		return fmt.Errorf("trusted issuer %s must have %s", u, p.wanted)
	}
	return nil
}

// checkRequirement refuses a route that is open to more callers than its operator
// will think.
func (p *preset) checkRequirement(r *verifier.Requirement) error {
	switch {
	case p.everybodys != "" && slices.Contains(r.Audiences, p.everybodys):
		return fmt.Errorf("every token there is for the audience %s, so that it keeps nobody out; give the API one of its own", p.everybodys)
	case p.open == "" || slices.ContainsFunc(r.Claims, p.tells), p.scopesTell && len(r.Scopes)+len(r.Alternatives) > 0:
		return nil
	}
	return fmt.Errorf("%s (claims that tell: %s)", p.open, strings.Join(p.whose, ", "))
}

func (p *preset) tells(rule claimrule.Rule) bool {
	pins := func(pattern *claimrule.Pattern) bool {
		return p.subject != nil && p.subject.MatchString(pattern.String())
	}
	if slices.Equal(rule.Path, claimrule.Path{"sub"}) && slices.ContainsFunc(rule.Patterns, func(pattern *claimrule.Pattern) bool { return !pins(pattern) }) {
		return false
	}
	return slices.ContainsFunc(p.whose, func(name string) bool {
		path, err := claimrule.ParsePath(name)
		return err == nil && slices.Equal(path, rule.Path)
	})
}
