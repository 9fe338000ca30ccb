package probe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Caller is the sender of a request, with every token that it can get.
type Caller struct {
	// String is the name that people read.
	name string
	// first are the tokens to try. others are the tokens to try after one that was refused
	// for the reason.
	first  []*offer
	others func(o *offer, reason verifier.Reason) []*offer
}

// String returns the name of the caller.
func (c *Caller) String() string { return c.name }

// offer is a token that a caller can get.
type offer struct {
	issuer  string
	scopes  []string
	binding Binding
	get     func(*offer) (*Token, error)

	mu    sync.Mutex
	at    time.Time
	token *Token
	err   error
}

// freshFor is how long a token is sent again, because routes may ask for new ones.
const freshFor = 2 * time.Second

func (o *offer) fetch() (*Token, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() || time.Since(o.at) > freshFor {
		o.token, o.err = o.get(o)
		o.at = time.Now()
	}
	return o.token, o.err
}

// Anonymous has no token.
func Anonymous() *Caller { return &Caller{name: "anonymous"} }

// With returns a caller that has this token alone.
func With(t *Token) *Caller {
	return &Caller{name: t.ClientID, first: []*offer{{get: func(*offer) (*Token, error) { return t, nil }}}}
}

// Claims returns a caller with tokens that have these claims, of a trusted issuer or of an
// issuer of the configuration. The issuer is iss. It returns an error if the configuration
// does not know it.
func (p *Probe) Claims(claims map[string]any) (*Caller, error) {
	get := func(o *offer) (*Token, error) { return p.Sign(claims, o.binding) }
	if _, err := p.Sign(claims, Unbound); err != nil {
		return nil, err
	}
	c := &Caller{name: fmt.Sprintf("a token of %v", claims["iss"]), first: []*offer{{get: get}}}
	c.others = func(o *offer, reason verifier.Reason) []*offer {
		if _, given := claims["cnf"]; given || reason != verifier.NotSenderConstrained || o.binding != Unbound {
			return nil
		}
		return []*offer{{binding: ByDPoP, get: get}, {binding: ByMTLS, get: get}}
	}
	return c, nil
}

// Client returns an Application of the configuration as a caller. It returns an error if no
// issuer has the Application.
func (p *Probe) Client(clientID string) (*Caller, error) {
	c := &Caller{name: clientID}
	all := p.Applications()
	known := false
	get := func(o *offer) (*Token, error) { return p.Grant(o.issuer, clientID, o.scopes, o.binding) }
	for _, issuer := range slices.Sorted(maps.Keys(all)) {
		if p.application(issuer, clientID) == nil {
			continue
		}
		known = true
		for _, scopes := range p.scopesOf(issuer, clientID) {
			c.first = append(c.first, &offer{issuer: issuer, scopes: scopes, get: get})
		}
	}
	if !known {
		return nil, fmt.Errorf("no application is %q%s", clientID, nearest.DidYouMean(clientID, slices.Values(clientIDs(all))))
	}
	others := make(map[*offer][]*offer) // each made once, with its token
	var mu sync.Mutex
	c.others = func(o *offer, reason verifier.Reason) []*offer {
		mu.Lock()
		defer mu.Unlock()
		found, made := others[o]
		if !made {
			found = alternatives(o)
			others[o] = found
		}
		return slices.DeleteFunc(slices.Clone(found), func(alternative *offer) bool { return !alternative.mends(o, reason) })
	}
	return c, nil
}

// alternatives returns the other tokens that a client can get: bound to a key, and, because
// rules may forbid a scope, with each scope alone.
func alternatives(o *offer) (all []*offer) {
	if o.binding == Unbound {
		all = append(all, &offer{issuer: o.issuer, scopes: o.scopes, binding: ByDPoP, get: o.get})
	}
	if len(o.scopes) > 1 {
		for scope := range slices.Chunk(o.scopes, 1) {
			all = append(all, &offer{issuer: o.issuer, scopes: scope, binding: o.binding, get: o.get})
		}
	}
	return all
}

// mends reports whether the offer may pass after the other one was refused.
func (o *offer) mends(other *offer, reason verifier.Reason) bool {
	if o.binding != other.binding {
		return reason == verifier.NotSenderConstrained
	}
	return reason == verifier.ExpressionRefused || reason == verifier.ClaimNotAccepted || reason == verifier.ClaimRequired ||
		reason == ReasonAnswered
}

func (p *Probe) application(issuer, clientID string) *application.Application {
	set := p.sandbox.Issuers()[issuer]
	if set == nil {
		return nil
	}
	a, _ := set.Application(clientID)
	return a
}

func clientIDs(all map[string]*application.Set) (ids []string) {
	for _, set := range all {
		for _, a := range set.Applications() {
			ids = append(ids, a.ClientID)
		}
	}
	return ids
}

// Names returns the names of all Applications, sorted.
func (p *Probe) Names() []string {
	names := clientIDs(p.Applications())
	slices.SortFunc(names, strings.Compare)
	return slices.Compact(names)
}
