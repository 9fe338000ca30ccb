package check

import (
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// Rules are all rules. docs/checks.md has them in this order.
var Rules = slices.Concat(
	secretRules, applicationRules, issuerRules, trustedRules, routeRules, accessRules, upstreamRules, stateRules, serverRules, fileRules, testRules, ignoreRules,
)

// find returns the rule with the ID, or nil.
func find(id warning.ID) *Rule {
	i := slices.IndexFunc(Rules, func(r *Rule) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return Rules[i]
}

// IDs returns the IDs of all rules.
func IDs() (ids []string) {
	for _, r := range Rules {
		ids = append(ids, string(r.ID))
	}
	return ids
}
