// Package preset describes the kinds of issuers that are known: what their access tokens
// look like, and who can get one.
package preset

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Options are the options of a trusted issuer that a preset sets. They are those of
// the Caddyfile.
type Options struct {
	Algorithms, Types, ClientIDClaims, ScopeClaims, InsecureIDTokenMarks []string
}

// Kind describes a kind of issuers.
type Kind struct {
	// Options are those that the operator need not give.
	Options Options
	// Purpose distinguishes its access tokens from its other JWTs, if their type does
	// not.
	Purpose []claimrule.Rule
	// PurposeOfBound distinguishes those that are bound to the key of a proof.
	PurposeOfBound []claimrule.Rule
	// EverybodysAudience is the audience that every token has.
	EverybodysAudience string

	// open says who gets a token there for any audience. Then the audience alone does
	// not restrict access, and a route must require one of the owners' claims, or a
	// scope if scopesRestrict.
	open           string
	owners         []string
	scopesRestrict bool
	// subject matches the patterns of sub that name an owner; nil: none does. Patterns of
	// other claims begin with a whole segment, which is the owner.
	subject *regexp.Regexp
	// issuer is what its identifiers look like, and wanted how to write it.
	issuer *regexp.Regexp
	wanted string
}

var presets = map[string]*Kind{
	// Access tokens have azp (v2) or appid (v1), and ID tokens neither:
	// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
	// Roles are permissions of applications. Any application of the tenant gets a
	// token without roles:
	// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
	"entra": {
		Options: Options{
			Algorithms: []string{"RS256"}, Types: []string{"jwt"},
			ClientIDClaims: []string{"azp", "appid"}, ScopeClaims: []string{"scp", "roles"},
		},
		open:           "every application of an Entra tenant gets a token for every API there; name the scope or role that it needs, as in `verify Orders.Read`, or the application: claim azp <client-id>",
		owners:         []string{"azp", "appid", "oid", "sub", "roles", "groups"},
		scopesRestrict: true,
		issuer:         regexp.MustCompile(`^/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/`),
		wanted:         "the id of one tenant, as the iss of its tokens does: https://login.microsoftonline.com/<tenant-id>/v2.0 (or, for tokens of version 1, https://sts.windows.net/<tenant-id>/)",
	},
	// The claim typ, unlike the header, says what a token is for: Bearer, DPoP, ID,
	// Refresh and others. Every token is for "account", the users' own pages.
	// https://www.keycloak.org/docs/latest/server_admin/#_audience
	"keycloak": {
		Options: Options{
			Types: []string{"at+jwt", "jwt"}, ClientIDClaims: []string{"client_id", "azp"}, ScopeClaims: []string{"scope"},
		},
		Purpose:            []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"Bearer"}}},
		PurposeOfBound:     []claimrule.Rule{{Path: claimrule.Path{"typ"}, Values: []string{"DPoP"}}},
		EverybodysAudience: "account",
	},
	// Scope has what was requested and is allowed. The claim permissions, if it is
	// switched on, has all that the user may do, also if another acts for him.
	// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
	"auth0": {
		Options: Options{
			Algorithms: []string{"RS256", "PS256"}, Types: []string{"at+jwt", "jwt"},
			ClientIDClaims: []string{"client_id", "azp"}, ScopeClaims: []string{"scope"},
		},
	},
	// An access token is an ID token but for the value of at_hash, and is not typed. The
	// client is azp, or else the only audience (server/tokens/issuer.go and claims.go of
	// github.com/dexidp/dex). There are no scopes in it.
	"dex": {
		Options: Options{
			Types: []string{"none"}, ClientIDClaims: []string{"azp", "aud"}, ScopeClaims: []string{"scope"},
			InsecureIDTokenMarks: []string{"nonce", "at_hash"},
		},
	},
	// Whoever can make a pod can give it a token for any audience:
	// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin
	"kubernetes": {
		Options: Options{
			Algorithms: []string{"RS256", "ES256", "ES384", "ES512"}, Types: []string{"none", "jwt"},
			ClientIDClaims: []string{"sub"}, ScopeClaims: []string{"scope"},
		},
		open:   "every pod of a cluster gets a token for any audience; say whose are accepted, as in: claim sub system:serviceaccount:<namespace>:<name>",
		owners: []string{"sub", "/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/uid"},
		// system:serviceaccount:<namespace>:<name>
		subject: regexp.MustCompile(`^system:serviceaccount:[^:*]+:`),
	},
	// https://docs.github.com/actions/reference/security/oidc
	"github_actions": {
		Options: Options{
			Algorithms: []string{"RS256"}, Types: []string{"jwt"},
			ClientIDClaims: []string{"sub"}, ScopeClaims: []string{"scope"},
		},
		open: "every workflow on GitHub gets a token for any audience; say whose are accepted, as in: claim repository my-org/my-repo",
		owners: []string{
			"sub", "repository", "repository_id", "repository_owner", "repository_owner_id",
			"enterprise", "enterprise_id", "job_workflow_ref",
		},
		// repo:<owner>@<id>/<repository>@<id>:… and, before July 2026, without the ids
		subject: regexp.MustCompile(`^repo:[^:/*]+/`),
	},
}

