package e2e

import (
	"strings"
	"testing"
)

// inTrust is a mistake in the block of a trusted issuer.
func inTrust(name, options string, says ...string) mistake {
	return trustOf(name, "https://login.example.com", options, says...)
}

func trustOf(name, issuer, options string, says ...string) mistake {
	return mistake{name: "trust: " + name, says: says, files: map[string]string{
		"keys.json": `{"keys":[]}`, "empty": "\n", "words": "two words\n",
	}, caddyfile: trustingOptions("trust "+issuer+" { "+here+"\n"+options+"\n}") + "localhost:5003 {\n\tverify orders.read {\n\t\taudience orders-api\n\t}\n}\n"}
}

// inVerify is a mistake in a route whose issuer is a trusted one.
func inVerify(name, issuer, options, route string, says ...string) mistake {
	return mistake{name: "verify with trust: " + name, says: says,
		caddyfile: trustingOptions("trust "+issuer+" {\n"+options+"\n}") + "localhost:5003 {\n\t" + route + "\n}\n"}
}

const (
	entraIssuer = "https://login.microsoftonline.com/" + tenant + "/v2.0"
	github      = "https://token.actions.githubusercontent.com"
	k8s         = "https://kubernetes.default.svc.cluster.local"
)

var trustMistakes = []mistake{
	trustOf("a name for an issuer", "login.example.com", "", `trusted issuer "login.example.com" must be an https URL, written as the iss of its tokens`),
	trustOf("another scheme", "ftp://login.example.com", "", "must be an https URL"),
	trustOf("a user in the issuer", "https://bob@login.example.com", "", "must be an https URL"),
	trustOf("a query in the issuer", "https://login.example.com?a=b", "", "must be an https URL"),
	trustOf("a fragment in the issuer", "https://login.example.com/#a", "", "must be an https URL"),
	trustOf("plain HTTP", "http://login.example.com", "", "would be fetched over plain HTTP", "jwks_url or jwks_file"),
	trustOf("plain HTTP that looks like loopback", "http://localhost.example.com", "", "would be fetched over plain HTTP"),
	inTrust("unknown preset", "preset okta", `unknown preset "okta"; known: auth0, dex, entra, github_actions, keycloak, kubernetes`),
	inTrust("preset in another case", "preset Keycloak", `unknown preset "Keycloak"`),
	inTrust("symmetric algorithm", "algorithms RS256 HS256", `unknown algorithm "HS256"; known: RS256`),
	inTrust("algorithm none", "algorithms none", `unknown algorithm "none"`),
	inTrust("algorithm in another case", "algorithms rs256", `unknown algorithm "rs256"`),
	inTrust("the type of ID tokens", "types id_token", `unknown type "id_token" of an access token; known: at+jwt, jwt, none`),
	inTrust("the long form of a type", "types application/at+jwt", `unknown type "application/at+jwt"`),
	inTrust("a mark that no access token has", "insecure_id_token_marks nonce c_hash", `insecure_id_token_marks: no issuer's access tokens have "c_hash"; known: nonce, at_hash`),
	inTrust("jwks_url over plain HTTP", "jwks_url http://login.example.com/keys", `"http://login.example.com/keys" must be https`),
	inTrust("jwks_url that is none", "jwks_url keys.json", "JWKS URL", "is not a URL with a host"),
	inTrust("jwks_url with a user", "jwks_url https://bob:secret@login.example.com/keys", "must have no user"),
	inTrust("jwks_url and jwks_file", "jwks_url https://login.example.com/keys\njwks_file keys.json", "from a URL or from a file, not from both"),
	inTrust("missing jwks_file", "jwks_file missing.json", "missing.json", "no such file"),
	inTrust("jwks_file without keys", "jwks_file keys.json", "keys.json", "no usable key"),
	inTrust("jwks_file that is none", "jwks_file words", "words"),
	inTrust("jwks_file that is a folder", "jwks_file .", "not a regular file"),
	inTrust("jwks_file and ca_file", "jwks_file keys.json\nca_file ca.pem", "have no effect with jwks_file"),
	inTrust("jwks_file and insecure_http", "jwks_file keys.json\ninsecure_http", "have no effect with jwks_file"),
	inTrust("missing ca_file", "ca_file missing.pem", "ca_file", "missing.pem", "no such file"),
	inTrust("ca_file without a certificate", "ca_file keys.json", "there is no certificate in", "keys.json"),
	inTrust("missing bearer_token_file", "bearer_token_file missing", "bearer_token_file", "missing", "no such file"),
	inTrust("empty bearer_token_file", "bearer_token_file empty", "bearer_token_file", "does not hold one token"),
	inTrust("bearer_token_file with words", "bearer_token_file words", "does not hold one token"),
	trustOf("bearer_token_file for nobody", "http://localhost:5001", "bearer_token_file keys.json", "would be sent to nobody"),
	inTrust("leeway too long", "leeway 2m", "leeway 2m0s is not from 0 to 1m0s"),
	inTrust("max_stale too short", "max_stale 1m", "use at least 5m0s"),
	inTrust("a pointer with an empty step", "scope_claims /realm_access//roles", `the claim "/realm_access//roles" has an empty step`),
	inTrust("a pointer of a slash", "client_id_claims /", "has an empty step"),
	inTrust("a pointer with a wrong escape", "scope_claims /a~2b", "has a ~ that is not ~0"),
	inTrust("a rule with a pointer that ends in a tilde", "claim /a~ b", "has a ~ that is not ~0"),
	{name: "trust: the same issuer twice", says: []string{"the issuer https://login.example.com is already defined at Caddyfile:5"},
		caddyfile: trustingOptions("trust https://login.example.com", "trust https://login.example.com # here") + "localhost:5003 {\n}\n"},
	{name: "trust: an issuer of this server", says: []string{"the issuer https://login.example.com is already defined at Caddyfile:5"},
		caddyfile: trustingOptions("issuer https://login.example.com", "trust https://login.example.com # here") + "localhost:5003 {\n}\n"},

	trustOf("entra for whatever tenant", "https://login.microsoftonline.com/common/v2.0", "preset entra", "must have the id of one tenant"),
	trustOf("entra for whatever organization", "https://login.microsoftonline.com/organizations/v2.0", "preset entra", "must have the id of one tenant"),
	trustOf("entra with a name", "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0", "preset entra", "must have the id of one tenant", "https://login.microsoftonline.com/<tenant-id>/v2.0"),
	trustOf("entra without a tenant", "https://login.microsoftonline.com", "preset entra", "must have the id of one tenant"),

	inVerify("no audience", "https://login.example.com", "", "verify orders.read # here", "the Applications of https://login.example.com are not known here", "audience orders-api"),
	inVerify("no scope and no audience", "https://login.example.com", "", "verify # here", "audience orders-api"),
	inVerify("any_scope without audience", "https://login.example.com", "", "verify { # here\nany_scope a b\n}", "audience orders-api"),
	inVerify("nothing named", "https://login.example.com", "audience a", "verify {$UNSET_SCOPE} # here", "verify names nothing that a token must have", "`audience orders-api`", "a {$VARIABLE} that is not set is no word"),
	inVerify("nothing named but an age", "https://login.example.com", "audience a", "verify { # here\nmax_age 5m\nsender_constrained dpop\nclaim_header X-Client-Id client_id\n}", "verify names nothing that a token must have"),
	inVerify("a policy that names nothing", "https://login.example.com", "audience a\n}\npolicy fresh {\nmax_age 5m", "verify { # here\npolicy fresh\n}", "verify names nothing that a token must have"),
	inVerify("unknown issuer", "https://login.example.com", "audience a", "verify { # here\nissuer https://login.example.com/\n}", "unknown issuer https://login.example.com/; configured: https://login.example.com"),
	inVerify("issuer twice", "https://login.example.com", "audience a", "verify { # here\nissuer https://login.example.com https://login.example.com\n}", "is named twice"),
	inVerify("tokenidp of a trusted issuer", "https://login.example.com", "audience a", "tokenidp https://login.example.com # here", "this server has no issuer of its own"),
	inVerify("a rule with an empty step", "https://login.example.com", "audience a", "verify { # here\nclaim /a//b c\n}", "has an empty step"),
	inVerify("several, none named", "https://a.example.com", "audience a\n}\ntrust https://b.example.com {\naudience a", "verify # here",
		"there are several issuers, so name one of: https://a.example.com, https://b.example.com"),

	inVerify("github_actions without a claim", github, "preset github_actions\naudience a", "verify # here", "trusting "+github, "every workflow on GitHub gets a token for any audience", "claim repository my-org/my-repo"),
	inVerify("github_actions with a claim that tells nothing", github, "preset github_actions\naudience a\nclaim ref refs/heads/main", "verify { # here\nclaim event_name push\n}", "every workflow on GitHub"),
	inVerify("github_actions with a scope only", github, "preset github_actions\naudience a", "verify orders.read # here", "every workflow on GitHub"),
	inVerify("github_actions without the preset", github, "audience a", "verify # here", "every workflow on GitHub"),
	inVerify("github_actions without the preset, by its port", github+":443", "audience a", "verify # here", "every workflow on GitHub"),
	inVerify("gitlab.com without a claim", "https://gitlab.com", "audience a\nclaim ref_protected true", "verify # here", "every project on gitlab.com gets a token", "claim project_id"),
	inVerify("Google without a claim", "https://accounts.google.com", "audience a\nclaim email_verified true", "verify # here", "every service account of anybody", "claim sub"),
	inVerify("entra without the preset", entraIssuer, "audience a", "verify # here", "every application of an Entra tenant"),
	inVerify("kubernetes without a claim", k8s, "preset kubernetes\naudience a", "verify # here", "every pod of a cluster gets a token for any audience", "claim sub system:serviceaccount:"),
	inVerify("kubernetes with a name only", k8s, "preset kubernetes\naudience a\nclaim /kubernetes.io/serviceaccount/name worker", "verify # here", "every pod of a cluster"),
	inVerify("entra without scope or claim", entraIssuer, "preset entra\naudience a", "verify # here", "every application of an Entra tenant gets a token for every API there", "claim azp <client-id>"),
	inVerify("entra with a claim that tells nothing", entraIssuer, "preset entra\naudience a\nclaim ver 2.0", "verify # here", "every application of an Entra tenant"),
	inVerify("keycloak for account", "https://login.example.com/realms/shop", "preset keycloak\naudience account", "verify # here", "every token there is for the audience account"),
	inVerify("keycloak for account among others", "https://login.example.com/realms/shop", "preset keycloak", "verify { # here\naudience orders-api account\n}", "every token there is for the audience account"),
}

