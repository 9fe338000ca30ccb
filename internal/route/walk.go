package route

import (
	"cmp"
	"errors"
	"slices"
)

// Guard is the strength of the verify that a request has passed.
type Guard int

// A request has passed no verify, a verify that lets some requests through without a token
// (by its matcher, as preflights, or because it only reports), or a verify that always
// requires a token.
const (
	Open Guard = iota
	Conditional
	Guarded
)

// flow describes the requests that reach a place in the configuration.
type flow struct {
	reached    bool
	guard      Guard    // the weakest of all requests
	most       Guard    // the strongest that an intercept sees
	known      bool     // each has authenticated in some way
	path       bool     // it may have been rewritten
	method     bool     // it may have been rewritten
	asSent     bool     // the path and the method are surely those that the client sent
	stripped   []string // prefixes that handle_path may have stripped
	intercepts []*interception
	answered   *Handler // if no request gets there: the handler that answers them all, if there is one
}

// interception is an intercept that sees the response to the requests.
type interception struct {
	handler *Handler
	way     way
	before  []*interception
	answers *flow // of the requests that a later handler answers
}

// or joins the requests of two ways.
func (f flow) or(g flow) flow {
	switch {
	case !f.reached && !g.reached:
		return flow{answered: cmp.Or(g.answered, f.answered)}
	case !f.reached:
		return g
	case !g.reached:
		return f
	}
	f.guard, f.most = min(f.guard, g.guard), max(f.most, g.most)
	f.known = f.known && g.known
	f.path, f.method, f.asSent = f.path || g.path, f.method || g.method, f.asSent && g.asSent
	f.stripped = eachOnce(f.stripped, g.stripped...)
	for _, i := range g.intercepts {
		if !slices.Contains(f.intercepts, i) {
			f.intercepts = append(slices.Clip(f.intercepts), i)
		}
	}
	return f
}

// withoutPrefix returns the stripped prefixes after a handler that strips this one.
func (f flow) withoutPrefix(prefix string) []string {
	switch {
	case prefix == "":
		return f.stripped
	case len(f.stripped) == 0:
		return []string{prefix}
	}
	longer := slices.Clone(f.stripped)
	for i := range longer {
		longer[i] += prefix
	}
	return longer
}

