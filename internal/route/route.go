package route

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Route is one way through the configuration to a handler.
type Route struct {
	// ID is host, path, method and further matchers, such as: api.example.com/orders*
	// GET,HEAD. It is the same for a Caddyfile and for the JSON that it adapts to. No two
	// routes to a verify have the same ID.
	ID string
	// Server is the name of the server in the JSON.
	Server string
	// Hosts, Paths and Methods are the patterns of the innermost matcher that has any.
	// Empty means any host, path or method.
	Hosts, Paths, Methods []string
	// Others are the other matchers on the way, for people.
	Others []string

	Handler *Handler
	// Guard is the weakest verify that a request has passed when it reaches the handler.
	Guard Guard
	// Authenticated is true if each request that reaches the handler has passed a verify,
	// or another handler that requires credentials, such as basic_auth.
	Authenticated bool
	// Reached is true if a request can reach the handler. A handler that always answers
	// hides those after it.
	Reached bool
	// Answered is the handler that answers every request before this one, if there is one.
	Answered *Handler
	// Mixed is true if some of the requests whose responses come here have passed a
	// stronger verify than Guard.
	Mixed bool
	// Rewritten is true if the path may differ here from the path that the client sent.
	Rewritten bool
	// AsSent is true if the path and the method are surely those that the client sent: all
	// handlers before are known to leave them as they are.
	AsSent bool
	// After is what has come before: AfterError, AfterResponse, or nothing.
	After string

	levels  []level
	server  *server
	order   []int
	unknown bool // an invoke that cannot be followed
}

func newRoute(s *server, h *Handler, in flow, by way) *Route {
	by = by.through(h.settings.Match, nil, in)
	r := &Route{
		Server: s.name, Handler: h, Guard: in.guard, Authenticated: in.known, Reached: in.reached, Rewritten: in.path, AsSent: in.asSent, After: by.after,
		Answered: in.answered, Mixed: in.most > in.guard,
		levels: by.levels, server: s, order: append(slices.Clip(by.invoked), h.order),
	}
	for _, l := range by.levels {
		r.add(l.match)
	}
	r.ID = s.describe(by.levels)
	if by.after != "" {
		r.ID = strings.TrimSpace(r.ID + " after " + by.after)
	}
	return r
}

func (r *Route) add(m matcher) {
	var hosts, paths, methods []string
	for _, s := range m {
		if s != nil {
			hosts, paths, methods = append(hosts, s.hosts...), append(paths, s.paths...), append(methods, s.methods...)
			r.Others = append(r.Others, s.others...)
			if len(s.negated) > 0 {
				r.Others = append(r.Others, "not "+s.negated.String())
			}
		}
	}
	for _, one := range []struct {
		to   *[]string
		from []string
	}{{&r.Hosts, hosts}, {&r.Paths, paths}, {&r.Methods, methods}} {
		if len(one.from) > 0 {
			*one.to = one.from
		}
	}
}

// identify numbers routes to a verify that otherwise look the same.
func identify(routes []*Route) {
	seen := make(map[string]int)
	for _, r := range routes {
		if r.Handler.Name != verify {
			continue
		}
		if seen[r.ID]++; seen[r.ID] > 1 {
			r.ID = fmt.Sprintf("%s #%d", r.ID, seen[r.ID])
		}
	}
}

// describe returns the matchers, outermost first. The port follows the hosts, or is alone
// if there are none.
func (s *server) describe(levels []level) string {
	text, port, before := "", s.port(), ""
	if !slices.ContainsFunc(levels, func(l level) bool { return l.match.namesHost() }) {
		text = s.address()
	}
	for _, l := range levels {
		next := l.match.text(port)
		if next == "" || next == before {
			continue
		}
		before = next
		if l.match.namesHost() {
			port = "" // once is enough
		}
		if text != "" && (!strings.HasPrefix(next, "/") || strings.ContainsAny(text, "/ ")) {
			text += " "
		}
		text += next
	}
	return text
}

