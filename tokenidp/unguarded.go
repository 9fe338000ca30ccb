package tokenidp

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// guard is how much of a verify a request has behind it.
type guard int

const (
	open guard = iota
	conditional
	guarded
)

// Unguarded finds the handlers that serve something, as reverse_proxy and
// file_server do, and that requests can reach without a token. Error routes are not
// looked at, nor is what only answers by itself, as respond does.
func Unguarded(config []byte) ([]adminapi.Unguarded, error) {
	var cfg struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Routes []routeConfig          `json:"routes"`
					Named  map[string]routeConfig `json:"named_routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &cfg); err != nil { //nolint:forbidigo // the operator's own configuration
		return nil, err
	}
	var found []adminapi.Unguarded
	for _, name := range slices.Sorted(maps.Keys(cfg.Apps.HTTP.Servers)) {
		server := cfg.Apps.HTTP.Servers[name]
		w := &guardWalk{named: server.Named}
		w.routes(server.Routes, open, nil)
		found = append(found, w.found...)
	}
	return found, nil
}

type routeConfig struct {
	Group    string                       `json:"group"`
	Match    []map[string]json.RawMessage `json:"match"`
	Handle   []json.RawMessage            `json:"handle"`
	Terminal bool                         `json:"terminal"`
}

// always tells whether every request that comes to the route goes through it.
func (r *routeConfig) always() bool {
	return r.Group == "" && (len(r.Match) == 0 || slices.ContainsFunc(r.Match, func(set map[string]json.RawMessage) bool { return len(set) == 0 }))
}

// at is by which paths and hosts it matches.
func (r *routeConfig) at() (all []string) {
	for _, set := range r.Match {
		for _, name := range []string{"host", "path"} {
			var patterns []string
			if json.Unmarshal(set[name], &patterns) == nil { //nolint:forbidigo // the operator's own configuration
				all = append(all, patterns...)
			}
		}
	}
	return all
}

// mostNested is how deep named routes are followed, which may invoke one another.
const mostNested = 10

type guardWalk struct {
	named map[string]routeConfig
	depth int // of named routes
	found []adminapi.Unguarded
}

// routes are gone through one after the other. It returns what a request that has come
// through all of them has behind it.
func (w *guardWalk) routes(routes []routeConfig, before guard, at []string) guard {
	for _, r := range routes {
		here, after := slices.Concat(at, r.at()), before
		for _, raw := range r.Handle {
			after = w.handler(raw, after, here)
		}
		switch {
		case r.always() && r.Terminal:
			return after
		case r.always():
			before = after
		case after > before && !r.Terminal && r.Group == "":
			before = max(before, conditional) // those that matched have it behind them
		}
	}
	return before
}

// handlerConfig is what of a handler tells whom it lets through, and to what.
type handlerConfig struct {
	Name           string                       `json:"handler"`
	Invoked        string                       `json:"name"`
	Match          []map[string]json.RawMessage `json:"match"`
	AllowPreflight bool                         `json:"allow_preflight"`
	ReportOnly     bool                         `json:"report_only"`
	Routes         []routeConfig                `json:"routes"`
	Errors         json.RawMessage              `json:"errors"`
	Upstreams      []struct {
		Dial string `json:"dial"`
	} `json:"upstreams"`
	Root string `json:"root"`
}

func (w *guardWalk) handler(raw json.RawMessage, before guard, at []string) guard {
	var h handlerConfig
	if json.Unmarshal(raw, &h) != nil { //nolint:forbidigo // of another module, and not understood
		return before
	}
	switch h.Name {
	case "verify":
		if len(h.Match) > 0 || h.AllowPreflight || h.ReportOnly {
			return max(before, conditional)
		}
		return guarded
	case "subroute":
		after := w.routes(h.Routes, before, at)
		if len(h.Errors) > 0 { // through which a refused request goes on
			after = max(before, min(after, conditional))
		}
		return after
	case "invoke":
		named, ok := w.named[h.Invoked]
		if ok && w.depth < mostNested {
			w.depth++
			defer func() { w.depth-- }()
			return w.routes([]routeConfig{named}, before, at)
		}
		if ok && before < guarded {
			w.found = append(w.found, adminapi.Unguarded{At: strings.Join(at, " "), Handler: "invoke " + h.Invoked, Conditional: before == conditional})
		}
	case "reverse_proxy", "file_server":
		if before < guarded {
			w.found = append(w.found, adminapi.Unguarded{At: strings.Join(at, " "), Handler: h.String(), Conditional: before == conditional})
		}
	}
	return before
}

// String is for people.
func (h *handlerConfig) String() string {
	words := []string{h.Name}
	for _, u := range h.Upstreams {
		words = append(words, u.Dial)
	}
	if h.Root != "" {
		words = append(words, h.Root)
	}
	return strings.Join(words, " ")
}
