package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// routesFor keeps what is said of the routes that an operator asks for: those of a
// source, or else those that a request for a path reaches. "" keeps all.
func routesFor[R any](all []R, source func(R) string, route string, config []byte) ([]R, error) {
	if route == "" {
		return all, nil
	}
	found := kept(all, source, func(source string) bool { return isSource(source, route) })
	if len(found) == 0 && strings.HasPrefix(route, "/") {
		reached, err := tokenidp.ReachedSources(config, route)
		if err != nil {
			return nil, err
		}
		found = kept(all, source, func(source string) bool { // one without a source cannot be told from others
			return source == "" || slices.Contains(reached, source)
		})
	}
	if len(found) == 0 {
		var known []string
		for _, r := range all {
			known = append(known, source(r))
		}
		return nil, fmt.Errorf("no verify is reached by --route %q%s; without it, all are shown", route, nearest.DidYouMean(route, slices.Values(known)))
	}
	return found, nil
}

func kept[R any](all []R, source func(R) string, keep func(source string) bool) (found []R) {
	for _, r := range all {
		if keep(source(r)) {
			found = append(found, r)
		}
	}
	return found
}

// isSource tells whether the source is given, by its end maybe: Caddyfile:12, or :12.
// The name of a file is given whole.
func isSource(source, given string) bool {
	before, ok := strings.CutSuffix(source, given)
	return ok && (before == "" || strings.HasSuffix(before, "/") || strings.HasPrefix(given, ":"))
}
