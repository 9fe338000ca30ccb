package route

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// matcher has sets of matchers. One set must match. No sets match everything.
type matcher []*matcherSet

// matcherSet has matchers that must all match.
type matcherSet struct {
	hosts, paths, methods []string
	negated               matcher                    // none may match
	others                []string                   // readable, for people
	raw                   map[string]json.RawMessage // the others, as they are
}

// UnmarshalJSON reads the set as Caddy has it: by the names of the matchers.
func (s *matcherSet) UnmarshalJSON(data []byte) error {
	var byName map[string]json.RawMessage
	if err := json.Unmarshal(data, &byName); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		raw := byName[name]
		var err error
		switch name {
		case "host":
			err = json.Unmarshal(raw, &s.hosts)
		case "path":
			err = json.Unmarshal(raw, &s.paths)
		case "method":
			err = json.Unmarshal(raw, &s.methods)
		case "not":
			err = json.Unmarshal(raw, &s.negated)
		default:
			s.others = append(s.others, describe(name, raw))
			if s.raw == nil {
				s.raw = make(map[string]json.RawMessage)
			}
			s.raw[name] = raw
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// describe returns a matcher that is not evaluated, for people. It has only the names of
// headers, queries and variables, because their values may be secret.
func describe(name string, raw json.RawMessage) string {
	var text string
	var list []string
	var object struct {
		Expr    string   `json:"expr"`
		Pattern string   `json:"pattern"`
		Ranges  []string `json:"ranges"`
	}
	var members map[string]json.RawMessage
	switch name {
	case "expression", "path_regexp", "protocol", "token_scope", "remote_ip", "client_ip":
		if json.Unmarshal(raw, &text) != nil && json.Unmarshal(raw, &list) != nil && json.Unmarshal(raw, &object) == nil {
			list = slices.Concat(object.Ranges, []string{object.Expr + object.Pattern})
		}
	case "header", "header_regexp", "query", "vars", "vars_regexp":
		if json.Unmarshal(raw, &members) == nil {
			list = slices.Sorted(maps.Keys(members))
		}
	}
	return strings.Join(strings.Fields(name+" "+text+" "+strings.Join(list, " ")), " ")
}

// mentionsPath reports whether a matcher reads the path.
func (m matcher) mentionsPath() bool {
	return slices.ContainsFunc(m, func(s *matcherSet) bool {
		return s != nil && (len(s.paths) > 0 || s.negated.mentionsPath() || slices.ContainsFunc(s.others, looksAtPath))
	})
}

func looksAtPath(described string) bool {
	name, _, _ := strings.Cut(described, " ")
	return slices.Contains([]string{"path_regexp", "url_pattern", "file", "expression", "vars", "vars_regexp"}, name)
}

// Request is what is known about a request. An empty field may have any value.
type Request struct {
	Method string
	Host   string // with its port, or without
	Path   string
}

// evaluate reports whether the matcher may match the request, and whether it always does.
func (m matcher) evaluate(r *Request) (may, sure bool) {
	if len(m) == 0 {
		return true, true
	}
	for _, s := range m {
		setMay, setSure := s.evaluate(r)
		may, sure = may || setMay, sure || setSure
	}
	return may, sure
}

// evaluateAt evaluates the matcher where path and method may have been rewritten. nil means
// any request.
func evaluateAt(m matcher, r *Request, path, method bool) (may, sure bool) {
	known := Request{}
	if r != nil {
		known = *r
	}
	if path {
		known.Path = ""
	}
	if method {
		known.Method = ""
	}
	return m.evaluate(&known)
}

func (s *matcherSet) evaluate(r *Request) (may, sure bool) {
	if s == nil {
		return true, true
	}
	may, sure = true, len(s.others) == 0
	for _, one := range []struct {
		patterns []string
		value    string
		matches  func(patterns []string, value string) bool
	}{{s.hosts, r.Host, matchesHost}, {s.paths, r.Path, matchesPath}, {s.methods, r.Method, slices.Contains[[]string]}} {
		oneMay, oneSure := evaluate(one.patterns, one.value, one.matches)
		may, sure = may && oneMay, sure && oneSure
	}
	for _, negated := range s.negated {
		negatedMay, negatedSure := negated.evaluate(r)
		may, sure = may && !negatedSure, sure && !negatedMay
	}
	return may, sure
}

// evaluate evaluates one matcher of a set. Patterns with placeholders may match anything.
func evaluate(patterns []string, value string, matches func(patterns []string, value string) bool) (may, sure bool) {
	if len(patterns) == 0 {
		return true, true
	}
	if value == "" {
		return true, false
	}
	fixed := slices.DeleteFunc(slices.Clone(patterns), func(p string) bool { return strings.Contains(p, "{") })
	if len(fixed) > 0 && matches(fixed, value) {
		return true, true
	}
	return len(fixed) < len(patterns), false
}

// matchesHost and matchesPath call Caddy's own matchers, which change the patterns. If they
// refuse a pattern, Caddy does not load it.

func matchesHost(patterns []string, host string) bool {
	m := caddyhttp.MatchHost(patterns)
	return m.Provision(caddy.Context{}) == nil && asks(m, &http.Request{Host: host, URL: new(url.URL)})
}

func matchesPath(patterns []string, path string) bool {
	m := caddyhttp.MatchPath(patterns)
	u, err := url.ParseRequestURI(path)
	if err != nil {
		u = &url.URL{Path: path}
	}
	return m.Provision(caddy.Context{}) == nil && asks(m, &http.Request{URL: u})
}

func asks(m caddyhttp.RequestMatcherWithError, r *http.Request) bool {
	matched, err := m.MatchWithError(r.WithContext(context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer())))
	return matched && err == nil
}

// namesHost reports whether a set has a host matcher.
func (m matcher) namesHost() bool {
	return slices.ContainsFunc(m, func(s *matcherSet) bool { return s != nil && len(s.hosts) > 0 })
}

// String returns the alternatives, for people: api.example.com/orders* GET,HEAD.
func (m matcher) String() string {
	return m.text("")
}

// text adds a port to every host.
func (m matcher) text(port string) string {
	var all []string
	for _, s := range m {
		if s == nil || s.text(port) == "" {
			return "" // it matches everything
		}
		all = append(all, s.text(port))
	}
	return strings.Join(all, " or ")
}

func (s *matcherSet) text(port string) string {
	var text bytes.Buffer
	for i, host := range s.hosts {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(host + port)
	}
	if paths := strings.Join(s.paths, ","); strings.HasPrefix(paths, "/") {
		text.WriteString(paths)
	} else if paths != "" {
		text.WriteString(" " + paths)
	}
	for _, word := range slices.Concat([]string{strings.Join(s.methods, ",")}, s.others) {
		if word != "" {
			text.WriteString(" " + word)
		}
	}
	if len(s.negated) > 0 {
		text.WriteString(" not (" + s.negated.String() + ")")
	}
	return strings.TrimSpace(text.String())
}
