package application

import (
	"maps"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// deactivated returns the Applications that must not be active, even if the file has other
// mistakes. So a deactivation does not depend on the other lines of the file, or on the
// spelling of false. Every value that is not literally true deactivates, also in a field
// whose name is a mistyped active.
func deactivated(root *strictyaml.Node) (clientIDs []string) {
	for _, applications := range strictyaml.Values(root, "applications") {
		entries := []*strictyaml.Node{applications}
		if strictyaml.IsList(applications) {
			entries = applications.Content
		}
		for _, n := range entries {
			if n = strictyaml.Target(n); !isOff(n) {
				continue
			}
			for _, id := range strictyaml.Values(n, "client_id") {
				if id = strictyaml.Target(id); strictyaml.IsScalar(id) {
					clientIDs = append(clientIDs, id.Value)
				}
			}
		}
	}
	return clientIDs
}

func isOff(n *strictyaml.Node) bool {
	return slices.ContainsFunc(strictyaml.Fields(n), func(f strictyaml.Entry) bool {
		letsIn, known := switchOf(f.Name)
		value, ok := strictyaml.Boolean(f.Value)
		return known && (!ok || value != letsIn)
	})
}

// switches are names that other products and people use for `active`, each with the value
// that activates. All but `active` are mistakes.
var switches = map[string]bool{
	"active": true, "is_active": true, "enabled": true, "is_enabled": true,
	"inactive": false, "disabled": false, "deactivated": false, "blocked": false, "suspended": false, "revoked": false,
}

// switchOf returns the value that activates, for a name that is one of the switches,
// perhaps with a typing error.
func switchOf(name string) (letsIn, known bool) {
	if applicationObject.Field(name) == nil {
		name = strictyaml.Nearest(strings.ToLower(name), slices.Sorted(maps.Keys(switches)))
	}
	letsIn, known = switches[name]
	return letsIn, known
}