// port returns the port of the server with a colon, except the port of https.
func (s *server) port() string {
	if port := s.address(); port != ":443" && strings.HasPrefix(port, ":") {
		return port
	}
	return ""
}

// address returns the first address on which the server listens.
func (s *server) address() string {
	if len(s.Listen) == 0 {
		return ""
	}
	address, err := caddy.ParseNetworkAddress(s.Listen[0])
	if err != nil || address.IsUnixNetwork() || address.StartPort == 0 {
		return s.Listen[0]
	}
	return fmt.Sprintf(":%d", address.StartPort)
}

// listensFor reports whether the server listens on the port of the host, if the host has
// one.
func (s *server) listensFor(host string) bool {
	_, text, err := net.SplitHostPort(host)
	if err != nil || len(s.Listen) == 0 {
		return true
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && slices.ContainsFunc(s.Listen, func(listen string) bool {
		a, err := caddy.ParseNetworkAddress(listen)
		return err != nil || a.IsUnixNetwork() || a.StartPort <= uint(port) && uint(port) <= a.EndPort
	})
}

// Takes reports whether the matchers of the route let it take the request.
func (r *Route) Takes(request Request) bool {
	if !r.server.listensFor(request.Host) {
		return false
	}
	for _, l := range r.levels {
		if may, _ := evaluateAt(l.match, &request, l.path, l.method); !may {
			return false
		}
	}
	return true
}

// MatchesRewrittenPath reports whether the verify of this route matches on a path that
// a handler before it may have rewritten, so that requests may pass it unverified.
func (r *Route) MatchesRewrittenPath() bool {
	return r.Reached && r.Rewritten && r.Handler.settings.Match.mentionsPath()
}

// ServesWhatWasRefused reports whether the handler serves, without a token, a request that
// a verify of its site has refused: in an error route that handles 401 and 403, at the path
// that the client sent.
func (c *Config) ServesWhatWasRefused(r *Route) bool {
	return r.After == AfterError && r.Reached && r.Guard < Guarded && r.Handler.serves() && !r.Rewritten && r.isForRefusals() &&
		slices.ContainsFunc(c.Verifies(), r.sharesSite)
}

// ServesWithoutToken reports whether the handler serves, without a token, a request whose
// response an intercept sees, although the intercept sees verified requests, too.
func (r *Route) ServesWithoutToken() bool {
	return r.After == AfterResponse && r.Reached && r.Guard < Guarded && r.Mixed && r.Handler.serves()
}

// sharesSite reports whether both may serve the same host.
func (r *Route) sharesSite(other *Route) bool {
	return r.server == other.server && (len(r.Hosts) == 0 || len(other.Hosts) == 0 ||
		slices.ContainsFunc(r.Hosts, func(host string) bool { return slices.Contains(other.Hosts, host) }))
}

// statuses are the forms in which a Caddyfile writes the statuses of handle_errors.
var statuses = regexp.MustCompile(`\{http\.error\.status_code\} in \[([0-9, ]*)\]|\{http\.error\.status_code\} >= ([0-9]+) && \{http\.error\.status_code\} <= ([0-9]+)`)

// isForRefusals reports whether the route may handle an error of a verify.
func (r *Route) isForRefusals() bool {
	for _, described := range r.Others {
		expression, ok := strings.CutPrefix(described, "expression ")
		if rest := statuses.ReplaceAllString(expression, ""); !ok || strings.Trim(rest, "| ()") != "" {
			continue // it may match
		}
		if !slices.ContainsFunc(statuses.FindAllStringSubmatch(expression, -1), hasRefusal) {
			return false
		}
	}
	return true
}

func hasRefusal(match []string) bool {
	from, _ := strconv.Atoi(match[2])
	to, _ := strconv.Atoi(match[3])
	listed := strings.FieldsFunc(match[1], func(c rune) bool { return c == ',' || c == ' ' })
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		if slices.Contains(listed, strconv.Itoa(status)) || from <= status && status <= to {
			return true
		}
	}
	return false
}
