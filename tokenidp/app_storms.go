package tokenidp

import (
	"cmp"
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// StormOf returns how many tokens an Application got in the 24 hours before now, beside how
// many it needs: for each of its networks, one until it expires. It returns nil if it got
// none.
func (iss *Issuer) StormOf(a *application.Application, issued usage.Value, networks int, now time.Time) *adminapi.Storm {
	tokens := issued.LastDay(now)
	if tokens <= 0 {
		return nil
	}
	lifetime := cmp.Or(a.TokenLifetime, time.Duration(iss.TokenLifetime))
	each := 24*time.Hour/lifetime + 1
	return &adminapi.Storm{Tokens: uint64(tokens), Needed: uint64(each) * uint64(max(1, networks))} //nolint:gosec // they are positive
}

// storms returns the active Applications for which a storm is not over.
func (iss *Issuer) storms(now time.Time) map[string]*adminapi.Storm {
	found := make(map[string]*adminapi.Storm)
	stormOf := func(a *application.Application, networks int) *adminapi.Storm {
		issued := iss.usage.Value(usage.Key{Kind: usage.Issued, Issuer: iss.Issuer, Client: a.ClientID})
		return iss.StormOf(a, issued, networks, now)
	}
	var networks map[string]int // counted if some Application got many tokens
	for _, a := range iss.applications.Load().Applications() {
		if !a.Active {
			continue
		}
		if s := stormOf(a, 1); s == nil || s.Over() {
			continue
		}
		if networks == nil {
			networks = iss.networks()
		}
		if s := stormOf(a, networks[a.ClientID]); s != nil && !s.Over() {
			found[a.ClientID] = s
		}
	}
	return found
}

// networks returns from how many networks the secrets of each client were used.
func (iss *Issuer) networks() map[string]int {
	networks := make(map[string]int)
	for k := range iss.usage.All() {
		if k.Kind == usage.Network && k.Issuer == iss.Issuer {
			networks[k.Client]++
		}
	}
	return networks
}

// newStorms returns the data of the storms that have begun since the last call, in this
// process.
func (c *issuerCarryover) newStorms(iss *Issuer, now time.Time) (all []map[string]any) {
	found := iss.storms(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	storming := make(map[string]bool)
	for clientID, s := range found {
		switch {
		case c.storming[clientID]:
			storming[clientID] = true
		case s.Excessive():
			storming[clientID] = true
			all = append(all, map[string]any{"issuer": iss.Issuer, "client_id": clientID, "tokens": s.Tokens, "needed": s.Needed})
		}
	}
	c.storming = storming
	return all
}

// oneOfNodes is how long a storm that a node has announced is not announced by another one.
const oneOfNodes = time.Hour

// unannounced drops the storms that another node has announced already, if the nodes share a
// count: with Redis.
func (iss *Issuer) unannounced(ctx context.Context, storms []map[string]any) (all []map[string]any) {
	for _, s := range storms {
		if iss.state.Take(ctx, eventTokenStorm+" "+iss.Issuer+" "+s["client_id"].(string), 1, oneOfNodes) == 0 {
			all = append(all, s)
		}
	}
	return all
}
