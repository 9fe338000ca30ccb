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
	// Requests reach the handler by the route, if each verify on the way lets them through.
	// The plainest is first. It is empty if no such request was found, although one may
	// exist.
	Requests []Request
}

// Boundaries returns requests that show where the route ends: with other methods and at paths
// close to those of its patterns. They may take it or not.
func (p *Probe) Boundaries(r *route.Route) (all []Request) {
	if s := p.serverOf(r); s != nil {
		for _, e := range r.Boundaries() {
			all = append(all, s.requests(e)...)
		}
	}
	return all
}

// mostRequests limits the requests that are kept for one route.
const mostRequests = 8

// Examples returns requests for the routes to each verify and to each handler that may
// answer, in the order of the configuration. It leaves out routes that no request can take,
// and routes to the endpoints of issuers. Caddy's own router has confirmed each request.
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

// findAfterErrors looks for the routes that a request takes only if it ends in an error. It
// tries the requests of other routes.
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

// taking returns the examples that take the route.
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

// requests returns the requests of an example to each port of the server.
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

// ports returns the ports on which the server listens, the first of each range.
func (s *server) ports() (all []uint) {
	for _, listen := range s.Listen {
		a, err := caddy.ParseNetworkAddress(listen)
		if err == nil && !a.IsUnixNetwork() && !a.IsFdNetwork() && a.StartPort != 0 && !slices.Contains(all, a.StartPort) {
			all = append(all, a.StartPort)
		}
	}
	return all
}

// authority returns host and port, without the port if it is the default of the scheme.
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
// through, with the scopes that token_scope requires or without, or, for a route that
// handles an error, if none lets it through.
func (f *finder) takes(r Request, wanted *route.Route) bool {
	if wanted.After == route.AfterError {
		taken, err := f.probe.traceIn(r, trace{})
		return err == nil && slices.Contains(taken, wanted)
	}
	key := fmt.Sprint(r)
	taken, known := f.ways[key]
	if !known {
		taken, _ = f.probe.Way(r) // none if the probe cannot ask about it
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

// trace records the way of a request that has no token.
type trace struct {
	passes bool // each verify lets it through
	scopes bool // the answer of token_scope then
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

// visit notes the route by which the request has reached a handler. It reports whether the
// request passes, whatever the handler decides.
func (t *trail) visit(module caddyhttp.MiddlewareHandler, r *http.Request) bool {
	if t.trace == nil {
		return false
	}
	if taken := t.probe.taken(module, r); taken != nil {
		t.trace.taken = append(t.trace.taken, taken)
	}
	return t.trace.passes
}

// taken returns the route by which the request has reached a handler, or nil.
func (p *Probe) taken(module caddyhttp.MiddlewareHandler, r *http.Request) *route.Route {
	if routes := p.places[module]; len(routes) > 0 {
		return route.SurelyTaken(routes, r)
	}
	return nil
}