// eachOnce appends the elements that the list does not have.
func eachOnce(list []string, more ...string) []string {
	list = slices.Clip(list)
	for _, one := range more {
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

// perhaps joins the requests that took a way with those that may not have taken it. Only
// some of them have passed a verify on the way.
func (f flow) perhaps(by flow) flow {
	joined := f.or(by)
	if f.reached && by.reached && by.guard > f.guard {
		joined.guard = max(f.guard, Conditional)
	}
	return joined
}

// ended is the flow after a handler that answers, or, for nil, after the end of the routes.
func (f flow) ended(by *Handler) flow {
	if !f.reached {
		return f
	}
	for _, i := range f.intercepts {
		*i.answers = i.answers.or(flow{reached: true, guard: f.guard, most: f.guard, known: f.known, path: f.path, method: f.method})
	}
	return flow{answered: by}
}

// mostRoutes limits the routes that result from named routes which invoke one another.
const mostRoutes = 100_000

var errTooManyRoutes = errors.New("named routes that invoke one another come to too many routes")

// walk visits all routes, and returns them in their order. With a request, it reaches only
// the routes that the request can take.
func (c *Config) walk(r *Request) ([]*Route, error) {
	var all []*Route
	for _, s := range c.servers {
		w := &walker{server: s, request: r}
		w.serve()
		if w.overflow || len(all)+len(w.found) > mostRoutes {
			return nil, errTooManyRoutes
		}
		slices.SortStableFunc(w.found, func(a, b *Route) int { return slices.Compare(a.order, b.order) })
		all = append(all, w.found...)
	}
	return all, nil
}

// walker visits one server.
type walker struct {
	server     *server
	request    *Request // nil: any
	found      []*Route
	overflow   bool
	intercepts []*interception
}

// way is how a request reaches a handler.
type way struct {
	levels  []level // outermost first
	invoked []int   // the handlers that invoke named routes
	names   []string
	after   string // "", AfterError or AfterResponse
}

// What may have happened before a route is taken.
const (
	AfterError    = "an error"
	AfterResponse = "a response"
)

// level is a matcher that a request passes.
type level struct {
	match        matcher
	entry        *entry // that has the matcher, or nil
	path, method bool   // they may have been rewritten before
	stripped     []string
}

func (w way) through(m matcher, e *entry, f flow) way {
	if len(m) > 0 {
		w.levels = append(slices.Clip(w.levels), level{m, e, f.path, f.method, f.stripped})
	}
	return w
}

func (w *walker) serve() {
	reached := w.request == nil || w.server.listensFor(w.request.Host)
	w.routes(w.server.Routes, flow{reached: reached, asSent: true}, way{}).ended(nil)
	for len(w.intercepts) > 0 { // the innermost sees a response first
		last := w.intercepts[len(w.intercepts)-1]
		w.intercepts = w.intercepts[:len(w.intercepts)-1]
		w.intercepted(last)
	}
	if w.server.Errors != nil { // with the path and method that the client sent
		w.routes(w.server.Errors.Routes, flow{reached: reached}, way{after: AfterError})
	}
}

func (w *walker) intercepted(i *interception) {
	in := *i.answers
	in.intercepts = i.before
	i.way.after = AfterResponse
	for _, r := range i.handler.responses {
		w.routes(r.Routes, in, i.way).ended(nil)
	}
}

// routes visits a list of routes, and returns the flow after it.
func (w *walker) routes(list []*entry, in flow, by way) flow {
	var taken flow                  // the requests that have taken a route of the group
	group := ""                     // the current group
	closed := make(map[string]bool) // groups of which every request has taken a route
	left := make(map[string]bool)   // groups of which some requests may have taken a route
	for _, e := range list {
		if e == nil || w.overflow {
			continue
		}
		if e.Group != group {
			left[group] = left[group] || taken.reached
			in, taken, group = in.or(taken), flow{}, e.Group
		}
		may, sure := evaluateAt(e.Match, w.request, in.path, in.method)
		here := in
		here.reached = in.reached && may && !closed[group]
		out := w.entry(e, here, by.through(e.Match, e, in))
		switch {
		case !here.reached:
		case group == "" && sure:
			in = out
		case group == "":
			in = in.perhaps(out)
		default:
			taken = taken.or(out)
			closed[group] = sure
			if sure && !left[group] {
				in = flow{}
			}
		}
	}
	return in.or(taken)
}

func (w *walker) entry(e *entry, in flow, by way) flow {
	for _, h := range e.Handlers {
		if h != nil {
			in = w.handler(h, in, by)
		}
	}
	if e.Terminal {
		return in.ended(nil)
	}
	return in
}

// handler visits a handler, and returns the requests that it passes on.
func (w *walker) handler(h *Handler, in flow, by way) flow {
	if w.overflow = w.overflow || len(w.found) >= mostRoutes; w.overflow {
		return in
	}
	route := newRoute(w.server, h, in, by)
	w.found = append(w.found, route)
	in.asSent = in.asSent && h.leavesRequest()
	switch h.Name {
	case verify:
		return w.verified(route, h, in)
	case "subroute":
		return w.subroute(h, in, by)
	case "invoke":
		return w.invoke(route, h, in, by)
	case "reverse_proxy":
		return w.proxied(h, in, by)
	case "intercept":
		return w.intercept(h, in, by)
	}
	in.known = in.known || h.Name == authentication
	in.path, in.method = in.path || h.rewritesPath(), in.method || h.rewritesMethod()
	in.stripped = in.withoutPrefix(h.settings.StripPathPrefix)
	if h.ends() {
		return in.ended(h)
	}
	out := in
	for _, e := range h.nested {
		out = out.or(w.routes([]*entry{e}, in, by))
	}
	return out
}

func (w *walker) verified(route *Route, h *Handler, in flow) flow {
	may, _ := evaluateAt(h.settings.Match, w.request, in.path, in.method)
	route.Reached = in.reached && may
	switch {
	case h.enforces():
		in.guard, in.known = Guarded, true
	case may:
		in.guard = max(in.guard, Conditional)
	}
	return in
}

// subroute continues with the requests that its error routes let through. A verify in it
// may have refused them.
func (w *walker) subroute(h *Handler, in flow, by way) flow {
	out := w.routes(h.settings.Routes, in, by)
	if h.settings.Errors == nil {
		return out
	}
	by.after = AfterError
	failed := in
	failed.path, failed.method, failed.asSent = true, true, false // as they were when it failed
	failed = w.routes(h.settings.Errors.Routes, failed, by)
	return failed.perhaps(out)
}

// invoke visits a named route. It does not follow a route that invokes itself.
func (w *walker) invoke(route *Route, h *Handler, in flow, by way) flow {
	named, name := w.server.Named[h.settings.Invoked], h.settings.Invoked
	if named == nil || slices.Contains(by.names, name) {
		route.unknown = true
		return in
	}
	by.invoked = append(slices.Clip(by.invoked), h.order)
	by.names = append(slices.Clip(by.names), name)
	return w.routes([]*entry{named}, in, by)
}

// proxied continues with the requests that response routes pass on, as forward_auth does.
func (w *walker) proxied(h *Handler, in flow, by way) flow {
	out := in.ended(h)
	by.after = AfterResponse
	for _, r := range h.responses {
		passed := w.routes(r.Routes, in, by)
		if w.request == nil && passed.reached && !r.onlySuccess() {
			h.forgives = true // for later walks too, which are for one request
		}
		out = out.or(passed)
	}
	out.known = out.known || h.asksAnother()
	return out
}

// intercept delays the visit of its response routes until it is known which requests later
// handlers answer.
func (w *walker) intercept(h *Handler, in flow, by way) flow {
	i := &interception{handler: h, way: by, before: in.intercepts, answers: new(flow)}
	w.intercepts = append(w.intercepts, i)
	in.intercepts = append(slices.Clip(in.intercepts), i)
	return in
}
