package caddyfile

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// parsePolicy reads what several routes ask of a token. Syntax:
//
//	policy <name> [<scope>...] {
//	    any_scope    <scope>...
//	    audience     <audience>...
//	    claim        <claim> <value>...
//	    require      <claim>...
//	    sender_constrained [dpop] [mtls]
//	    max_age      <duration>
//	    max_lifetime <duration>
//	    expression   <cel>
//	}
//
// The scopes in the first line are all required, as in verify.
func parsePolicy(d *caddyfile.Dispenser) (*tokenidp.Policy, error) {
	p := &tokenidp.Policy{Source: source(d)}
	args := d.RemainingArgs()
	if len(args) == 0 || slices.Contains(args, "") || slices.ContainsFunc(args, isMatcher) {
		return nil, usage(d, "policy <name> [<scope>...], as in: policy readers orders.read")
	}
	p.Name, p.Scopes = args[0], args[1:]
	given := make(once)
	for d.NextBlock(1) {
		if !repeatable(d.Val()) {
			if err := given.check(d); err != nil {
				return nil, err
			}
		}
		known, err := parseRequirement(d, &p.Requirements)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, unknown(d, "policy", demandOptions)
		}
	}
	return p, nil
}
