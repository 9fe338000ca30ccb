package route

import (
	"slices"
	"strings"
)

// For returns the routes to verifies that the request can take, in their order.
func (c *Config) For(r Request) ([]*Route, error) {
	reached, err := c.walk(&r)
	if err != nil {
		return nil, err
	}
	var found []*Route
	for i, one := range reached { // the same routes as of any request, in the same order
		if one.Reached && one.Handler.Name == verify {
			found = append(found, c.routes[i])
		}
	}
	return found, nil
}

// Select returns the routes to verifies that an operator names: by the ID, by the source
// (Caddyfile:12 or :12), or by a request that takes them ([METHOD ]host[:port][/path] or
// [METHOD ]/path).
func (c *Config) Select(text string) ([]*Route, error) {
	for _, named := range []func(*Route) bool{
		func(r *Route) bool { return r.ID == text },
		func(r *Route) bool { return isSource(r.Handler.Source, text) },
	} {
		found := slices.DeleteFunc(c.Verifies(), func(r *Route) bool { return !named(r) })
		if len(found) > 0 {
			return found, nil
		}
	}
	r, ok := parseRequest(text)
	if !ok {
		return nil, nil
	}
	return c.For(r)
}

// isSource reports whether the source is given, perhaps by its end: Caddyfile:12, or :12.
// The name of a file must be complete.
func isSource(source, given string) bool {
	before, ok := strings.CutSuffix(source, given)
	return ok && given != "" && (before == "" || strings.HasSuffix(before, "/") || strings.HasPrefix(given, ":"))
}

func parseRequest(text string) (r Request, ok bool) {
	words := strings.Fields(text)
	if len(words) == 2 {
		r.Method, words = words[0], words[1:]
	}
	if len(words) != 1 {
		return r, false
	}
	rest := words[0]
	if _, after, found := strings.Cut(rest, "://"); found {
		rest = after
	}
	rest, _, _ = strings.Cut(rest, "?")
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		r.Host, r.Path = rest[:slash], rest[slash:]
	} else {
		r.Host = rest
	}
	return r, r.Host+r.Path != ""
}
