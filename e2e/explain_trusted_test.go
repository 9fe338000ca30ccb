package e2e

import (
	"strings"
	"testing"
)

// For a token of an issuer elsewhere, the option that would let it pass is named, and
// the file of Applications is not: that issuer has none here.
func TestExplainTokensOfTrustedIssuers(t *testing.T) {
	t.Parallel()
	plain, keycloak := newForeign(t, ""), newForeign(t, "/realms/shop")
	for _, f := range []*foreign{plain, keycloak} {
		f.publishKeys(jwkOf(attackerKey(), "k", nil))
	}
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(
		plain.trust("audience orders-api", "client_id_claims azp", "scope_claims scope", "types jwt", "algorithms RS256"),
		keycloak.trust("preset keycloak", "audience orders-api"),
	)+trustedSite(`
	verify orders.read {
		issuer `+plain.issuer+` `+keycloak.issuer+`
		claim tenant blue
		require level
		max_lifetime 2h
		claim_header X-Groups groups
	}
	respond fine`))
	token := func(f *foreign, changes members) string {
		claims := members{"azp": "worker", "client_id": absent{}, "scope": "orders.read", "tenant": "blue", "level": 1, "typ": "Bearer"}
		for name, value := range changes {
			claims[name] = value
		}
		forger := f.forger(attackerKey(), "k")
		return forger.sign(forger.header(members{"typ": "JWT"}), forger.claims(claims))
	}
	forger := plain.forger(attackerKey(), "k")
	for name, row := range map[string]struct{ token, reason, expected, change string }{
		"Dex's at_hash":         {token(plain, members{"at_hash": "h"}), "wrong_type", "no at_hash", "`insecure_id_token_marks at_hash`"},
		"a nonce":               {token(plain, members{"nonce": "n"}), "wrong_type", "no nonce", "`insecure_id_token_marks nonce`"},
		"the hash of a code":    {token(plain, members{"c_hash": "h"}), "wrong_type", "no c_hash", "not an id token"},
		"an ID token, marked":   {token(keycloak, members{"typ": "ID"}), "wrong_type", `"Bearer"`, "not an id token"},
		"a type":                {forger.good(), "wrong_type", "jwt", "`types` of `trust`"},
		"an algorithm":          {forger.sign(forger.header(members{"typ": "JWT", "alg": "PS256"}), forger.claims(nil)), "wrong_algorithm", "RS256", "`algorithms` of `trust`"},
		"no client":             {token(plain, members{"azp": absent{}, "cid": "worker"}), "missing_claim", "a client", "`client_id_claims` of `trust`"},
		"scopes in a list":      {token(plain, members{"scope": []string{"Domain Users"}}), "malformed_claims", "claim", "`scope_claims` of `trust`"},
		"scopes elsewhere":      {token(plain, members{"scope": absent{}, "roles": []string{"orders.read"}}), "missing_scope", "orders.read", "`scope_claims` of `trust`"},
		"another audience":      {token(plain, members{"aud": "stock-api"}), "wrong_audience", "orders-api", "`audience` of `trust` or `verify`"},
		"another tenant":        {token(plain, members{"tenant": "red"}), "claim_not_accepted", "blue", "`claim` of `trust` or `verify`"},
		"no level":              {token(plain, members{"level": absent{}}), "claim_required", "claims", "`require`"},
		"a long life":           {token(plain, members{"exp": forger.at(5 * 60 * 60 * 1e9)}), "lives_too_long", "max_lifetime", "`max_lifetime`"},
		"another key":           {forger.sign(forger.header(members{"typ": "JWT", "kid": "other"}), forger.claims(nil)), "unknown_key", "publishes", "`caddy tokenidp trusted`"},
		"forged":                {forger.signBy(secondKey(), forger.header(members{"typ": "JWT"}), forger.claims(nil)), "bad_signature", "signature", "`caddy tokenidp trusted`"},
		"groups with a space":   {token(plain, members{"groups": []string{"Domain Users"}}), "malformed_claims", "claim", "claim_header"},
		"as it is, and it does": {token(plain, nil), "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := api.explainJSON(row.token).Routes[0]
			if got.Passes != (row.reason == "") || got.Reason != row.reason || !strings.Contains(got.Expected, row.expected) || !strings.Contains(got.Change, row.change) {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.Change+got.Expected, "Application") || strings.Contains(row.change, "insecure") && strings.Contains(got.Change, "types") {
				t.Errorf("advises what does not help: %s", got.Change)
			}
		})
	}
}
