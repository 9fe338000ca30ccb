package reachdiff

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// side is one of two configurations.
type side struct {
	*reach.Map

	probe    *probe.Probe
	examples []probe.Example
	routes   map[string]bool            // by the ID
	clients  map[string]map[string]bool // by issuer and client_id
	places   map[*route.Route]int

	readsTokens bool
}

func newSide(p *probe.Probe) *side {
	s := &side{
		Map: reach.New(p), probe: p, examples: p.Examples(),
		routes: make(map[string]bool), clients: make(map[string]map[string]bool), places: make(map[*route.Route]int),
	}
	s.readsTokens = readsTokens(p, s.examples)
	for i, e := range s.examples {
		s.routes[e.Route.ID] = true
		s.places[e.Route] = i
	}
	for issuer, set := range p.Applications() {
		s.clients[issuer] = make(map[string]bool)
		for _, a := range set.Applications() {
			s.clients[issuer][a.ClientID] = true
		}
	}
	return s
}

// answer says who gets through with a request.
type answer struct {
	*reach.Answer // nil: no client gets through

	notServed string // why: the configuration does not serve the host
}

// ask assumes that expressions about the request are true: they become conditions.
func (s *side) ask(r probe.Request) answer {
	r.Assume = tokenidp.AssumeAboutRequest
	a, err := s.Ask(context.Background(), r)
	if err != nil {
		return answer{notServed: err.Error()}
	}
	return answer{Answer: a}
}

// way returns the way of the request through the configuration. It is not ok if the way
// alone does not decide: if matchers read the token together with the request.
func (s *side) way(r probe.Request) (string, bool) {
	if s.readsTokens {
		return "", false
	}
	way, err := s.probe.Way(r)
	if err != nil {
		return "not served", true
	}
	var text strings.Builder
	for _, taken := range way {
		fmt.Fprintf(&text, " %d", s.places[taken])
	}
	return text.String(), true
}

// readsTokens reports whether matchers may read the content of a token.
func readsTokens(p *probe.Probe, examples []probe.Example) bool {
	if p.Mentions("token_scope") || p.Mentions("http.auth.user") {
		return true
	}
	return slices.ContainsFunc(examples, func(e probe.Example) bool {
		v, ok := e.Route.Handler.Module().(*tokenidp.Verify)
		return ok && slices.ContainsFunc(v.ClaimHeaders, func(h tokenidp.ClaimHeader) bool { return p.Mentions(h.Header) })
	})
}
