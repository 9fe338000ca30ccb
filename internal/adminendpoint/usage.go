package adminendpoint

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// serveUsage answers with ?client_id=<id> and ?scope=<scope> for those alone.
func serveUsage(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	q, err := readUsageQuery(r.URL.Query())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	if err := q.checkNames(app); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	if app.Usage() == nil {
		return errUsageOff
	}
	app.Usage().Refresh(r.Context())
	return writeJSON(w, usageOf(app, q, time.Now()))
}

// errUsageOff is the answer if this server counts nothing. An answer of zeros would say that
// nobody calls.
var errUsageOff = caddy.APIError{
	HTTPStatus: http.StatusConflict,
	Err:        errors.New("this server counts no usage, because its configuration has `usage off`; to count, take that line out of the global option tokenidp"),
}

// longUnused is how long nobody may have used a scope or an Application for it to be a
// finding: monthly jobs have had their turn.
const longUnused = 31 * 24 * time.Hour

type usageQuery struct {
	clientID, scope string // "" for all
	unusedFor       time.Duration
}

func readUsageQuery(query url.Values) (q usageQuery, err error) {
	q = usageQuery{clientID: query.Get("client_id"), scope: query.Get("scope"), unusedFor: longUnused}
	if text := query.Get("unused_for"); text != "" {
		if q.unusedFor, err = caddy.ParseDuration(text); err != nil || q.unusedFor < leastUnusedFor {
			return q, fmt.Errorf("unused_for %.64q is not a duration of at least %s; write it as 31d", text, leastUnusedFor)
		}
	}
	return q, nil
}

// checkNames refuses what no file declares.
func (q usageQuery) checkNames(app *tokenidp.App) error {
	if q.clientID != "" && !declares(app, q.clientID) {
		return unknownClient(app, q.clientID)
	}
	var known []string
	for _, iss := range app.Issuers {
		if set := iss.ApplicationSet(); set != nil {
			known = append(known, set.ScopeNames()...)
		}
	}
	if q.scope != "" && !slices.Contains(known, q.scope) {
		return fmt.Errorf("there is no scope %.255s%s", q.scope, nearest.DidYouMean(q.scope, slices.Values(known)))
	}
	return nil
}

// owner names an Application.
type owner struct{ issuer, clientID string }

// counts are those of all nodes, by what they are about.
type counts struct {
	store    *usage.Store
	now      time.Time
	byClient map[owner]map[usage.Key]usage.Value
	byRoute  map[string]map[usage.Key]usage.Value
	dropped  map[string]int64 // by kind
	refusals map[usage.Key]usage.Value
}

func countsOf(store *usage.Store, now time.Time) *counts {
	c := &counts{
		store: store, now: now, dropped: make(map[string]int64), refusals: make(map[usage.Key]usage.Value),
		byClient: make(map[owner]map[usage.Key]usage.Value), byRoute: make(map[string]map[usage.Key]usage.Value),
	}
	for k, v := range store.All() {
		switch k.Kind {
		case usage.Dropped:
			c.dropped[k.Name] += v.Count
			continue
		case usage.Passed, usage.Refused, usage.Reported:
			put(c.byRoute, k.Name, k, v)
		case usage.RouteRefusals, usage.RouteReports, usage.TokenRefusals:
			c.refusals[k] = v
			continue
		default:
		}
		put(c.byClient, owner{k.Issuer, k.Client}, k, v)
	}
	return c
}

func put[K comparable](all map[K]map[usage.Key]usage.Value, in K, k usage.Key, v usage.Value) {
	if all[in] == nil {
		all[in] = make(map[usage.Key]usage.Value)
	}
	all[in][k] = v
}

func usageOf(app *tokenidp.App, q usageQuery, now time.Time) *adminapi.Usage {
	store := app.Usage()
	window, c := store.Window(), countsOf(store, now)
	u := &adminapi.Usage{
		Since: adminapi.Moment(window.Since), Nodes: window.Nodes, SyncedAt: adminapi.Moment(window.SyncedAt), Problem: store.Health().Problem,
		Applications: []adminapi.ApplicationUsage{}, Routes: []adminapi.RouteUsage{}, Findings: []adminapi.Finding{},
		Refusals: c.reasons(q),
	}
	for kind, dropped := range c.dropped {
		if !slices.Contains(overTime, kind) {
			u.NotToldApart += positive(dropped)
		}
	}
	decides := decidingScopes(app)
	for _, iss := range app.Issuers {
		if set := iss.ApplicationSet(); set != nil {
			for _, a := range set.Applications() {
				if q.clientID != "" && a.ClientID != q.clientID || q.scope != "" && !slices.Contains(a.Scopes, q.scope) {
					continue
				}
				one := c.application(iss, a, q)
				u.Applications = append(u.Applications, one)
				if iss.Issues() {
					u.Findings = append(u.Findings, c.findings(iss, set, a, one, decides, q)...)
				}
			}
		}
	}
	for _, r := range app.VerifyRoutes() {
		u.Routes = append(u.Routes, c.route(r, q))
	}
	return u
}

func positive(n int64) uint64 { return uint64(max(0, n)) }

// decidingScopes returns the scopes by which some route lets requests through.
func decidingScopes(app *tokenidp.App) map[string]bool {
	scopes := make(map[string]bool)
	for _, r := range app.VerifyRoutes() {
		for _, scope := range slices.Concat(r.Verify.Scopes, r.Verify.AnyScope) {
			scopes[scope] = true
		}
	}
	return scopes
}

