package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

const demandOptions = "any_scope, audience, claim, require, max_age, max_lifetime, expression"

// parseDemand reads one option that asks something of a token. Syntax:
//
//	any_scope    <scope>...
//	audience     <audience>...
//	claim        <claim> <value>...
//	require      <claim>...
//	max_age      <duration>
//	max_lifetime <duration>
//	expression   <cel>
//
// `claim` and `expression` may be repeated. A claim that begins with a slash is a JSON Pointer. Any
// other option is not known here.
func parseDemand(d *caddyfile.Dispenser, demands *tokenidp.Demands) (known bool, err error) {
	switch d.Val() {
	case "any_scope":
		demands.AnyScope, err = someArgs(d, "any_scope <scope>..., as in: any_scope orders.read orders.admin")
	case "audience":
		demands.Audience, err = someArgs(d, "audience <audience>..., as in: audience orders-api")
	case "claim":
		var rule tokenidp.ClaimRule
		rule, err = parseClaimRule(d)
		demands.Claims = append(demands.Claims, rule)
	case "require":
		demands.Require, err = someArgs(d, "require <claim>..., as in: require tenant")
	case "max_age":
		demands.MaxAge, err = parseDuration(d, "max_age <duration>, as in: max_age 10m")
	case "max_lifetime":
		demands.MaxLifetime, err = parseDuration(d, "max_lifetime <duration>, as in: max_lifetime 1h")
	case "expression":
		var expression string
		expression, err = parseExpression(d)
		demands.Expressions = append(demands.Expressions, expression)
	default:
		return false, nil
	}
	return true, err
}

// repeatable tells whether an option may be given several times in a block.
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
