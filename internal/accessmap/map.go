package accessmap

import (
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Map says who reaches what with one version of the Applications. It never changes.
type Map struct {
	// At is when the router was asked.
	At time.Time
	// Version is that of the Applications.
	Version string
	// Problem is why there is no answer, or "".
	Problem string

	app     *tokenidp.App
	sets    map[string]*application.Set           // by the issuer's URL
	clients map[string][]*application.Application // those of the sets, sorted
	until   time.Time                             // it may be another one then
	answers []answer
}

const (
	// oldest is how long a map is shown as current, although nothing changes.
	oldest = time.Hour
	// kept is how long a map is kept if nobody looks.
	kept = 2 * oldest
)

// newMap returns a Map without answers. Its Applications and their version are of one
// moment.
func newMap(app *tokenidp.App, version func(*tokenidp.App) string) *Map {
	for before := version(app); ; {
		m := readMap(app)
		if m.Version = version(app); m.Version == before {
			return m
		}
		before = m.Version // they have changed meanwhile
	}
}

func readMap(app *tokenidp.App) *Map {
	m := &Map{At: time.Now(), app: app, sets: make(map[string]*application.Set), clients: make(map[string][]*application.Application)}
	m.until = m.At.Add(oldest)
	for _, iss := range app.Issuers {
		set := iss.ApplicationSet()
		if set == nil {
			continue
		}
		m.sets[iss.Issuer], m.clients[iss.Issuer] = set, set.Applications()
		for _, a := range m.clients[iss.Issuer] {
			for _, s := range a.Secrets {
				if s.Expires.After(m.At) && s.Expires.Before(m.until) {
					m.until = s.Expires
				}
			}
		}
	}
	return m
}

// outdated reports whether another map may say something else.
func (m *Map) outdated(now time.Time, version string) bool {
	return !now.Before(m.until) || m.Version != version || slices.ContainsFunc(m.app.Issuers, func(iss *tokenidp.Issuer) bool {
		return iss.ApplicationSet() != m.sets[iss.Issuer]
	})
}

// answer is for one route, the tokens of one issuer, and requests with the same answer.
type answer struct {
	frame   statuspage.RouteAccess // without Clients
	set     *application.Set       // of the issuer, or nil
	clients []*application.Application
	all     *class // the answer for every Application, or nil
	classes []class
	of      []uint16 // the class of each Application
}

// class is the answer for some Applications.
type class struct {
	statuspage.ClientAccess

	anyScope bool // any scope of the audience is enough
}

// Client returns what the map says of one client, on all routes.
func (m *Map) Client(clientID string) (all []statuspage.RouteAccess) {
	for i := range m.answers {
		a := &m.answers[i]
		one := a.frame
		one.Holders = nil
		if n, ok := a.index(clientID); ok {
			one.Clients = []statuspage.ClientAccess{a.client(n)}
			all = append(all, one)
		}
	}
	return all
}

// Route returns what the map says of the routes with this ID, for all clients.
func (m *Map) Route(id string) (all []statuspage.RouteAccess) {
	for i := range m.answers {
		a := &m.answers[i]
		if a.frame.Route != id {
			continue
		}
		one := a.frame
		one.Clients = make([]statuspage.ClientAccess, 0, len(a.clients))
		for n := range a.clients {
			one.Clients = append(one.Clients, a.client(n))
		}
		all = append(all, one)
	}
	return all
}

func (a *answer) index(clientID string) (int, bool) {
	return slices.BinarySearchFunc(a.clients, clientID, func(a *application.Application, id string) int { return strings.Compare(a.ClientID, id) })
}

// client returns the answer for the Application with the index.
func (a *answer) client(n int) statuspage.ClientAccess {
	one := a.all
	if one == nil {
		one = &a.classes[a.of[n]]
	}
	c, application := one.ClientAccess, a.clients[n]
	c.ClientID = application.ClientID
	if one.anyScope {
		c.Scope = a.set.AnyScope(application, c.Audience)
	}
	return c
}
