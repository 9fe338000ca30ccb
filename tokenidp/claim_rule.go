package tokenidp

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// ClaimRule is what a claim of a token must be.
type ClaimRule struct {
	// The claim's name. One that begins with a slash is a JSON Pointer (RFC 6901)
	// into nested claims, as in /kubernetes.io/namespace.
	Claim string `json:"claim"`

	// The values of which the claim must be one, byte for byte. Of a list, one
	// element must be.
	Values []string `json:"values"`
}

func claimRules(rules []ClaimRule) ([]verifier.ClaimRule, error) {
	compiled := make([]verifier.ClaimRule, 0, len(rules))
	for _, r := range rules {
		path, err := claimPath(r.Claim)
		if err != nil {
			return nil, err
		}
		if len(r.Values) == 0 {
			return nil, fmt.Errorf("the claim %s has no value that is accepted; write: claim %s <value>", r.Claim, r.Claim)
		}
		compiled = append(compiled, verifier.ClaimRule{Path: path, Values: r.Values})
	}
	return compiled, nil
}

// claimPath reads a claim's name, or a JSON Pointer (RFC 6901 section 3).
func claimPath(name string) (verifier.Path, error) {
	pointer, nested := strings.CutPrefix(name, "/")
	if !nested {
		if name == "" {
			return nil, errors.New("a claim without a name")
		}
		return verifier.Path{name}, nil
	}
	path := verifier.Path(strings.Split(pointer, "/"))
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

// badEscape is a tilde that escapes nothing.
var badEscape = regexp.MustCompile(`~([^01]|$)`)

func claimPaths(names []string) ([]verifier.Path, error) {
	paths := make([]verifier.Path, 0, len(names))
	for _, name := range names {
		path, err := claimPath(name)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