func (c *counts) application(iss *tokenidp.Issuer, a *application.Application, q usageQuery) adminapi.ApplicationUsage {
	own := c.byClient[owner{iss.Issuer, a.ClientID}]
	issued := own[usage.Key{Kind: usage.Issued, Issuer: iss.Issuer, Client: a.ClientID}]
	one := adminapi.ApplicationUsage{
		Issuer: iss.Issuer, ClientID: a.ClientID, ClientName: a.ClientName, Active: a.Active, Source: a.Source,
		LastToken: adminapi.Moment(issued.LastTime()), Tokens: positive(issued.Count),
		ByHour: series(issued.Hours, usage.Hour, newTokenCount), ByDay: series(issued.Days, usage.Day, newTokenCount),
		Scopes: c.scopes(a, own, q), Secrets: secretUsage(own),
	}
	networks := 0
	for _, s := range one.Secrets {
		networks += len(s.Networks)
	}
	one.Storm = iss.StormOf(a, issued, networks, c.now)
	return one
}

func newTokenCount(from time.Time, n uint64) adminapi.TokenCount {
	return adminapi.TokenCount{From: from, Tokens: n}
}

// series returns a count for each slot, whose length is in seconds.
func series[T any](s usage.Series, length int64, newCount func(from time.Time, n uint64) T) (counts []T) {
	for _, b := range s {
		counts = append(counts, newCount(time.Unix(b.Slot*length, 0).UTC(), positive(b.Count)))
	}
	return counts
}

// scopes returns the granted scopes in their order, and then those that are used or asked
// for without a grant.
func (c *counts) scopes(a *application.Application, own map[usage.Key]usage.Value, q usageQuery) []adminapi.ScopeUsage {
	found := make(map[string]*adminapi.ScopeUsage)
	names := slices.Clone(a.Scopes)
	at := func(scope string) *adminapi.ScopeUsage {
		if found[scope] == nil {
			found[scope] = &adminapi.ScopeUsage{Scope: scope, Granted: slices.Contains(a.Scopes, scope)}
		}
		return found[scope]
	}
	for k, v := range own {
		switch k.Kind {
		case usage.Granted:
			at(k.Name).GrantedSince = adminapi.Moment(c.store.Since(v))
		case usage.Asked:
			at(k.Name).Asked, at(k.Name).LastAsked = positive(v.Count), adminapi.Moment(v.LastTime())
		case usage.Denied:
			at(k.Name).Denied = positive(v.Count)
		case usage.Read:
			at(k.Name).LastUsed = later(at(k.Name).LastUsed, v)
		case usage.Passed:
			for scope := range strings.FieldsSeq(k.Detail) {
				at(scope).Used += positive(v.Count)
				at(scope).LastUsed = later(at(scope).LastUsed, v)
			}
		default:
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(found)) {
		if s := found[scope]; !s.Granted && (s.Asked > 0 || s.Used > 0 || s.Denied > 0) {
			names = append(names, scope)
		}
	}
	scopes := []adminapi.ScopeUsage{}
	for _, scope := range names {
		if s := at(scope); q.scope == "" || q.scope == scope {
			s.GrantedSince = granted(s)
			scopes = append(scopes, *s)
		}
	}
	return scopes
}

// granted is for a scope that was granted before.
func granted(s *adminapi.ScopeUsage) *time.Time {
	if !s.Granted {
		return nil
	}
	return s.GrantedSince
}

func later(t *time.Time, v usage.Value) *time.Time {
	if last := adminapi.Moment(v.LastTime()); t == nil || last != nil && last.After(*t) {
		return last
	}
	return t
}

func secretUsage(own map[usage.Key]usage.Value) (all []adminapi.SecretUsage) {
	found := make(map[string]*adminapi.SecretUsage)
	at := func(id string) *adminapi.SecretUsage {
		if found[id] == nil {
			found[id] = &adminapi.SecretUsage{SecretID: id}
		}
		return found[id]
	}
	for k, v := range own {
		switch k.Kind {
		case usage.Secret:
			at(k.Name).Times, at(k.Name).LastUsed = positive(v.Count), adminapi.Moment(v.LastTime())
		case usage.Network:
			s := at(k.Name)
			s.Networks = append(s.Networks, adminapi.NetworkUsage{Network: k.Detail, Times: positive(v.Count), LastUsed: adminapi.Moment(v.LastTime())})
		default:
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		slices.SortFunc(s.Networks, func(a, b adminapi.NetworkUsage) int { return strings.Compare(a.Network, b.Network) })
		all = append(all, *s)
	}
	return all
}

func (c *counts) route(r tokenidp.VerifyRoute, q usageQuery) adminapi.RouteUsage {
	one := adminapi.RouteUsage{Route: r.ID, Source: r.Verify.Source, ReportOnly: r.Verify.ReportOnly, Callers: []adminapi.Caller{}}
	for k, v := range c.byRoute[r.ID] {
		switch {
		case q.clientID != "" && k.Client != q.clientID:
		case k.Kind == usage.Passed && (q.scope == "" || slices.Contains(strings.Fields(k.Detail), q.scope)):
			caller := adminapi.Caller{Issuer: k.Issuer, ClientID: k.Client, Scopes: k.Detail, Times: positive(v.Count), Last: v.LastTime()}
			if k.Issuer == usage.Others {
				caller.Issuer = ""
			}
			one.Callers = append(one.Callers, caller)
		case q.scope == "" && (k.Kind == usage.Reported && r.Verify.ReportOnly || k.Kind == usage.Refused && !r.Verify.ReportOnly):
			one.Refused = append(one.Refused, tokenidp.RefusedGroup(k, v))
		}
	}
	slices.SortFunc(one.Callers, func(a, b adminapi.Caller) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.ClientID, b.ClientID), strings.Compare(a.Scopes, b.Scopes))
	})
	tokenidp.SortRefused(one.Refused)
	return one
}
