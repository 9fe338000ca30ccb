package adminendpoint

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/internal/version"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// pageSource gathers what the status page says. Readers who ask at the same time get
// what was gathered once.
type pageSource struct {
	mu    sync.Mutex
	app   *tokenidp.App
	facts statuspage.Facts
}

// newest is the registry of the configuration that was loaded last, also if it was refused:
// only there does Caddy say that it was. It is nil without an admin endpoint.
var newest atomic.Pointer[prometheus.Registry]

// gatheredFor is how long the page may say what was gathered before.
const gatheredFor = time.Second

// serve answers for the App that serves.
func (s *pageSource) serve(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	return statuspage.New(s.gather(app, time.Now()), statuspage.ReadQuery(r.URL.Query())).Serve(w, r)
}

func (s *pageSource) gather(app *tokenidp.App, now time.Time) statuspage.Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.facts.Now); s.app != app || age < 0 || age > gatheredFor {
		s.app, s.facts = app, newFacts(app, now)
	}
	return s.facts
}

func newFacts(app *tokenidp.App, now time.Time) statuspage.Facts {
	f := statuspage.Facts{Now: now, Version: versions(), Status: status(app, now), Keys: issuerKeys(app)}
	if registry := newest.Load(); registry != nil {
		f.Status.ReloadFailed = reloadFailed(registry)
	}
	f.Secrets, _ = secrets(app, secretsQuery{unusedFor: defaultUnusedFor}, now)
	for _, iss := range app.Issuers {
		all, _ := applicationsOf(iss)
		for _, one := range all {
			f.Applications = append(f.Applications, statuspage.Application{Issuer: iss.Issuer, ClientID: one.ClientID, ClientName: one.ClientName, Active: one.Active})
		}
	}
	slices.SortStableFunc(f.Applications, func(a, b statuspage.Application) int { return cmp.Compare(a.ClientID, b.ClientID) })
	f.Routes = accessOf(app, "", nobody, now)
	f.Reaches = func(clientID string) []adminapi.RouteAccess {
		return accessOf(app, "", clientRange{only: clientID}, now)
	}
	f.Callers = once(func(route string) []adminapi.RouteAccess { return accessOf(app, route, clientRange{}, now) })
	if f.UsageOff = app.Usage() == nil; !f.UsageOff {
		f.Usage = usageOf(app, usageQuery{unusedFor: longUnused}, now)
	}
	return f
}

// once returns a function that computes each answer once, since many readers may ask for a
// route with many Applications.
func once(compute func(string) []adminapi.RouteAccess) func(string) []adminapi.RouteAccess {
	var mu sync.Mutex
	known := make(map[string][]adminapi.RouteAccess)
	return func(name string) []adminapi.RouteAccess {
		mu.Lock()
		defer mu.Unlock()
		answer, found := known[name]
		if !found {
			answer = compute(name)
			known[name] = answer
		}
		return answer
	}
}

// nobody is a range without an Application.
var nobody = clientRange{after: "\xff"}

// accessOf evaluates Applications at the routes with this ID, or at all.
func accessOf(app *tokenidp.App, id string, clients clientRange, now time.Time) (all []adminapi.RouteAccess) {
	for _, r := range app.VerifyRoutes() {
		if id != "" && r.ID != id {
			continue
		}
		for _, one := range accessTo(app, r.Verify, clients, now, make(map[reaching]bool)) {
			one.Route = r.ID
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b adminapi.RouteAccess) int { return route.CompareSources(a.Source, b.Source) })
	return all
}

// versions are those of this module and of Caddy.
func versions() string {
	module, caddy := version.Of()
	return module + ", Caddy " + caddy
}

// pageMethods are those that the page takes.
var pageMethods = []string{http.MethodGet, http.MethodHead}

// servePage answers at the admin endpoint.
func (e *Endpoint) servePage(w http.ResponseWriter, r *http.Request) error {
	method := http.MethodGet
	if slices.Contains(pageMethods, r.Method) {
		method = r.Method
	}
	app := e.serving()
	if err := check(r, method, app); err != nil {
		return err
	}
	return e.page.serve(app, w, r)
}