// knownHosts are those of services that everybody uses. What their presets ask for
// must not depend on whether the operator knows of them.
var knownHosts = map[string]*Kind{
	"login.microsoftonline.com":           presets["entra"],
	"sts.windows.net":                     presets["entra"],
	"token.actions.githubusercontent.com": presets["github_actions"],
	// https://docs.gitlab.com/ci/secrets/id_token_authentication
	"gitlab.com": {
		open:   "every project on gitlab.com gets a token for any audience; say whose are accepted, as in: claim project_id 46573356",
		owners: []string{"sub", "project_id", "project_path", "namespace_id", "namespace_path"},
		// project_path:<group>/<project>:…
		subject: regexp.MustCompile(`^project_path:[^:/*]+/`),
	},
	// https://cloud.google.com/docs/authentication/token-types
	"accounts.google.com": {
		open:   "every service account of anybody gets a token of Google for any audience; say whose are accepted, as in: claim sub 104029292291203840284",
		owners: []string{"sub", "email", "hd"},
	},
}

// Named returns the kind with this name. If there is none, the error lists the known ones.
func Named(name string) (*Kind, error) {
	kind, known := presets[name]
	if !known {
		return nil, fmt.Errorf("unknown preset %q; known: %s", name, strings.Join(slices.Sorted(maps.Keys(presets)), ", "))
	}
	return kind, nil
}

// Of returns the kind of an issuer for which the operator names no preset.
func Of(issuer string) *Kind {
	if u, err := url.Parse(issuer); err == nil {
		if kind, known := knownHosts[strings.ToLower(u.Hostname())]; known {
			return kind
		}
	}
	return new(Kind)
}

// Defaults are the options of an issuer of no known kind.
var Defaults = Options{
	Algorithms: jws.Algorithms, Types: []string{"at+jwt", "jwt"},
	ClientIDClaims: []string{"client_id", "azp", "appid", "cid", "sub"}, ScopeClaims: []string{"scope", "scp"},
}

// CheckIssuer returns an error if the URL is not one that an issuer of this kind has.
func (k *Kind) CheckIssuer(u *url.URL) error {
	if k.issuer != nil && !k.issuer.MatchString(u.Path+"/") {
		return fmt.Errorf("trusted issuer %s must have %s", u, k.wanted)
	}
	return nil
}

// CheckRequirement returns an error for a route that more callers can use than its operator
// expects.
func (k *Kind) CheckRequirement(r *verifier.Requirement) error {
	switch {
	case k.EverybodysAudience != "" && slices.Contains(r.Audiences, k.EverybodysAudience):
		return fmt.Errorf("every token there is for the audience %s, so that it keeps nobody out; give the API one of its own", k.EverybodysAudience)
	case k.open == "" || slices.ContainsFunc(r.Claims, k.namesOwner), k.scopesRestrict && len(r.Scopes)+len(r.Alternatives) > 0:
		return nil
	}
	return fmt.Errorf("%s (claims that name the owner: %s)", k.open, strings.Join(k.owners, ", "))
}

// namesOwner reports whether the rule restricts who owns a token.
func (k *Kind) namesOwner(rule claimrule.Rule) bool {
	pins := func(pattern *claimrule.Pattern) bool {
		return k.subject != nil && k.subject.MatchString(pattern.String())
	}
	if slices.Equal(rule.Path, claimrule.Path{"sub"}) && slices.ContainsFunc(rule.Patterns, func(pattern *claimrule.Pattern) bool { return !pins(pattern) }) {
		return false
	}
	return slices.ContainsFunc(k.owners, func(name string) bool {
		path, err := claimrule.ParsePath(name)
		return err == nil && slices.Equal(path, rule.Path)
	})
}
