package tokenidp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// reportedKey marks a request, in its context, that a verify with report_only would have
// refused.
type reportedKey struct{}

// reported reports whether a verify with report_only would have refused the request.
func reported(r *http.Request) bool {
	_, ok := r.Context().Value(reportedKey{}).(bool)
	return ok
}

// letThrough records a request that would be refused, and passes it to the next handler.
// Only claim headers that the client sent are removed. A fault of this server is still an
// error.
func (v *Verify) letThrough(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, claims *verifier.Claims, err error) error {
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	clientID := ""
	if claims != nil {
		clientID = claims.ClientID
	}
	v.counter(r).refused(sighting{
		clientID: clientID, reason: refusal.Reason,
		method: refusallog.Loggable(r.Method), path: refusallog.Loggable(originalPath(r)), clientIP: clientIP(r).String(),
	})
	setRefused(r, refusal)
	v.metrics.RequestReported(refusal.Reason)
	v.logRefusal("request would be refused", r, claims, refusal)
	v.auditRefused(r, claims, refusal)
	return next.ServeHTTP(w, asReported(r))
}

func asReported(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), reportedKey{}, true))
}

// counter returns that of the route by which a request has come to a verify that
// reports only.
func (v *Verify) counter(r *http.Request) *reportCounter {
	v.app.verifyRoutes()
	if len(v.routes) > 0 {
		if counter := v.app.counters[route.Taken(v.routes, r).ID]; counter != nil {
			return counter
		}
	}
	return v.app.counters[v.Source]
}

// mostGroups bounds the memory for one route. The clients of this server are its
// Applications; the number of clients of other issuers is not known.
const mostGroups = 1000

// reportCounter counts what a route with report_only would refuse, by client and reason. It
// counts from the first load of the route, and outlives reloads.
type reportCounter struct {
	mu     sync.Mutex
	since  time.Time
	passed uint64
	groups map[group]*count
	others uint64 // refusals of more groups than are remembered
}

type group struct {
	clientID string // "": there was no valid token to tell it by
	reason   verifier.Reason
}

type count struct {
	times       uint64
	first, last time.Time
	example     sighting // the last
}

// sighting is one request that would have been refused.
type sighting struct {
	clientID               string
	reason                 verifier.Reason
	method, path, clientIP string
}

func newReportCounter() *reportCounter {
	return &reportCounter{since: time.Now(), groups: make(map[group]*count)}
}

// allowed counts a request that passed.
func (c *reportCounter) allowed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed++
}

// refused counts a request that enforcement would refuse.
func (c *reportCounter) refused(s sighting) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := group{s.clientID, s.reason}
	counted := c.groups[key]
	if counted == nil {
		if len(c.groups) >= mostGroups {
			c.others++
			return
		}
		counted = &count{first: now}
		c.groups[key] = counted
	}
	counted.times++
	counted.last, counted.example = now, s
}

// Reports returns for each route with report_only what it would refuse.
func (a *App) Reports() (all []adminapi.RouteReport) {
	for _, r := range a.verifyRoutes() {
		if counter := a.counters[r.ID]; r.Verify.ReportOnly && counter != nil {
			all = append(all, counter.report(r.ID, r.Verify.Source))
		}
	}
	return all
}

// report returns the counts, the most frequent first.
func (c *reportCounter) report(route, source string) adminapi.RouteReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := adminapi.RouteReport{Route: route, Source: source, Since: *adminapi.Moment(c.since), Passed: c.passed, WouldRefuse: []adminapi.RefusedGroup{}, Others: c.others}
	for key, counted := range c.groups {
		r.WouldRefuse = append(r.WouldRefuse, adminapi.RefusedGroup{
			ClientID: key.clientID, Reason: string(key.reason), Times: counted.times, First: *adminapi.Moment(counted.first), Last: *adminapi.Moment(counted.last),
			Method: counted.example.method, Path: counted.example.path, ClientIP: counted.example.clientIP,
		})
	}
	slices.SortFunc(r.WouldRefuse, func(a, b adminapi.RefusedGroup) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Reason, b.Reason))
	})
	return r
}
