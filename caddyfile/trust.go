package caddyfile

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

const trustOptions = "preset, jwks_url, jwks_file, ca_file, bearer_token_file, audience, algorithms, types, client_id_claims, scope_claims, claim, leeway, max_stale, insecure_http, insecure_id_token_marks, insecure_nonce"

// parseTrust reads an issuer elsewhere whose tokens are accepted. Syntax:
//
//	trust <issuer-url> {
//	    preset            entra|keycloak|auth0|dex|kubernetes|github_actions
//	    jwks_url          <url>
//	    jwks_file         <path>
//	    ca_file           <path>
//	    bearer_token_file <path>
//	    audience          <audience>...
//	    algorithms        <algorithm>...
//	    types             at+jwt|jwt|none...
//	    client_id_claims  <claim>...
//	    scope_claims      <claim>...
//	    claim             <claim> <value>...
//	    leeway            <duration>
//	    max_stale         <duration>
//	    insecure_http
//	    insecure_id_token_marks nonce|at_hash...
//	    insecure_nonce
//	}
//
// `claim` may be repeated. A claim that begins with a slash is a JSON Pointer.
func parseTrust(d *caddyfile.Dispenser) (*tokenidp.TrustedIssuer, error) {
	t := &tokenidp.TrustedIssuer{Source: source(d)}
	var err error
	if t.Issuer, err = oneArg(d, "trust <issuer-url>, as in: trust https://login.example.com"); err != nil {
		return nil, err
	}
	given := make(once)
	for d.NextBlock(1) {
		if d.Val() != "claim" {
			if err := given.check(d); err != nil {
				return nil, err
			}
		}
		if err := parseTrustOption(d, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func parseTrustOption(d *caddyfile.Dispenser, t *tokenidp.TrustedIssuer) (err error) {
	switch d.Val() {
	case "preset":
		t.Preset, err = oneArg(d, "preset <name>, as in: preset keycloak")
	case "jwks_url":
		t.JWKSURL, err = oneArg(d, "jwks_url <url>, as in: jwks_url https://login.example.com/keys")
	case "jwks_file":
		t.JWKSFile, err = parsePath(d, "jwks_file <path>, as in: jwks_file keys.json")
	case "ca_file":
		t.CAFile, err = parsePath(d, "ca_file <path>, as in: ca_file ca.pem")
	case "bearer_token_file":
		t.BearerTokenFile, err = parsePath(d, "bearer_token_file <path>, as in: bearer_token_file /var/run/secrets/kubernetes.io/serviceaccount/token")
	case "audience":
		t.Audience, err = someArgs(d, "audience <audience>..., as in: audience orders-api")
	case "algorithms":
		t.Algorithms, err = someArgs(d, "algorithms <algorithm>..., as in: algorithms RS256 ES256")
	case "types":
		t.Types, err = someArgs(d, "types <type>..., as in: types at+jwt jwt")
	case "client_id_claims":
		t.ClientIDClaims, err = someArgs(d, "client_id_claims <claim>..., as in: client_id_claims azp")
	case "scope_claims":
		t.ScopeClaims, err = someArgs(d, "scope_claims <claim>..., as in: scope_claims scope /realm_access/roles")
	case "claim":
		var rule tokenidp.ClaimRule
		rule, err = parseClaimRule(d)
		t.Claims = append(t.Claims, rule)
	case "leeway":
		t.Leeway, err = parseDuration(d, "leeway <duration>, as in: leeway 10s")
	case "max_stale":
		t.MaxStale, err = parseDuration(d, "max_stale <duration>, as in: max_stale 6h")
	case "insecure_http":
		t.InsecureHTTP, err = flag(d)
	case "insecure_id_token_marks":
		t.InsecureIDTokenMarks, err = someArgs(d, "insecure_id_token_marks <claim>..., as in: insecure_id_token_marks at_hash")
	case "insecure_nonce":
		t.InsecureNonce, err = flag(d)
	default:
		err = unknown(d, "trust", trustOptions)
	}
	return err
}

// parseClaimRule reads what a claim must be.
func parseClaimRule(d *caddyfile.Dispenser) (tokenidp.ClaimRule, error) {
	args := d.RemainingArgs()
	if len(args) < 2 || slices.Contains(args, "") {
		return tokenidp.ClaimRule{}, usage(d, "claim <claim> <value>..., as in: claim repository my-org/my-repo")
	}
	return tokenidp.ClaimRule{Claim: args[0], Values: args[1:]}, nil
}

func parsePath(d *caddyfile.Dispenser, syntax string) (string, error) {
	path, err := oneArg(d, syntax)
	if err != nil {
		return "", err
	}
	return resolve(d, path)
}
