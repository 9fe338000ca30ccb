// Package claimrule has rules for the claims of a token: the path of a claim, and its
// accepted values.
package claimrule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Path is where a claim stands: the names of the objects around it, then its own.
// A name is compared byte for byte and may hold dots or a URL:
//
//	Path{"realm_access", "roles"}      a member of the claim realm_access
//	Path{"https://example.com/roles"}  the claim of that name
type Path []string

// String returns the path for people. It is ambiguous if names have dots.
func (p Path) String() string { return strings.Join(p, ".") }

// In returns the claim at the path in a decoded object. sound is false if a value on the
// path is not an object. It does not allocate.
func (p Path) In(object map[string]any) (value any, found, sound bool) {
	for i, name := range p {
		if value, found = object[name]; !found || i == len(p)-1 {
			return value, found, true
		}
		if object, sound = value.(map[string]any); !sound {
			return nil, false, false
		}
	}
	return nil, false, true
}

// PathSyntax is a regular expression for what ParsePath accepts.
const PathSyntax = `^([^/][\s\S]*|(/([^/~]|~[01])+)+)$`

// ParsePath parses the name of a claim, or a JSON Pointer (RFC 6901 section 3), which
// begins with a slash. Errors name the claim.
func ParsePath(name string) (Path, error) {
	pointer, nested := strings.CutPrefix(name, "/")
	if !nested {
		if name == "" {
			return nil, errors.New("a claim without a name")
		}
		return Path{name}, nil
	}
	path := Path(strings.Split(pointer, "/"))
	for i, step := range path {
		if step == "" {
			return nil, fmt.Errorf("the claim %q has an empty step; write it as /realm_access/roles", name)
		}
		if badEscape.MatchString(step) {
			return nil, fmt.Errorf("the claim %q has a ~ that is not ~0 (for ~) or ~1 (for /)", name)
		}
		path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	return path, nil
}

// badEscape matches a tilde that escapes nothing.
var badEscape = regexp.MustCompile(`~([^01]|$)`)
