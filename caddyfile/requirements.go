package caddyfile

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

const demandOptions = "any_scope, audience, claim, require, sender_constrained, max_age, max_lifetime, expression"

// parseRequirement reads one option that asks something of a token. Syntax:
//
//	any_scope    <scope>...
//	audience     <audience>...
//	claim        <claim> <value>...
//	require      <claim>...
//	sender_constrained [dpop] [mtls]
//	max_age      <duration>
//	max_lifetime <duration>
//	expression   <cel>
//
// `claim` and `expression` may be repeated. A claim that begins with a slash is a JSON Pointer. Any
// other option is not known here.
func parseRequirement(d *caddyfile.Dispenser, requirements *tokenidp.Requirements) (known bool, err error) {
	switch d.Val() {
	case "any_scope":
		requirements.AnyScope, err = someArgs(d, "any_scope <scope>..., as in: any_scope orders.read orders.admin")
	case "audience":
		requirements.Audience, err = someArgs(d, "audience <audience>..., as in: audience orders-api")
	case "claim":
		var rule tokenidp.ClaimRule
		rule, err = parseClaimRule(d)
		requirements.Claims = append(requirements.Claims, rule)
	case "require":
		requirements.Require, err = someArgs(d, "require <claim>..., as in: require tenant")
	case "sender_constrained":
		requirements.SenderConstrained, err = parseMeans(d)
	case "max_age":
		requirements.MaxAge, err = parseDuration(d, "max_age <duration>, as in: max_age 10m")
	case "max_lifetime":
		requirements.MaxLifetime, err = parseDuration(d, "max_lifetime <duration>, as in: max_lifetime 1h")
	case "expression":
		var expression string
		expression, err = parseExpression(d)
		requirements.Expressions = append(requirements.Expressions, expression)
	default:
		return false, nil
	}
	return true, err
}

// parseMeans parses how a token must be bound. Default: by any means.
func parseMeans(d *caddyfile.Dispenser) ([]string, error) {
	means := d.RemainingArgs()
	if len(means) == 0 {
		return verifier.Means, nil
	}
	for i, one := range means {
		if !slices.Contains(verifier.Means, one) || slices.Contains(means[:i], one) {
			return nil, usage(d, "sender_constrained [dpop] [mtls], as in: sender_constrained dpop")
		}
	}
	return means, nil
}

// repeatable reports whether an option may be given several times in a block.
func repeatable(option string) bool {
	return option == "claim" || option == "expression" || option == "claim_header"
}

// parseExpression takes the rest of the line, as Caddy's own matcher `expression`
// does: one argument without its quotes, which are the Caddyfile's; of several, the
// quotes are CEL's.
func parseExpression(d *caddyfile.Dispenser) (string, error) {
	const syntax = "expression <cel>, as in: expression `claims.tenant == \"a\"`"
	if d.CountRemainingArgs() > 1 {
		return strings.Join(d.RemainingArgsRaw(), " "), nil
	}
	return oneArg(d, syntax)
}
