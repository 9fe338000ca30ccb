package command

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// routeUsage describes the flag --route.
const routeUsage = "Show only this route, the one of this source, or those that this request can take"

// routesFor keeps the answers about the routes that an operator names, like route.Select.
// "" keeps all. place returns the ID of a route and its source. A server that does not know
// the IDs has sources in their place.
func routesFor[R any](all []R, place func(R) (id, source string), asked string, config []byte) (found []R, err error) {
	if asked == "" {
		return all, nil
	}
	routes, err := route.Read(config)
	if err != nil {
		return nil, err
	}
	selected, err := routes.Select(asked)
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool)
	for _, r := range selected {
		named[r.ID], named[r.Handler.Source] = true, true
	}
	var known []string
	for _, r := range all {
		id, source := place(r)
		known = append(known, id, source)
		if named[id] {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil, unknownRoute(asked, known)
	}
	return found, nil
}

// selectRoutes returns the IDs of the routes that an operator names.
func selectRoutes(routes *route.Config, asked string) (map[string]bool, error) {
	selected, err := routes.Select(asked)
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool)
	for _, r := range selected {
		named[r.ID] = true
	}
	if len(named) > 0 {
		return named, nil
	}
	var known []string
	for _, r := range routes.Verifies() {
		known = append(known, r.ID, r.Handler.Source)
	}
	return nil, unknownRoute(asked, known)
}

func unknownRoute(asked string, known []string) error {
	return fmt.Errorf("no verify is reached by --route %q%s; without it, all are shown", asked, nearest.DidYouMean(asked, slices.Values(known)))
}

// titleOf returns a route and its source: api.example.com/orders* (Caddyfile:12).
func titleOf(id, source string) string {
	if id == "" || source == "" || id == source {
		return cmp.Or(id, source, "verify")
	}
	return id + " (" + source + ")"
}
