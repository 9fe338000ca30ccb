package tokenidp

import (
	"fmt"

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
		path, err := verifier.ParsePath(r.Claim)
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

func claimPaths(names []string) ([]verifier.Path, error) {
	paths := make([]verifier.Path, 0, len(names))
	for _, name := range names {
		path, err := verifier.ParsePath(name)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
