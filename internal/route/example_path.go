package route

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// mostPaths limits the paths that are tried for one route.
const mostPaths = 12

// paths returns the paths of the innermost patterns, those of the outer patterns, and
// combinations of both, after the prefix that handle_path strips.
func (b branch) paths() (all []string) {
	var outer []string
	for i, s := range slices.Backward(b.sets) {
		samples := s.pathExamples()
		for _, prefix := range b.route.levels[i].stripped {
			for _, sample := range samples {
				outer = append(outer, join(prefix, sample))
			}
		}
		outer = append(outer, samples...)
	}
	all = eachOnce(nil, outer...)
	all = eachOnce(all, combined(outer)...)
	all = eachOnce(all, "/", "/any", "/any/1")
	all = slices.DeleteFunc(all, func(path string) bool { return !b.accepts(Request{Path: path}) })
	return all[:min(len(all), mostPaths)]
}

// combined returns paths that begin like one path and end like another: /api/ and /x.json
// give /api/x.json.
func combined(paths []string) (all []string) {
	for _, outer := range paths[:min(len(paths), 8)] {
		for _, inner := range paths[:min(len(paths), 8)] {
			if outer != inner {
				all = append(all, join(outer, inner))
			}
		}
	}
	return all
}

func join(prefix, rest string) string { return strings.TrimSuffix(prefix, "/") + rest }

// pathExamples returns paths that the set matches, the plainest first.
func (s *matcherSet) pathExamples() (all []string) {
	if s == nil {
		return nil
	}
	for _, pattern := range s.paths {
		all = append(all, examplePaths(replaced(pattern))...)
	}
	if made := exampleOfRegexp(s.raw["path_regexp"]); made != "" {
		all = append(all, absolute(made))
	}
	return all
}

// examplePaths returns paths that a pattern of the path matcher matches. For a prefix, they
// are the prefix itself, a path below it, and a path that only begins like it.
func examplePaths(pattern string) []string {
	rest, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case strings.Contains(pattern, "%"):
		return []string{strings.ReplaceAll(pattern, "%*", "any")}
	case pattern == "*":
		return nil
	case isPrefix && !strings.ContainsAny(rest, "*?[\\"):
		return prefixed(rest)
	}
	return []string{absolute(escaped(exampleOfGlob(pattern)))}
}

func prefixed(prefix string) []string {
	if strings.HasSuffix(prefix, "/") {
		return []string{absolute(escaped(prefix + "1")), absolute(escaped(prefix))}
	}
	return []string{absolute(escaped(prefix)), absolute(escaped(prefix + "/1")), absolute(escaped(prefix + "1"))}
}

// exampleOfGlob returns a path that the pattern matches, as path.Match does.
func exampleOfGlob(pattern string) string {
	var text strings.Builder
	for rest := pattern; rest != ""; {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case '*':
			text.WriteString("any")
		case '?':
			text.WriteByte('x')
		case '[':
			set, after, _ := strings.Cut(rest, "]")
			text.WriteString(memberOf("[" + set + "]"))
			rest = after
		case '\\':
			if rest != "" {
				text.WriteByte(rest[0])
				rest = rest[1:]
			}
		default:
			text.WriteByte(c)
		}
	}
	return text.String()
}

// memberOf returns a character of a class, if the class has a usual one.
func memberOf(class string) string {
	for _, c := range "1xaA-._~" {
		if ok, err := path.Match(class, string(c)); ok && err == nil {
			return string(c)
		}
	}
	return strings.Trim(class, "[^]")[:min(1, len(strings.Trim(class, "[^]")))]
}

// absolute adds the leading slash that every path has.
func absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + strings.TrimPrefix(path, "any/")
}

func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// replaced replaces placeholders that do not depend on a request.
func replaced(pattern string) string {
	if !strings.Contains(pattern, "{") {
		return pattern
	}
	return caddy.NewReplacer().ReplaceAll(pattern, "")
}
