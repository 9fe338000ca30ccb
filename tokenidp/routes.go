package tokenidp

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// configuredVerify is a verify in the JSON of a configuration.
type configuredVerify struct {
	source string
	raw    json.RawMessage
}

// verifiesFor finds the verify handlers that a request for the path can reach, as
// far as path matchers and the exclusion of `handle` blocks tell: hosts, other
// matchers and rewrites are not looked at. The empty path finds all.
func verifiesFor(config []byte, path string) ([]configuredVerify, error) {
	var root any
	if err := json.Unmarshal(config, &root); err != nil { //nolint:forbidigo // the operator's own configuration
		return nil, err
	}
	w := routeWalk{path: path}
	w.visit(root)
	return w.found, nil
}

type routeWalk struct {
	path  string
	found []configuredVerify
}

func (w *routeWalk) visit(node any) {
	switch n := node.(type) {
	case map[string]any:
		w.visitObject(n)
	case []any:
		taken := make(map[string]bool) // groups, of which one route alone is taken
		for _, element := range n {
			route, _ := element.(map[string]any)
			group, _ := route["group"].(string)
			if reached := w.reaches(route); !reached || taken[group] {
				continue
			}
			if group != "" && w.surely(route) {
				taken[group] = true
			}
			w.visit(element)
		}
	}
}

func (w *routeWalk) visitObject(object map[string]any) {
	if object["handler"] == "verify" {
		if !w.reaches(object) {
			return
		}
		module := maps.Clone(object)
		delete(module, "handler")
		raw, _ := json.Marshal(module) // it was JSON
		source, _ := object["source"].(string)
		w.found = append(w.found, configuredVerify{source: source, raw: raw})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		w.visit(object[name])
	}
}

// reaches tells whether some matcher set of the object can match the path.
func (w *routeWalk) reaches(object map[string]any) bool {
	sets, _ := object["match"].([]any)
	return w.path == "" || len(sets) == 0 || slices.ContainsFunc(sets, func(set any) bool {
		matchers, _ := set.(map[string]any)
		patterns, ok := matchers["path"].([]any)
		return !ok || w.matches(patterns)
	})
}

// surely tells whether the object matches every request for the path.
func (w *routeWalk) surely(object map[string]any) bool {
	sets, _ := object["match"].([]any)
	return w.path != "" && (len(sets) == 0 || slices.ContainsFunc(sets, func(set any) bool {
		matchers, _ := set.(map[string]any)
		patterns, ok := matchers["path"].([]any)
		return ok && len(matchers) == 1 && w.matches(patterns)
	}))
}

// matches asks Caddy's own matcher.
func (w *routeWalk) matches(patterns []any) bool {
	var matcher caddyhttp.MatchPath
	for _, p := range patterns {
		if text, ok := p.(string); ok {
			matcher = append(matcher, text)
		}
	}
	if len(matcher) == 0 || matcher.Provision(caddy.Context{}) != nil {
		return true
	}
	r := (&http.Request{URL: &url.URL{Path: w.path}}).
		WithContext(context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	matched, err := matcher.MatchWithError(r)
	return matched || err != nil
}

// ReachedSources are the sources of the verify handlers that a request for the path
// can reach.
func ReachedSources(config []byte, path string) (sources []string, err error) {
	reached, err := verifiesFor(config, path)
	for _, v := range reached {
		sources = append(sources, v.source)
	}
	return sources, err
}
