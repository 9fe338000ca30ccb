package route

import (
	"net/http"
	"slices"
	"strings"
)

// Example is a request that may take a route. Only a router can confirm that: a matcher for
// which no example can be made, or an earlier route, may prevent it.
type Example struct {
	Method string
	Host   string // without a port
	Target string // path and query, as a client sends them
	Header http.Header
	Scheme string // "": any
	From   string // the address of the client, without a port; "": any
}

// exampleMethods are the methods that read and those that write, the most usual first.
var exampleMethods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions,
}

// mostExamples limits the requests for one route, and usualPaths their paths.
const (
	mostExamples = 32
	usualPaths   = 3
)

// Examples returns requests that are likely to take the route, the plainest first. They
// have each host and each kind of path that the patterns of the route name. They have the
// methods that the route names, or else one that reads and one that writes. The other
// requests are for a route that none of these takes, because an earlier route does.
func (r *Route) Examples() (usual, others []Example) {
	for _, b := range r.branches() {
		more, last := b.examples()
		usual, others = append(usual, more...), append(others, last...)
	}
	return usual[:min(len(usual), mostExamples)], others[:min(len(others), mostExamples)]
}

// branch is a route with one alternative of each matcher on the way.
type branch struct {
	route *Route
	sets  []*matcherSet // by level; nil matches everything
}

// branches returns branches that contain each alternative once.
func (r *Route) branches() (all []branch) {
	most := 1
	for _, l := range r.levels {
		most = max(most, len(l.match))
	}
	for i := range min(most, mostExamples) {
		b := branch{route: r}
		for _, l := range r.levels {
			b.sets = append(b.sets, l.match[min(i, len(l.match)-1)])
		}
		all = append(all, b)
	}
	return all
}

func (b branch) examples() (usual, others []Example) {
	base, ok := b.base()
	hosts, paths, methods := b.hosts(), b.paths(), b.methods()
	if !ok || len(hosts) == 0 || len(paths) == 0 {
		return nil, nil
	}
	example := func(host, path, method string) Example {
		e := base
		e.Host, e.Target, e.Method = host, path+base.Target, method
		return e
	}
	few := methods
	if !b.namesMethod() {
		few = oneOfEach(methods)
	}
	for _, path := range paths[:min(len(paths), usualPaths)] {
		for _, method := range few {
			usual = append(usual, example(hosts[0], path, method))
		}
	}
	for _, host := range hosts[1:] {
		usual = append(usual, example(host, paths[0], methods[0]))
	}
	for _, path := range paths {
		others = append(others, example(hosts[0], path, methods[0]))
	}
	for _, method := range methods {
		others = append(others, example(hosts[0], paths[0], method))
	}
	return usual, others
}

// oneOfEach returns the first method that reads and the first that writes.
func oneOfEach(methods []string) []string {
	few := methods[:1]
	for _, method := range methods[1:] {
		if reads(method) != reads(few[0]) {
			return append(slices.Clip(few), method)
		}
	}
	return few
}

func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// accepts reports whether no matcher on the way is known to refuse the request.
func (b branch) accepts(r Request) bool {
	for i, l := range b.route.levels {
		if may, _ := evaluateAt(matcher{b.sets[i]}, &r, l.path, l.method); !may {
			return false
		}
	}
	return true
}

// anyHost is a name that no site has.
const anyHost = "any.example"

// hosts returns the hosts of the innermost patterns, or else one that no site names and the
// hosts of the other sites.
func (b branch) hosts() []string {
	var all []string
	for _, s := range slices.Backward(b.sets) {
		if s != nil && len(s.hosts) > 0 {
			for _, pattern := range s.hosts {
				all = eachOnce(all, exampleHost(pattern))
			}
			break
		}
	}
	if len(all) == 0 {
		all = eachOnce([]string{anyHost}, b.route.server.hostExamples()...)
		all = all[:min(len(all), 3)]
	}
	return slices.DeleteFunc(all, func(host string) bool { return host == "" || !b.accepts(Request{Host: host}) })
}

// exampleHost replaces wildcards: *.example.com becomes any.example.com.
func exampleHost(pattern string) string {
	return strings.ReplaceAll(replaced(pattern), "*", "any")
}

// hostExamples returns hosts that the sites of the server name.
func (s *server) hostExamples() (all []string) {
	for _, e := range s.Routes {
		if e == nil {
			continue
		}
		for _, set := range e.Match {
			if set != nil && len(set.hosts) > 0 {
				all = append(all, exampleHost(set.hosts[0]))
			}
		}
	}
	return all
}

// methods returns the methods that are named and not refused, or else all that are not
// refused.
func (b branch) methods() []string {
	all := slices.Clone(exampleMethods)
	for _, s := range slices.Backward(b.sets) {
		if s != nil {
			all = eachOnce(slices.Clone(s.methods), all...)
		}
	}
	all = slices.DeleteFunc(all, func(method string) bool { return !b.accepts(Request{Method: method}) })
	if len(all) == 0 {
		return exampleMethods[:1]
	}
	return all
}

func (b branch) namesMethod() bool {
	return slices.ContainsFunc(b.sets, func(s *matcherSet) bool { return s != nil && len(s.methods) > 0 })
}
