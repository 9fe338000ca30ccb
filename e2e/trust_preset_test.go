package e2e

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	tenant      = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	otherTenant = "bbbbcccc-1111-dddd-2222-eeee3333ffff"
	ordersApp   = "00001111-aaaa-2222-bbbb-3333cccc4444" // the API
	workerApp   = "11112222-bbbb-3333-cccc-4444dddd5555"
)

// preset is an issuer of a kind, as it documents itself, and tokens of it.
type preset struct {
	path    string // of the issuer's identifier
	key     members
	options []string
	route   string // inside of verify's block
	scopes  string
	header  members // what stands there beside alg and kid
	claims  members
	says    string // client and scopes

	good    map[string]change
	refused map[string]refusedChange
}

// change is how a token differs from the preset's first one.
type change struct {
	header, claims members
	says           string
}

type refusedChange struct {
	header, claims members
	status         int
	reason         string
}

// certificate stands for one in a JWK Set, which nobody looks at.
var certificate = []string{base64.StdEncoding.EncodeToString([]byte("a certificate"))}

// The issuers' documentation, at the time of writing:
//   - Entra: learn.microsoft.com/entra/identity-platform/access-token-claims-reference and id-token-claims-reference
//   - Keycloak 26: keycloak.org/docs/latest/server_admin, org.keycloak.representations.AccessToken
//   - Auth0: auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
//   - Dex 2.45: server/tokens/issuer.go, claims.go; server/signer/utils.go; server/grants/clientcredentials.go
//   - Kubernetes: kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin
//   - Cloudflare: developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/application-token
//   - ForgeRock AM 7: backstage.forgerock.com/docs/am/7/oauth2-guide
//   - GitHub: docs.github.com/actions/reference/security/oidc
func presets() map[string]preset {
	now := time.Now()
	times := func(claims members) members {
		claims["iat"], claims["exp"] = now.Unix(), now.Add(time.Hour).Unix()
		return claims
	}
	gone := absent{}
	kubernetes := members{
		"namespace":      "shop",
		"node":           members{"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
		"pod":            members{"name": "worker-0", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
		"serviceaccount": members{"name": "worker", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
		"warnafter":      now.Add(50 * time.Minute).Unix(),
	}
	in := func(namespace string) members {
		other := members{}
		for name, value := range kubernetes {
			other[name] = value
		}
		other["namespace"] = namespace
		return other
	}
	return map[string]preset{
		"entra v1": {
			path: "/" + tenant + "/", options: []string{"preset entra", "audience api://orders"}, scopes: "Orders.Read",
			key:    members{"alg": gone, "x5t": "x5t", "x5c": certificate, "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
			header: members{"typ": "JWT", "x5t": "k"},
			claims: times(members{
				"aud": "api://orders", "nbf": now.Unix(), "aio": "opaque", "appid": workerApp, "appidacr": "1", "idp": "https://sts.windows.net/" + tenant + "/",
				"oid": "o", "rh": "opaque", "roles": []string{"Orders.Read"}, "sub": "o", "tid": tenant, "uti": "u", "ver": "1.0",
			}),
			says: workerApp + " Orders.Read",
			refused: map[string]refusedChange{
				"another tenant": {nil, members{"iss": "https://sts.windows.net/" + otherTenant + "/"}, 401, "unknown_issuer"},
			},
		},
		"entra v2": {
			path: "/" + tenant + "/v2.0", options: []string{"preset entra", "audience " + ordersApp}, scopes: "Orders.Read",
			key:    members{"alg": gone, "x5t": "x5t", "x5c": certificate, "issuer": "https://login.microsoftonline.com/" + tenant + "/v2.0"},
			header: members{"typ": "JWT"},
			claims: times(members{
				"aud": ordersApp, "nbf": now.Unix(), "aio": "opaque", "azp": workerApp, "azpacr": "1", "oid": "o", "rh": "opaque",
				"roles": []string{"Orders.Read"}, "sub": "o", "tid": tenant, "uti": "u", "ver": "2.0",
			}),
			says: workerApp + " Orders.Read",
			good: map[string]change{
				"for a user": {nil, members{"roles": gone, "scp": "Orders.Read profile", "name": "A", "preferred_username": "a@example.com"}, workerApp + " Orders.Read profile"},
			},
			refused: map[string]refusedChange{
				"an application without roles":      {nil, members{"roles": gone}, 403, "missing_scope"},
				"another role":                      {nil, members{"roles": []string{"Orders.Write"}}, 403, "missing_scope"},
				"another API of the tenant":         {nil, members{"aud": workerApp}, 401, "wrong_audience"},
				"another tenant":                    {nil, members{"iss": "https://login.microsoftonline.com/" + otherTenant + "/v2.0"}, 401, "unknown_issuer"},
				"ID token of the API's own sign-in": {nil, members{"azp": gone, "azpacr": gone, "name": "A", "roles": []string{"Orders.Read"}}, 401, "missing_claim"},
				"ID token with a nonce":             {nil, members{"azp": gone, "nonce": "n", "roles": []string{"Orders.Read"}}, 401, "missing_claim"},
				"bound to a key (PoP)":              {members{"typ": "pop"}, members{"cnf": members{"kid": "x"}}, 401, "wrong_type"},
			},
		},
		"keycloak": {
			path: "/realms/shop", options: []string{"preset keycloak", "audience orders-api"}, scopes: "orders.read",
			key:    members{"x5c": certificate, "x5t": "x5t", "x5t#S256": "x"},
			header: members{"typ": "JWT"},
			claims: times(members{
				"jti": "trrtcc:35e3bca5", "aud": []string{"orders-api", "account"}, "sub": "8ae8bd04", "typ": "Bearer", "azp": "worker", "acr": "1",
				"allowed-origins": []string{"/*"}, "realm_access": members{"roles": []string{"offline_access"}},
				"resource_access": members{"account": members{"roles": []string{"view-profile"}}}, "scope": "email orders.read profile",
				"clientHost": "10.0.0.1", "email_verified": false, "preferred_username": "service-account-worker", "clientAddress": "10.0.0.1", "client_id": "worker",
			}),
			says: "worker email orders.read profile",
			good: map[string]change{
				"of a user":             {nil, members{"client_id": gone, "sid": "s", "session_state": "s"}, "worker email orders.read profile"},
				"typed as RFC 9068":     {members{"typ": "at+jwt"}, nil, "worker email orders.read profile"},
				"lightweight":           {nil, members{"sub": gone, "client_id": gone, "acr": gone, "realm_access": gone, "resource_access": gone}, "worker email orders.read profile"},
				"with one audience":     {nil, members{"aud": "orders-api"}, "worker email orders.read profile"},
				"with the id as mapper": {nil, members{"clientId": "worker"}, "worker email orders.read profile"},
			},
			refused: map[string]refusedChange{
				"as it is without an audience mapper": {nil, members{"aud": "account"}, 401, "wrong_audience"},
				"ID token of a client named so":       {nil, members{"typ": "ID", "aud": "orders-api", "azp": "orders-api", "at_hash": "h"}, 401, "wrong_type"},
				"ID token without a mark":             {nil, members{"typ": "ID", "aud": "orders-api", "azp": "orders-api"}, 401, "wrong_type"},
				"refresh token":                       {nil, members{"typ": "Refresh"}, 401, "wrong_type"},
				"logout token":                        {members{"typ": "logout+jwt"}, members{"typ": "Logout", "events": members{}}, 401, "wrong_type"},
				"another realm":                       {nil, members{"iss": "https://login.example.com/realms/other"}, 401, "unknown_issuer"},
				"no such scope":                       {nil, members{"scope": "email"}, 403, "missing_scope"},
				"a realm role of that name":           {nil, members{"scope": "", "realm_access": members{"roles": []string{"orders.read"}}}, 403, "missing_scope"},
			},
		},
		"auth0": {
			path: "/", options: []string{"preset auth0", "audience https://orders.example.com"}, scopes: "read:orders",
			key:    members{"x5c": certificate, "x5t": "x5t"},
			header: members{"typ": "JWT"},
			claims: times(members{
				"sub": "awZfdIir8YFdGZWk@clients", "aud": "https://orders.example.com", "azp": "awZfdIir8YFdGZWk", "gty": "client-credentials", "scope": "read:orders",
			}),
			says: "awZfdIir8YFdGZWk read:orders",
			good: map[string]change{
				"two spaces":       {nil, members{"scope": "read:orders  write:orders"}, "awZfdIir8YFdGZWk read:orders write:orders"},
				"RFC 9068 profile": {members{"typ": "at+jwt"}, members{"azp": gone, "gty": gone, "client_id": "awZfdIir8YFdGZWk", "jti": "73Wakrf"}, "awZfdIir8YFdGZWk read:orders"},
				"of a user": {nil, members{"gty": gone, "sub": "auth0|123456", "scope": "openid read:orders",
					"aud": []string{"https://orders.example.com", "https://tenant.auth0.com/userinfo"}}, "awZfdIir8YFdGZWk openid read:orders"},
			},
			refused: map[string]refusedChange{
				"ID token":                            {nil, members{"aud": "awZfdIir8YFdGZWk", "azp": gone, "scope": gone, "nonce": "n"}, 401, "missing_claim"},
				"ID token, if audience and scope did": {nil, members{"azp": gone, "nonce": "n"}, 401, "missing_claim"},
				"another API":                         {nil, members{"aud": "https://stock.example.com"}, 401, "wrong_audience"},
				"what the user may, not the client":   {nil, members{"scope": "openid", "permissions": []string{"read:orders"}}, 403, "missing_scope"},
				"another tenant":                      {nil, members{"iss": "https://other.auth0.com/"}, 401, "unknown_issuer"},
			},
		},
		"dex": {
			path: "/dex", options: []string{"preset dex", "audience orders-api"}, route: "claim groups writers",
			header: members{}, // no typ
			claims: times(members{
				"sub": "CgZ3b3JrZXI", "aud": []string{"orders-api", "worker"}, "azp": "worker", "jti": "6fe5b1f7-9c5a-44a9-bb79-e41a7a7a1a11",
				"at_hash": "R1s_yYzGm_8U6oQZkDSVBQ", "groups": []string{"writers"}, "name": "Worker",
			}),
			says: "worker ",
			good: map[string]change{
				"for the caller itself": {nil, members{"aud": "orders-api", "azp": gone}, "orders-api "},
				"of a user": {nil, members{"sub": "CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs", "nonce": "n", "auth_time": now.Unix(), "sid": "s",
					"email": "a@example.com", "email_verified": true, "federated_claims": members{"connector_id": "local", "user_id": "08a8684b"}}, "worker "},
				"before at_hash":              {nil, members{"at_hash": gone, "jti": gone}, "worker "},
				"as ID tokens are, see above": {nil, members{"aud": "orders-api", "azp": gone, "nonce": "n"}, "orders-api "},
			},
			refused: map[string]refusedChange{
				"ID token of a code":       {nil, members{"c_hash": "R1s_yYzGm_8U6oQZkDSVBQ"}, 401, "wrong_type"},
				"logout token":             {members{"typ": "logout+jwt"}, members{"events": members{}}, 401, "wrong_type"},
				"another client's":         {nil, members{"aud": "worker", "azp": gone}, 401, "wrong_audience"},
				"several, without azp":     {nil, members{"azp": gone}, 401, "malformed_claims"},
				"another group":            {nil, members{"groups": []string{"readers"}}, 403, "claim_not_accepted"},
				"without groups":           {nil, members{"groups": gone}, 403, "claim_not_accepted"},
				"another issuer of theirs": {nil, members{"iss": "https://dex.example.com"}, 401, "unknown_issuer"},
			},
		},
		"cloudflare access, a service token": {
			path: "", options: []string{"audience 32eafc76", "client_id_claims common_name", "types jwt none"}, route: "claim common_name e367826f.access",
			header: members{},
			claims: times(members{"type": "app", "aud": "32eafc76", "common_name": "e367826f.access", "sub": ""}),
			says:   "e367826f.access ",
			refused: map[string]refusedChange{
				"of a user":    {nil, members{"common_name": gone, "sub": "7335d417", "email": "a@example.com"}, 401, "missing_claim"},
				"without name": {nil, members{"common_name": ""}, 401, "malformed_claims"},
				"another":      {nil, members{"common_name": "f478937a.access"}, 403, "claim_not_accepted"},
			},
		},
		"cloudflare access, where a route reads sub": {
			path: "", options: []string{"audience 32eafc76", "client_id_claims common_name", "types jwt none"}, route: "claim common_name e367826f.access\nclaim_header X-User sub",
			header: members{},
			claims: times(members{"type": "app", "aud": "32eafc76", "common_name": "e367826f.access", "sub": "a"}),
			says:   "e367826f.access ",
			refused: map[string]refusedChange{
				"empty":    {nil, members{"sub": ""}, 401, "malformed_claims"},
				"a list":   {nil, members{"sub": []string{"a"}}, 401, "malformed_claims"},
				"a number": {nil, members{"sub": 7}, 401, "malformed_claims"},
			},
		},
		"forgerock am": {
			path: "/oauth2/realms/root", options: []string{"audience orders-api", "client_id_claims client_id"}, scopes: "orders.read",
			header: members{"typ": "JWT", "zip": "NONE"},
			claims: times(members{
				"sub": "(age!worker)", "cts": "OAUTH2_STATELESS_GRANT", "auditTrackingId": "f20f5c1f", "subname": "worker", "tokenName": "access_token", "token_type": "Bearer",
				"authGrantId": "3WcS", "aud": "orders-api", "nbf": now.Unix(), "grant_type": "client_credentials", "scope": "orders.read", "realm": "/", "expires_in": 3600, "jti": "nfh",
				"client_id": "worker",
			}),
			says: "worker orders.read",
		},
		"kubernetes": {
			path: "", options: []string{"preset kubernetes", "audience orders-api"}, route: "claim sub system:serviceaccount:shop:worker",
			header: members{}, // no typ
			claims: times(members{
				"aud": []string{"orders-api"}, "jti": "aed34954-b33a-4142-b1ec-389d6bbb4936", "nbf": now.Unix(),
				"sub": "system:serviceaccount:shop:worker", "kubernetes.io": kubernetes,
			}),
			says: "system:serviceaccount:shop:worker ",
			refused: map[string]refusedChange{
				"another service account":          {nil, members{"sub": "system:serviceaccount:shop:default"}, 403, "claim_not_accepted"},
				"that of another namespace":        {nil, members{"sub": "system:serviceaccount:dev:worker", "kubernetes.io": in("dev")}, 403, "claim_not_accepted"},
				"the token for the API server":     {nil, members{"aud": []string{"https://kubernetes.default.svc.cluster.local"}}, 401, "wrong_audience"},
				"a legacy token, which never ends": {nil, members{"iss": "kubernetes/serviceaccount", "exp": gone}, 401, "unknown_issuer"},
				"a token that never ends":          {nil, members{"exp": gone}, 401, "missing_claim"},
				"another cluster":                  {nil, members{"iss": "https://kubernetes.example.com"}, 401, "unknown_issuer"},
				"a type that is another thing's":   {members{"typ": "at+jwt"}, nil, 401, "wrong_type"},
			},
		},
		"kubernetes by namespace": {
			path: "", options: []string{"preset kubernetes", "audience orders-api", "claim /kubernetes.io/namespace shop"},
			header: members{},
			claims: times(members{"aud": []string{"orders-api"}, "sub": "system:serviceaccount:shop:worker", "kubernetes.io": kubernetes}),
			says:   "system:serviceaccount:shop:worker ",
			refused: map[string]refusedChange{
				"another namespace":    {nil, members{"kubernetes.io": in("dev")}, 403, "claim_not_accepted"},
				"a claim of that name": {nil, members{"kubernetes.io": gone, "kubernetes.io/namespace": "shop"}, 403, "claim_not_accepted"},
				"a nested one is text": {nil, members{"kubernetes.io": "shop"}, 403, "claim_not_accepted"},
			},
		},
		"github_actions": {
			path: "", options: []string{"preset github_actions", "audience orders-api", "claim repository_owner_id 65"}, route: "claim repository octo-org/octo-repo\nclaim ref refs/heads/main",
			key:    members{"x5c": certificate, "x5t": "x5t"},
			header: members{"typ": "JWT", "x5t": "k"},
			claims: times(members{
				"jti": "example-id", "sub": "repo:octo-org@65/octo-repo@74:environment:prod", "environment": "prod", "aud": "orders-api", "nbf": now.Unix(),
				"ref": "refs/heads/main", "sha": "example-sha", "repository": "octo-org/octo-repo", "repository_owner": "octo-org", "actor_id": "12",
				"repository_visibility": "private", "repository_id": "74", "repository_owner_id": "65", "run_id": "1", "run_number": "10", "run_attempt": "2",
				"runner_environment": "github-hosted", "actor": "octocat", "workflow": "example-workflow", "head_ref": "", "base_ref": "", "event_name": "push",
				"ref_type": "branch", "ref_protected": "true", "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
			}),
			says: "repo:octo-org@65/octo-repo@74:environment:prod ",
			good: map[string]change{
				"of a repository from before July 2026": {nil, members{"sub": "repo:octo-org/octo-repo:environment:prod"}, "repo:octo-org/octo-repo:environment:prod "},
			},
			refused: map[string]refusedChange{
				"another repository":         {nil, members{"repository": "octo-org/other"}, 403, "claim_not_accepted"},
				"another owner":              {nil, members{"repository_owner_id": "66"}, 403, "claim_not_accepted"},
				"another branch":             {nil, members{"ref": "refs/pull/1/merge"}, 403, "claim_not_accepted"},
				"the default audience":       {nil, members{"aud": "https://github.com/octo-org"}, 401, "wrong_audience"},
				"an enterprise's own issuer": {nil, members{"iss": "https://token.actions.githubusercontent.com/octo-enterprise"}, 401, "unknown_issuer"},
			},
		},
	}
}

// The presets take the tokens that the issuers document, and none of their others.
func TestPresets(t *testing.T) {
	t.Parallel()
	all := presets()
	issuers, trusts, routes := make(map[string]*foreign), []string{}, ""
	for name, p := range all {
		f := newForeign(t, p.path)
		f.publishKeys(jwkOf(attackerKey(), "k", p.key), jwkOf(secondKey(), "other", p.key))
		issuers[name] = f
		trusts = append(trusts, f.trust(p.options...))
		if p.scopes+p.route == "" { // a verify names something of its own
			p.route = p.options[slices.IndexFunc(p.options, func(option string) bool { return strings.HasPrefix(option, "audience ") })]
		}
		routes += "\thandle /" + segment(name) + " {\n\t\tverify " + p.scopes + " {\n\t\t\tissuer " + f.issuer + "\n" + p.route +
			"\n\t\t}\n\t\trespond \"{http.auth.user.id} {http.auth.user.scope}\"\n\t}\n"
	}
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(trusts...)+trustedSite(routes))
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			f := issuers[name].forger(attackerKey(), "k")
			p.claims["iss"] = issuers[name].issuer
			p.header["alg"], p.header["kid"] = "RS256", "k"
			sign := func(header, claims members) string {
				return f.sign(f.object(p.header, header), f.object(p.claims, claims))
			}
			path := "/" + segment(name)
			api.checkAnswer(t, path, sign(nil, nil), http.StatusOK, p.says)
			for what, row := range p.good {
				t.Run(what, func(t *testing.T) { api.checkAnswer(t, path, sign(row.header, row.claims), http.StatusOK, row.says) })
			}
			for what, row := range p.refused {
				t.Run(what, func(t *testing.T) { api.checkAnswer(t, path, sign(row.header, row.claims), row.status, row.reason) })
			}
			api.checkAnswer(t, path, f.signBy(secondKey(), f.object(p.header, nil), f.object(p.claims, nil)), http.StatusUnauthorized, "bad_signature")
			if slash, cut := strings.CutSuffix(f.issuer, "/"); cut {
				api.checkAnswer(t, path, sign(nil, members{"iss": slash}), http.StatusUnauthorized, "unknown_issuer")
			}
		})
	}
	if warnings := api.entries("insecure_id_token_marks: tokens of this issuer that look like ID tokens are accepted, ID tokens for an accepted audience among them"); len(warnings) != 1 || warnings[0]["preset"] != "dex" {
		t.Errorf("warned with %v", warnings)
	}
	for _, s := range api.trusted() {
		if s.Keys != 2 || len(s.Skipped) != 0 {
			t.Errorf("%+v", s)
		}
	}
}
