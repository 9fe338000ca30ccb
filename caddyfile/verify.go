package caddyfile

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// parseVerify sets up the verification of access tokens. Syntax:
//
//	verify [<matcher>] [<scope>...] {
//	    any_scope             <scope>...
//	    issuer                <url>...
//	    audience              <audience>...
//	    claim                 <claim> <value>...
//	    require               <claim>...
//	    sender_constrained    [dpop] [mtls]
//	    max_age               <duration>
//	    max_lifetime          <duration>
//	    expression            <cel>
//	    policy                <name>...
//	    realm                 <realm>
//	    claim_header          <header> <claim> [json]
//	    dpop_origin           <origin>...
//	    forward_authorization
//	    allow_preflight
//	    report_only
//	}
//
// The scopes in the first line are all required. The matcher becomes part of
// the handler, which sees every request: those that do not match still lose the
// claim headers that a client may have forged.
func parseVerify(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next() // consume directive name
	handler := &tokenidp.Verify{Source: source(h.Dispenser)}
	if matcher != nil {
		handler.MatcherSetsRaw = []caddy.ModuleMap{matcher}
	}
	handler.Scopes = h.RemainingArgs()
	if slices.Contains(handler.Scopes, "") || slices.ContainsFunc(handler.Scopes, isMatcher) {
		return nil, usage(h.Dispenser, "verify [<matcher>] [<scope>...], the matcher first, as in: verify /orders* orders.read")
	}
	if err := parseVerifyBlock(h, handler); err != nil {
		return nil, err
	}
	return route(h, handler), nil
}

func parseVerifyBlock(h httpcaddyfile.Helper, v *tokenidp.Verify) error {
	given := make(once)
	for h.NextBlock(0) {
		if !repeatable(h.Val()) {
			if err := given.check(h.Dispenser); err != nil {
				return err
			}
		}
		known, err := parseRequirement(h.Dispenser, &v.Requirements)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		switch h.Val() {
		case "issuer":
			v.Issuers, err = someArgs(h.Dispenser, "issuer <url>..., as in: issuer https://idp.example.com")
		case "policy":
			v.Policies, err = someArgs(h.Dispenser, "policy <name>..., as in: policy fresh")
		case "realm":
			v.Realm, err = oneArg(h.Dispenser, `realm <realm>, as in: realm "Orders API"`)
		case "claim_header":
			err = parseClaimHeader(h, v)
		case "dpop_origin":
			v.DPoPOrigins, err = parseOrigins(h.Dispenser)
		case "forward_authorization":
			v.ForwardAuthorization, err = flag(h.Dispenser)
		case "allow_preflight":
			v.AllowPreflight, err = flag(h.Dispenser)
		case "report_only":
			v.ReportOnly, err = flag(h.Dispenser)
		default:
			err = unknown(h.Dispenser, "verify", demandOptions+", policy, issuer, realm, claim_header, dpop_origin, forward_authorization, allow_preflight, report_only")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseOrigins reads the origins under which clients call APIs.
func parseOrigins(d *caddyfile.Dispenser) ([]string, error) {
	return someArgs(d, "dpop_origin <origin>..., as in: dpop_origin https://api.example.com")
}

func parseClaimHeader(h httpcaddyfile.Helper, v *tokenidp.Verify) error {
	args := h.RemainingArgs()
	if len(args) < 2 || len(args) > 3 || slices.Contains(args, "") || len(args) == 3 && args[2] != "json" {
		return usage(h.Dispenser, "claim_header <header> <claim> [json], as in: claim_header X-Client-Id client_id")
	}
	header := tokenidp.ClaimHeader{Header: args[0], Claim: args[1]}
	if len(args) == 3 {
		header.Format = args[2]
	}
	v.ClaimHeaders = append(v.ClaimHeaders, header)
	return nil
}
