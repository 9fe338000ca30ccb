package e2e

import (
	"strings"
	"testing"
)

// RFC 9449 section 7: a token that a trusted issuer bound to a key passes with a proof
// by that key, made for the URL under which clients call this API.
func TestDPoPTokensOfATrustedIssuer(t *testing.T) {
	t.Parallel()
	issuer, api := startTrustingShop(t, `
	handle /orders* {
		verify orders.read {
			audience orders-api
			dpop_origin https://localhost:5003
		}
		respond "{http.auth.user.id} {http.auth.user.iss}"
	}
	handle /nowhere* {
		verify orders.read {
			audience orders-api
		}
		respond fine
	}`)
	p, thief := newProver(t), newProver(t)
	token, free := issuer.provenToken(t, p, issuer.client()), issuer.token("reader", "orders.read")
	const asDPoP, asBearer = "Authorization: DPoP ", "Authorization: Bearer "
	proof := func(p *prover, url, token string) string { return "Dpop: " + p.proof("GET", api.url(url), token, nil) }
	const here, badProof, badToken = "https://localhost:5003", "invalid_dpop_proof", "invalid_token"
	good := proof(p, here+"/orders", token)
	passes := "reader " + issuer.url("https://localhost:5001")

	for _, row := range []struct {
		name, path string
		headers    []string
		says       string // what the route does, or why it is refused
		challenge  string // the error in it; empty: it passes
	}{
		{"a good proof", "/orders", []string{asDPoP + token, good}, passes, ""},
		{"that proof again", "/orders", []string{asDPoP + token, good}, "replayed_dpop_proof", badProof},
		{"another proof", "/orders", []string{asDPoP + token, proof(p, here+"/orders", token)}, passes, ""},
		{"no proof", "/orders", []string{asDPoP + token}, "no_dpop_proof", badProof},
		{"as Bearer", "/orders", []string{asBearer + token}, "wrong_authorization_scheme", badToken},
		{"as Bearer, with a proof", "/orders", []string{asBearer + token, proof(p, here+"/orders", token)}, "wrong_authorization_scheme", badToken},
		{"a proof by another key", "/orders", []string{asDPoP + token, proof(thief, here+"/orders", token)}, "dpop_proof_by_another_key", badProof},
		{"a proof for another token", "/orders", []string{asDPoP + token, proof(p, here+"/orders", free)}, "dpop_proof_for_another_token", badProof},
		{"a proof for the issuer's URL", "/orders", []string{asDPoP + token, proof(p, "https://localhost:5001/orders", token)}, "dpop_proof_for_another_request", badProof},
		{"nobody said under which URL", "/nowhere", []string{asDPoP + token, proof(p, here+"/nowhere", token)}, "no_dpop_origin", badToken},
		{"a free token", "/orders", []string{asBearer + free}, passes, ""},
		{"a free token, with a proof", "/orders", []string{asDPoP + free, proof(p, here+"/orders", free)}, "wrong_authorization_scheme", badToken},
	} {
		t.Run(row.name, func(t *testing.T) {
			status := 401
			if row.challenge == "" {
				status = 200
			}
			a := api.do("GET", here+row.path, "", row.headers...)
			if a.StatusCode != status || a.body != row.says {
				t.Errorf("%d %q, want %d %q", a.StatusCode, a.body, status, row.says)
			}
			challenges := strings.Join(a.Header.Values("WWW-Authenticate"), "\n")
			if wanted := `error="` + row.challenge + `"`; (challenges != "") != (row.challenge != "") || row.challenge != "" && !strings.Contains(challenges, wanted) {
				t.Errorf("challenges %s, want %s", challenges, wanted)
			}
		})
	}
	if log := api.logged(); strings.Contains(log, strings.Split(good, ".")[2]) || strings.Contains(log, strings.Split(token, ".")[2]) {
		t.Error("the log has a proof or a token")
	}
}

// Keycloak writes "DPoP" into the claim typ of an access token that is bound to a key
// (org.keycloak.util.TokenUtil.TOKEN_TYPE_DPOP). It is an access token only if it is
// bound, and only with a proof.
func TestDPoPTokensOfKeycloak(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "/realms/shop")
	f.publishKeys(jwkOf(attackerKey(), "k", nil))
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(f.trust("preset keycloak", "audience orders-api"))+trustedSite(`
	handle /orders* {
		verify orders.read {
			dpop_origin https://localhost:5003
		}
		respond "{http.auth.user.id}"
	}`))
	p, thief := newProver(t), newProver(t)
	forger := f.forger(attackerKey(), "k")
	token := func(changes members) string {
		claims := members{"typ": "DPoP", "azp": "worker", "client_id": absent{}, "scope": "orders.read", "aud": "orders-api", "cnf": members{"jkt": p.thumbprint()}}
		for name, value := range changes {
			claims[name] = value
		}
		return forger.sign(forger.header(members{"typ": "JWT"}), forger.claims(claims))
	}
	url := api.url("https://localhost:5003/orders")
	bound := token(nil)
	with := func(typ string) []string { return p.headers("GET", url, token(members{"typ": typ})) }
	for name, row := range map[string]struct {
		headers []string
		status  int
		says    string
	}{
		"bound, with a proof":          {p.headers("GET", url, bound), 200, "worker"},
		"bound, without a proof":       {[]string{"Authorization: DPoP " + bound}, 401, "no_dpop_proof"},
		"bound, as Bearer":             {[]string{bearer(bound)}, 401, "wrong_authorization_scheme"},
		"bound, with another's proof":  {thief.headers("GET", url, bound), 401, "dpop_proof_by_another_key"},
		"not bound, as Bearer":         {[]string{bearer(token(members{"cnf": absent{}}))}, 401, "wrong_type"},
		"bound to a certificate alone": {[]string{bearer(token(members{"cnf": members{"x5t#S256": p.thumbprint()}}))}, 401, "wrong_type"},
		"bound, of the type Bearer":    {with("Bearer"), 200, "worker"},
		"bound ID token":               {with("ID"), 401, "wrong_type"},
		"bound refresh token":          {with("Refresh"), 401, "wrong_type"},
		"a Bearer token, as before":    {[]string{bearer(token(members{"typ": "Bearer", "cnf": absent{}}))}, 200, "worker"},
		"a Bearer token, with a proof": {p.headers("GET", url, token(members{"typ": "Bearer", "cnf": absent{}})), 401, "wrong_authorization_scheme"},
		"another case, with a proof":   {with("dpop"), 401, "wrong_type"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := api.do("GET", "https://localhost:5003/orders", "", row.headers...); a.StatusCode != row.status || a.body != row.says {
				t.Errorf("%d %q, want %d %q", a.StatusCode, a.body, row.status, row.says)
			}
		})
	}
}