func TestValidateAcceptsTrust(t *testing.T) {
	for name, row := range map[string]struct{ issuer, options, route string }{
		"nothing but the issuer":              {"https://login.example.com", "", "verify {\naudience a\n}"},
		"an issuer with a slash":              {"https://tenant.eu.auth0.com/", "preset auth0\naudience a", "verify {\naudience a\n}"},
		"loopback over HTTP":                  {"http://localhost:5001", "audience a", "verify {\naudience a\n}"},
		"plain HTTP that was asked for":       {"http://login.example.com", "audience a\ninsecure_http", "verify {\naudience a\n}"},
		"plain HTTP with keys over TLS":       {"http://login.example.com", "audience a\njwks_url https://login.example.com/keys", "verify {\naudience a\n}"},
		"github_actions with a claim":         {github, "preset github_actions\naudience a\nclaim repository o/r", "verify {\naudience a\n}"},
		"github_actions, claim in the route":  {github, "preset github_actions\naudience a", "verify {\nclaim repository_id 74\n}"},
		"kubernetes by pointer":               {k8s, "preset kubernetes\naudience a", "verify {\nclaim /kubernetes.io/namespace shop\n}"},
		"entra with a scope":                  {entraIssuer, "preset entra\naudience a", "verify Orders.Read"},
		"entra with any_scope":                {entraIssuer, "preset entra\naudience a", "verify {\nany_scope a b\n}"},
		"entra with an application":           {entraIssuer, "preset entra\naudience a\nclaim azp x", "verify {\naudience a\n}"},
		"entra, version 1":                    {"https://sts.windows.net/" + tenant + "/", "preset entra\naudience a", "verify a"},
		"entra for customers":                 {"https://" + tenant + ".ciamlogin.com/" + tenant + "/v2.0", "preset entra\naudience a", "verify a"},
		"every option":                        {"https://login.example.com", "jwks_url https://login.example.com/keys\nbearer_token_file token\naudience a b\nalgorithms RS256 EdDSA Ed25519\ntypes at+jwt jwt none\nclient_id_claims azp /a/b\nscope_claims scope /a~1b/c\nclaim a b c\nclaim /d/e f\nleeway 1m\nmax_stale 5m\ninsecure_http\ninsecure_id_token_marks nonce at_hash\ninsecure_nonce", "verify {\naudience a\n}"},
		"gitlab.com with a claim":             {"https://gitlab.com", "audience a\nclaim project_path o/r", "verify {\naudience a\n}"},
		"Google with a claim":                 {"https://accounts.google.com", "audience a", "verify {\nclaim sub 1\n}"},
		"trusted by nobody":                   {"https://login.example.com", "", "respond fine"},
		"a policy that names the audience":    {"https://login.example.com", "audience a\n}\npolicy orders {\naudience a", "verify {\npolicy orders\n}"},
		"an expression alone":                 {"https://login.example.com", "audience a", "verify {\nexpression `claims.tenant == 'a'`\n}"},
		"a claim that is there":               {"https://login.example.com", "audience a", "verify {\nrequire tenant\n}"},
		"a matcher on scopes nobody here has": {"https://login.example.com", "audience a", "verify {\naudience a\n}\n@a token_scope whatever\nrespond @a fine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caddyfile := trustingOptions("trust "+row.issuer+" {\n"+row.options+"\n}") + "localhost:5003 {\n" + row.route + "\n}\n"
			dir := workspace(t, asWritten, caddyfile, map[string]string{"token": "t"})
			if messages, code := validate(t, dir); code != 0 {
				t.Errorf("exit code %d: %s", code, messages)
			}
		})
	}
}

