package application

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// RFC 7521 section 4.2: the issuer that identifies the workload, and which workload.
func TestFederation(t *testing.T) {
	for _, row := range []struct{ name, entry, want string }{
		{"subject", "issuer: https://k.example.com, subject: 'system:serviceaccount:shop:worker'", `https://k.example.com sub=["system:serviceaccount:shop:worker"]`},
		{"audience", "issuer: https://k.example.com, audience: x, subject: a", `https://k.example.com for x sub=["a"]`},
		{"pattern", "issuer: https://k.example.com, subject_pattern: 'repo:shop/orders:*'", `https://k.example.com sub=["repo:shop/orders:*"]`},
		{"claims", "issuer: https://k.example.com, claims: {repository_id: '74', /kubernetes.io/namespace: [shop, dev]}", `https://k.example.com repository_id=["74"] kubernetes.io.namespace=["shop" "dev"]`},
		{"all", "issuer: https://k.example.com, subject: a, claims: {b: c}, claims_pattern: {ref: refs/heads/*}", `https://k.example.com sub=["a"] b=["c"] ref=["refs/heads/*"]`},
	} {
		t.Run(row.name, func(t *testing.T) {
			set := mustLoad(t, keyed("    federated: [{"+row.entry+"}]"))
			a, _ := set.Application("x")
			if got := a.Federated[0].String(); got != row.want || a.TokenEndpointAuthMethod != AuthMethodPrivateKeyJWT || !strings.HasSuffix(a.Federated[0].Source, "a.yaml:5") {
				t.Errorf("got %s, %s", got, a.Federated[0].Source)
			}
			if got := fmt.Sprint(federatedIssuers(set)); got != "[https://k.example.com]" {
				t.Error(got)
			}
		})
	}
	set := mustLoad(t, keyed("    active: false\n    federated: []"))
	if len(federatedIssuers(set)) > 0 {
		t.Error("an inactive one relies on an issuer")
	}
}

