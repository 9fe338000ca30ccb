package adminendpoint

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/internal/accessmap"
	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/internal/version"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// pageSource gathers what the status page says. Readers who ask at the same time get
// what was gathered once.
type pageSource struct {
	maps *accessmap.Keeper

	mu    sync.Mutex
	app   *tokenidp.App
	facts statuspage.Facts
}

// accessMaps is for all status pages, so that only one map is computed in the process.
var accessMaps = accessmap.New(versionOf)

func newPageSource() *pageSource { return &pageSource{maps: accessMaps} }

// newest is the registry of the configuration that was loaded last, also if it was refused:
// only there does Caddy say that it was. It is nil without an admin endpoint.
var newest atomic.Pointer[prometheus.Registry]

// gatheredFor is how long the page may say what was gathered before.
const gatheredFor = time.Second

// serve answers for the App that serves.
func (s *pageSource) serve(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	f := s.gather(app, time.Now())
	addMap(&f, s.maps.Look(app))
	return statuspage.New(f, statuspage.ReadQuery(r.URL.Query())).Serve(w, r)
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
		for _, one := range applicationsOf(iss) {
			f.Applications = append(f.Applications, statuspage.Application{Issuer: iss.Issuer, ClientID: one.ClientID, ClientName: one.ClientName, Active: one.Active})
		}
	}
	slices.SortStableFunc(f.Applications, func(a, b statuspage.Application) int { return cmp.Compare(a.ClientID, b.ClientID) })
	f.Routes = routesOf(app)
	if f.UsageOff = app.Usage() == nil; !f.UsageOff {
		f.Usage = usageOf(app, usageQuery{unusedFor: longUnused}, now)
	}
	return f
}

// routesOf returns the routes to every verify, for each issuer whose tokens it accepts.
func routesOf(app *tokenidp.App) (all []statuspage.RouteAccess) {
	for _, r := range app.VerifyRoutes() {
		for _, issuer := range r.Verify.AcceptedIssuers() {
			all = append(all, statuspage.RouteAccess{
				Route: r.ID, Source: r.Verify.Source, Issuer: issuer, RequiredScopes: RequiredScopes(r.Verify.Requirement(issuer)),
				ReportOnly: r.Verify.ReportOnly, Conditional: r.Verify.IsConditional(), Unknown: applicationsOf(localIssuer(app, issuer)) == nil,
			})
		}
	}
	slices.SortStableFunc(all, func(a, b statuspage.RouteAccess) int { return route.CompareSources(a.Source, b.Source) })
	return all
}

// addMap adds the map that is there. If another one is needed, it is computed meanwhile.
func addMap(f *statuspage.Facts, v accessmap.View) {
	if !v.Hangs.IsZero() {
		f.Map = statuspage.Map{Problem: hanging(v)}
		return
	}
	f.Map = statuspage.Map{Changed: v.Changed, Next: adminapi.Moment(v.Next)}
	if m := v.Map; m != nil {
		f.Map.Version, f.Map.Problem = m.Version, m.Problem
		if m.Problem == "" {
			f.Map.At, f.Reaches, f.Callers = &m.At, m.Client, m.Route
		}
	}
}

func hanging(v accessmap.View) string {
	whose := "the configuration"
	if v.Earlier {
		whose = "an earlier configuration"
	}
	return "a module of " + whose + " has not returned since " + v.Hangs.UTC().Format(time.RFC3339) + ", no map until Caddy restarts"
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
