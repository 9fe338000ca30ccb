package probe

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// Example is a route with requests that take it.
type Example struct {
	Route *route.Route
	// Requests come to the handler by the route, if each verify on the way lets them
	// through. The plainest is first. None: no such request was found, though there may be
	// some.
	Requests []Request
}

// Boundaries are requests that show where the route ends: with other methods and at paths
// beside those of its patterns. They may take it or not.
func (p *Probe) Boundaries(r *route.Route) (all []Request) {
	if s := p.serverOf(r); s != nil {
		for _, e := range r.Boundaries() {
			all = append(all, s.requests(e)...)
		}
	}
	return all
}

// mostRequests bounds how many requests are kept for one route.
const mostRequests = 8

// Examples are requests for the routes to each verify and to each handler that may answer,
// in the order in which they are configured. Routes that no request can take, and those
// to the endpoints of issuers, are left out. Caddy's own router has confirmed each.
func (p *Probe) Examples() (all []Example) {
	f := &finder{probe: p, ways: make(map[string][]*route.Route)}
	for _, r := range p.routes.Routes() {
		if r.Reached && decidesOrAnswers(r.Handler.Name) {
			all = append(all, Example{r, f.requestsFor(r)})
		}
	}
	p.findAfterErrors(all)
	return all
}

// findAfterErrors looks among the requests of other routes for some that end in an error,
// for the routes that only those take.
func (p *Probe) findAfterErrors(all []Example) {
	missing := make(map[*route.Route]*Example)
	for i, e := range all {
		if len(e.Requests) == 0 && e.Route.After == route.AfterError {
			missing[e.Route] = &all[i]
		}
	}
	for _, e := range all {
		if len(missing) == 0 || len(e.Requests) == 0 {
			continue
		}
		taken, _ := p.traceIn(e.Requests[0], trace{}) // it was asked before
		for _, r := range taken {
			if missing[r] != nil {
				missing[r].Requests = e.Requests[:1]
				delete(missing, r)
			}
		}
	}
}

func decidesOrAnswers(name string) bool {
	return name == "verify" || !slices.Contains(routing, name) && !slices.Contains(silent, name) && name != "tokenidp" && name != "protected_resource"
}

// finder finds requests that take a route.
type finder struct {
	probe *Probe
	ways  map[string][]*route.Route // by request, if each verify lets it through
}

func (f *finder) requestsFor(r *route.Route) (found []Request) {
	s := f.probe.serverOf(r)
	if s == nil || r.Handler.Module() == nil {
		return nil
	}
	usual, others := r.Examples()
	if found = f.taking(r, s, usual, mostRequests); len(found) == 0 {
		found = f.taking(r, s, others, 1)
	}
	return found
}

// taking are those of the examples that take the route.
func (f *finder) taking(r *route.Route, s *server, examples []route.Example, most int) (found []Request) {
	for _, e := range examples {
		for _, request := range s.requests(e) {
			if f.takes(request, r) {
				found = append(found, request)
			}
			if len(found) == most {
				return found
			}
		}
	}
	return found
}

func (p *Probe) serverOf(r *route.Route) *server {
	for _, s := range p.servers {
		if s.name == r.Server {
			return s
		}
	}
	return nil
}

// requests are those of an example to each port of the server.
func (s *server) requests(e route.Example) (all []Request) {
	for _, port := range s.ports() {
		scheme := s.scheme(port)
		if e.Scheme != "" && e.Scheme != scheme {
			continue
		}
		r := Request{Method: e.Method, URL: scheme + "://" + s.authority(e.Host, scheme, port) + e.Target}
		if len(e.Header) > 0 {
			r.Header = e.Header
		}
		if e.From != "" {
			r.From = net.JoinHostPort(e.From, "1")
		}
		all = append(all, r)
	}
	return all
}

// ports are those on which the server listens, the first of each range.
func (s *server) ports() (all []uint) {
	for _, listen := range s.Listen {
		a, err := caddy.ParseNetworkAddress(listen)
		if err == nil && !a.IsUnixNetwork() && !a.IsFdNetwork() && a.StartPort != 0 && !slices.Contains(all, a.StartPort) {
			all = append(all, a.StartPort)
		}
	}
	return all
}

// authority is host and port, without the port if the scheme leads to it.
func (s *server) authority(host, scheme string, port uint) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	if s.portOf("", scheme) == port {
		return host
	}
	return fmt.Sprintf("%s:%d", host, port)
}

// takes reports whether the request takes the route: if each verify on the way lets it
// through, with what token_scope asks for or without, or, for what handles an error, if
// none does.
func (f *finder) takes(r Request, wanted *route.Route) bool {
	if wanted.After == route.AfterError {
		taken, err := f.probe.traceIn(r, trace{})
		return err == nil && slices.Contains(taken, wanted)
	}
	key := fmt.Sprint(r)
	taken, known := f.ways[key]
	if !known {
		taken, _ = f.probe.Way(r) // none if it cannot be asked
		f.ways[key] = taken
	}
	if slices.Contains(taken, wanted) {
		return true
	}
	if !f.probe.Mentions("token_scope") {
		return false
	}
	taken, err := f.probe.traceIn(r, trace{passes: true})
	return err == nil && slices.Contains(taken, wanted)
}

// Way returns the routes that the request takes without a token, in their order, if each
// verify on the way lets it through, and every token_scope matches.
func (p *Probe) Way(r Request) ([]*route.Route, error) {
	return p.traceIn(r, trace{passes: true, scopes: true})
}

// trace is what is seen of a request that has no token.
type trace struct {
	passes bool // each verify lets it through
	scopes bool // what token_scope answers then
	taken  []*route.Route
}

func (p *Probe) traceIn(r Request, t trace) ([]*route.Route, error) {
	parsed, scheme, err := r.parse()
	if err != nil {
		return nil, err
	}
	parsed = withContext(parsed, &trail{probe: p, trace: &t})
	s, err := p.find(parsed, scheme)
	if err != nil {
		return nil, err
	}
	if scheme == "https" {
		parsed.TLS = connection(parsed.Host, nil)
	}
	s.status(tokenidp.AssumeScopes(parsed, t.scopes))
	return t.taken, nil
}

// visit notes the route by which the request has come to a handler. It reports whether
// the request passes, whatever the handler decides.
func (t *trail) visit(module caddyhttp.MiddlewareHandler, r *http.Request) bool {
	if t.trace == nil {
		return false
	}
	if taken := t.probe.taken(module, r); taken != nil {
		t.trace.taken = append(t.trace.taken, taken)
	}
	return t.trace.passes
}

// taken is the route by which the request has come to a handler, or nil.
func (p *Probe) taken(module caddyhttp.MiddlewareHandler, r *http.Request) *route.Route {
	if routes := p.places[module]; len(routes) > 0 {
		return route.SurelyTaken(routes, r)
	}
	return nil
}