// A workload that the file does not name does not get in.
func TestFederationErrors(t *testing.T) {
	const entry = inX + `federated "https://k.example.com": `
	const nobody = entry + "says of nobody in particular that he may authenticate: everybody with a token of this issuer could; add subject, subject_pattern or claims"
	for _, row := range []struct{ name, field, want string }{
		{"none", "[]", "a.yaml:5: " + inX + "federated is empty; it could never authenticate: add one, or write `active: false`"},
		{"null", "", "a.yaml:5: " + inX + "federated is null; give it a value or leave it out"},
		{"no list", "{issuer: a}", "a.yaml:5: " + inX + "federated must be a list"},
		{"no issuer", "[{subject: a}]", "a.yaml:5: " + inX + "federated 1: issuer is missing"},
		{"nobody in particular", "[{issuer: 'https://k.example.com'}]", "a.yaml:5: " + nobody},
		{"an audience alone", "[{issuer: 'https://k.example.com', audience: a}]", "a.yaml:5: " + nobody},
		{"patterns of claims alone", "[{issuer: 'https://k.example.com', claims_pattern: {ref: refs/*}}]", "a.yaml:5: " + nobody},
		{"empty claims", "[{issuer: 'https://k.example.com', claims: {}}]", "a.yaml:5: " + entry + "claims is empty"},
		{"empty subject", "[{issuer: 'https://k.example.com', subject: ''}]", "a.yaml:5: " + entry + "subject must be 1 to 1024 printable characters"},
		{"subject that is a pattern", "[{issuer: 'https://k.example.com', subject: 'repo:*'}]", "a.yaml:5: " + entry + "subject has a *, which would stand for itself; write it as subject_pattern"},
		{"claim that is a pattern", "[{issuer: 'https://k.example.com', claims: {ref: 'refs/*'}}]", "a.yaml:5: " + entry + `claims "ref" has a *, which would stand for itself; write it in claims_pattern`},
		{"subject and pattern", "[{issuer: 'https://k.example.com', subject: a, subject_pattern: 'a:*'}]", "a.yaml:5: " + entry + "has both subject in line 5 and subject_pattern in line 5; keep one"},
		{"everybody", "[{issuer: 'https://k.example.com', subject_pattern: '*'}]", "a.yaml:5: " + entry + "subject_pattern begins with *, which fits everybody's; begin with what is fixed, as in repo:my-org@11/my-repo@74:*"},
		{"half a segment", "[{issuer: 'https://k.example.com', subject_pattern: 'repo:shop*'}]", "a.yaml:5: " + entry + "subject_pattern has a * that is not at the beginning of a segment, so that my-org* would fit my-org-of-somebody-else; put it behind a colon or a slash"},
		{"pattern without asterisk", "[{issuer: 'https://k.example.com', subject_pattern: a}]", "a.yaml:5: " + entry + "subject_pattern has no *; write the value without a pattern"},
		{"number", "[{issuer: 'https://k.example.com', claims: {project_id: 12}}]", "a.yaml:5: " + entry + `claims "project_id" must be a string; quote it: "12"`},
		{"value that is null", "[{issuer: 'https://k.example.com', claims: {project_id: ~}}]", "a.yaml:5: " + entry + `claims "project_id" is null; give it a value or leave it out`},
		{"no value", "[{issuer: 'https://k.example.com', claims: {project_id: []}}]", "a.yaml:5: " + entry + `claims "project_id" has no value that is accepted`},
		{"claim twice", "[{issuer: 'https://k.example.com', claims: {a: b, a: c}}]", "a.yaml:5: " + entry + `field "a" is repeated; it was in line 5 already`},
		{"pointer to nowhere", "[{issuer: 'https://k.example.com', claims: {/a//b: c}}]", "a.yaml:5: " + entry + `claims the claim "/a//b" has an empty step; write it as /realm_access/roles`},
		{"unknown field", "[{issuer: 'https://k.example.com', subject: a, sub: b}]", "a.yaml:5: " + entry + `unknown field "sub"; known: issuer, audience, subject, subject_pattern, claims, claims_pattern`},
		{"anchor", "[{issuer: 'https://k.example.com', subject: &a b}]", "a.yaml:5: " + entry + "subject has an anchor (&), which is not accepted; write the value out where it is needed"},
		{"keys too", "[{issuer: 'https://k.example.com', subject: a}]\n    jwks: {keys: [" + ecJWK + "]}", "a.yaml:5: " + inX + "has both jwks in line 6 and federated in line 5; it authenticates in one way, so keep one of them"},
		{"algorithm", "[{issuer: 'https://k.example.com', subject: a}]\n    token_endpoint_auth_signing_alg: ES256", "a.yaml:6: " + inX + "token_endpoint_auth_signing_alg has no effect beside federated, which is no key of the client; remove it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, _, failure := loadText(t, keyed("    federated: "+row.field)); failure != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, row.want)
			}
		})
	}
}

// A claim that every token of the issuer has matches all workloads, or none.
func TestAFederationIsNotOfEverybodyWhoHasAToken(t *testing.T) {
	for _, claims := range []string{
		"claims: {iss: 'https://k.example.com'}", "claims: {aud: a}", "claims: {/aud: a}", "claims: {/aud/0: a}", "claims: {exp: '1'}", "claims: {nbf: '1'}",
		"claims: {iat: ['1', '2']}", "claims: {jti: a}", "subject: a, claims: {iss: a}", "subject: a, claims_pattern: {iss: 'https://k.example.com/*'}",
	} {
		_, _, failure := loadText(t, keyed("    federated: [{issuer: 'https://k.example.com', "+claims+"}]"))
		if !strings.Contains(failure, " says of nobody in particular that he may authenticate: every token of the issuer has it") || strings.Contains(failure, "\n") {
			t.Errorf("%s: %s", claims, failure)
		}
	}
	mustLoad(t, keyed("    federated: [{issuer: 'https://k.example.com', claims: {/custom/iss: a}}]"))
}

// federatedIssuers returns the issuers that active Applications use, sorted.
func federatedIssuers(s *Set) (issuers []string) {
	for _, a := range s.byClientID {
		for _, f := range a.Federated {
			if a.Active {
				issuers = append(issuers, f.Issuer)
			}
		}
	}
	slices.Sort(issuers)
	return slices.Compact(issuers)
}
