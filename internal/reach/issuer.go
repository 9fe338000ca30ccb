package reach

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
)

// issuer has the Applications of an issuer, and a column for each of their features.
type issuer struct {
	tokenidp.TokenIssuer

	applications []*application.Application // sorted; nil: not known
	resources    []*application.Resource
	owner        map[string]*application.Resource // by scope
	withScope    map[string][]int32               // the Applications that have it
	now          time.Time

	mu      sync.Mutex
	columns map[feature]column
}

func newIssuer(from tokenidp.TokenIssuer) *issuer {
	is := &issuer{TokenIssuer: from, now: time.Now(), columns: make(map[feature]column)}
	if from.Applications == nil {
		return is
	}
	is.applications, is.resources = from.Applications.Applications(), from.Applications.Resources()
	if is.applications == nil {
		is.applications = []*application.Application{}
	}
	is.owner, is.withScope = make(map[string]*application.Resource), make(map[string][]int32)
	for _, r := range is.resources {
		for _, s := range r.Scopes {
			is.owner[s.Name] = r
		}
	}
	for i, a := range is.applications {
		for _, scope := range a.Scopes {
			is.withScope[scope] = append(is.withScope[scope], int32(i))
		}
	}
	return is
}

func (is *issuer) everybody() []int32 {
	all := make([]int32, len(is.applications))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

func (is *issuer) index(clientID string) (int32, bool) {
	i, found := slices.BinarySearchFunc(is.applications, clientID, func(a *application.Application, id string) int { return strings.Compare(a.ClientID, id) })
	return int32(i), found //nolint:gosec // there are fewer
}

// scopesOf returns the scopes of an Application that the resource owns.
func (is *issuer) scopesOf(a *application.Application, r *application.Resource) []string {
	return slices.DeleteFunc(slices.Clone(a.Scopes), func(scope string) bool { return is.owner[scope] != r })
}

// anyScope returns one scope of the Application for the audience.
func (is *issuer) anyScope(i int32, audience string) []string {
	if scope := is.Applications.AnyScope(is.applications[i], audience); scope != "" {
		return []string{scope}
	}
	return nil
}

// feature is a property of an Application on which an answer can depend.
type feature struct {
	kind kind
	name string
}

type kind int

const (
	getsToken    kind = iota // whether it gets a token, or why not
	hasScope                 // name is a scope
	hasScopeOf               // name is a resource
	allScopesOf              // name is a resource
	claim                    // name is one of its own claims
	allClaims                //
	howBound                 // how its tokens are bound
	howLongValid             // how long its tokens are valid
	whoItIs                  //
)

// column has a number for each Application. Equal numbers mean that the feature is equal.
type column interface{ at(i int32) uint32 }

type numbers []uint32

func (n numbers) at(i int32) uint32 { return n[i] }

// marks have one bit for each Application.
type marks []uint64

func (m marks) at(i int32) uint32 { return uint32(m[i/64] >> (i % 64) & 1) }

func (is *issuer) column(f feature) column {
	is.mu.Lock()
	defer is.mu.Unlock()
	c := is.columns[f]
	if c == nil {
		c = is.newColumn(f)
		is.columns[f] = c
	}
	return c
}

func (is *issuer) newColumn(f feature) column {
	switch f.kind {
	case hasScope:
		return is.mark(f.name)
	case hasScopeOf:
		for _, r := range is.resources {
			if r.Name == f.name {
				return is.mark(namesOf(r)...)
			}
		}
	default:
	}
	seen, all := make(map[string]uint32), make(numbers, len(is.applications))
	for i, a := range is.applications {
		value := is.valueOf(f, a)
		n, known := seen[value]
		if !known {
			n = uint32(len(seen)) //nolint:gosec // there are fewer
			seen[value] = n
		}
		all[i] = n
	}
	return all
}

func namesOf(r *application.Resource) (names []string) {
	for _, s := range r.Scopes {
		names = append(names, s.Name)
	}
	return names
}

func (is *issuer) mark(scopes ...string) marks {
	m := make(marks, len(is.applications)/64+1)
	for _, scope := range scopes {
		for _, i := range is.withScope[scope] {
			m[i/64] |= 1 << (i % 64)
		}
	}
	return m
}

// largeClaims is a size in bytes. Larger claims may not fit into a token, which depends on
// everything in the token.
const largeClaims = 4 << 10

func (is *issuer) valueOf(f feature, a *application.Application) string {
	switch f.kind {
	case getsToken:
		text := strings.Join(a.GrantTypes, " ")
		if refused := oauth.CannotAuthenticate(a, is.now); refused != nil {
			text += " " + refused.Error()
		}
		if len(a.Claims) > largeClaims {
			text += " " + a.ClientID
		}
		return text
	case allScopesOf:
		for _, r := range is.resources {
			if r.Name == f.name {
				return strings.Join(is.scopesOf(a, r), " ")
			}
		}
	case claim:
		return claimOf(a, f.name)
	case allClaims:
		return string(a.Claims)
	case howBound:
		return fmt.Sprint(a.DPoPBound, a.CertificateBound)
	case howLongValid:
		return a.TokenLifetime.String()
	case whoItIs, hasScope, hasScopeOf:
	}
	return a.ClientID
}

// claimOf returns the JSON of a claim, or "".
func claimOf(a *application.Application, name string) string {
	var all map[string]json.RawMessage
	if !slices.Contains(a.ClaimNames, name) || json.Unmarshal(a.Claims, &all) != nil { //nolint:forbidigo // as strictyaml has read it
		return ""
	}
	return string(all[name])
}

// split divides a group by the features. The first part contains the first Application.
func (is *issuer) split(group []int32, by []feature) [][]int32 {
	parts := [][]int32{group}
	for _, f := range by {
		c := is.column(f)
		var next [][]int32
		for _, part := range parts {
			next = append(next, splitBy(part, c)...)
		}
		parts = next
	}
	return parts
}

func splitBy(group []int32, c column) [][]int32 {
	first := c.at(group[0])
	differs := slices.IndexFunc(group, func(i int32) bool { return c.at(i) != first })
	if differs < 0 {
		return [][]int32{group}
	}
	parts, place := [][]int32{slices.Clone(group[:differs])}, map[uint32]int{first: 0}
	for _, i := range group[differs:] {
		value := c.at(i)
		at, known := place[value]
		if !known {
			at = len(parts)
			place[value] = at
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], i)
	}
	return parts
}