// Who names no issuer means the one of this server, or else the only one that is
// trusted.
func TestDefaultIssuer(t *testing.T) {
	const own, a, b = "issuer https://localhost:5001", "trust https://a.example.com {\naudience x\n}", "trust https://b.example.com {\naudience x\n}"
	for name, row := range map[string]struct {
		issuers []string
		realm   string // of the issuer that was chosen; or none
	}{
		"own":                  {[]string{own}, "https://localhost:5001"},
		"trusted":              {[]string{a}, "https://a.example.com"},
		"own before trusted":   {[]string{own, a}, "https://localhost:5001"},
		"own, several trusted": {[]string{a, own, b}, "https://localhost:5001"},
		"several trusted":      {[]string{a, b}, ""},
		"several own":          {[]string{own, own + "/two", a}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caddyfile := trustingOptions(row.issuers...) + "http://localhost:5003 {\n\tverify {\n\t\taudience x\n\t}\n}\n"
			if row.realm == "" {
				if messages, code := validate(t, workspace(t, asWritten, caddyfile, nil)); code == 0 || !strings.Contains(messages, "there are several issuers, so name one of") {
					t.Errorf("exit code %d: %s", code, messages)
				}
				return
			}
			p := newPorts(t)
			p.free["5001"] = "5001"
			c := start(t, caddyfile, options{ports: p})
			if a := c.do("GET", "http://localhost:5003/", ""); a.Header.Get("WWW-Authenticate") != `Bearer realm="`+row.realm+`"` {
				t.Errorf("%d %q", a.StatusCode, a.Header.Get("WWW-Authenticate"))
			}
		})
	}
}
