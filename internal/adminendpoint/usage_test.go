package adminendpoint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

const usedApplications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]
applications:
  - client_id: worker
    secrets:
      - {id: old, hash: "$sha256$e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
      - {id: new, hash: "$sha256$e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b856"}
    scopes: [orders.read, orders.write, orders.admin]
    default_scopes: [orders.read, orders.admin]
    token_lifetime: 1h
`

// observed is a server that has counted for days, and the answer to an operator.
type observed struct {
	t       *testing.T
	app     *tokenidp.App
	store   *usage.Store
	now     time.Time
	elapsed time.Duration
}

func newObserved(t *testing.T) *observed {
	o := &observed{t: t, now: time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)}
	o.app = provision(t, map[string]string{"https://idp.example.com": usedApplications}, []string{
		`{"handler": "verify", "scopes": ["orders.read"]}`, `{"handler": "verify", "any_scope": ["orders.write", "orders.admin"]}`,
	})
	o.store = usage.New(&certmagic.FileStorage{Path: t.TempDir()}, "usage", usage.Options{
		Now: func() time.Time { return o.now }, Elapsed: func() time.Duration { return o.elapsed },
	})
	keys := []usage.Key{o.key(usage.Secret, "old"), o.key(usage.Secret, "new")}
	for _, scope := range []string{"orders.read", "orders.write", "orders.admin"} {
		keys = append(keys, o.key(usage.Granted, scope))
	}
	o.store.Observe("https://idp.example.com", slices.Values(keys))
	return o
}

func (o *observed) key(kind usage.Kind, name string) usage.Key {
	return usage.Key{Kind: kind, Issuer: "https://idp.example.com", Client: "worker", Name: name}
}

func (o *observed) pass(d time.Duration) {
	o.now = o.now.Add(d)
	o.elapsed += d
}

// token counts a token with the scopes, asked for with the new secret.
func (o *observed) token(from string, scopes ...string) {
	o.store.CountSecret("https://idp.example.com", "worker", "new", netip.MustParseAddr(from))
	o.store.CountHourly(o.key(usage.Issued, ""))
	for _, scope := range scopes {
		o.store.Count(o.key(usage.Asked, scope))
	}
}

func (o *observed) call(route, scope string) {
	k := o.key(usage.Passed, route)
	k.Detail = scope
	o.store.Count(k)
}

// findings returns those of an answer, each with its kind before its text.
func (o *observed) findings() (found []string) {
	o.t.Helper()
	if err := o.store.Sync(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	c, iss := countsOf(o.store, o.now), o.app.Issuers[0]
	set := iss.ApplicationSet()
	a, _ := set.Application("worker")
	q := usageQuery{unusedFor: longUnused}
	for _, f := range c.findings(iss, set, a, c.application(iss, a, q), decidingScopes(o.app), q) {
		found = append(found, fmt.Sprintf("%s %s %s %q %q", f.Kind, strings.Join(f.Scopes, "+"), f.SecretID, f.Old, f.New))
	}
	return found
}

func (o *observed) want(why string, findings ...string) {
	o.t.Helper()
	if got := o.findings(); !slices.Equal(got, findings) {
		o.t.Errorf("%s:\n%s\nwant\n%s", why, strings.Join(got, "\n"), strings.Join(findings, "\n"))
	}
}

// TestFindings are what an operator may change, are not for what is younger than the
// window, and go away with a use.
func TestFindings(t *testing.T) {
	const (
		asleep    = `asleep   ["active: true"] ["active: false"]`
		oldSecret = `unused_secret  old [] []`
	)
	o := newObserved(t)
	o.want("at the start")
	o.pass(longUnused - time.Hour)
	o.want("younger than the window")
	o.pass(2 * time.Hour)
	o.want("nothing was used", asleep)

	o.token("192.0.2.1", "orders.read")
	o.want("a token", `unused_scopes orders.read+orders.write+orders.admin  ["active: true"] ["active: false"]`, oldSecret)
	o.call("idp.example.com/0", "orders.read")
	o.want("and a call",
		`unused_scopes orders.write+orders.admin  ["scopes: [orders.read, orders.write, orders.admin]" "default_scopes: [orders.read, orders.admin]"] ["scopes: [orders.read]" "default_scopes: [orders.read]"]`, oldSecret)
	o.call("idp.example.com/1", "orders.admin")
	o.store.Count(o.key(usage.Read, "orders.write"))
	o.want("a matcher reads another", oldSecret)

	for i := range 4 {
		o.token(fmt.Sprintf("198.51.%d.1", i), "orders.read")
	}
	o.want("many networks", oldSecret, `shared_secret  new [] []`)
	for range 1300 {
		o.token("192.0.2.1", "orders.read")
	}
	o.want("a token per call", oldSecret, `shared_secret  new [] []`, `storm   [] []`)
	o.pass(25 * time.Hour)
	o.token("192.0.2.1", "orders.read")
	o.want("a day later", oldSecret, `shared_secret  new [] []`)
	o.pass(longUnused + time.Hour)
	o.want("all is old", asleep)
}

// TestFindingsNeedCurrentKnowledge of what all servers saw.
func TestFindingsNeedCurrentKnowledge(t *testing.T) {
	o := newObserved(t)
	o.pass(2 * longUnused)
	if len(o.findings()) == 0 {
		t.Fatal("nothing is found")
	}
	c, iss := countsOf(o.store, o.now.Add(syncedWithin+time.Minute)), o.app.Issuers[0]
	a, _ := iss.ApplicationSet().Application("worker")
	q := usageQuery{unusedFor: longUnused}
	if found := c.findings(iss, iss.ApplicationSet(), a, c.application(iss, a, q), decidingScopes(o.app), q); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// TestUsageAnswers by Application and route.
func TestUsageAnswers(t *testing.T) {
	app, client := administered(t, map[string]string{"https://idp.example.com": usedApplications}, `{"handler": "verify", "scopes": ["orders.read"]}`)
	route := app.VerifyRoutes()[0].ID
	count := func(kind usage.Kind, name, detail string) {
		app.Usage().Count(usage.Key{Kind: kind, Issuer: "https://idp.example.com", Client: "worker", Name: name, Detail: detail})
	}
	count(usage.Passed, route, "orders.read")
	count(usage.Refused, route, "expired")
	count(usage.Asked, "orders.read", "")
	count(usage.Denied, "stock.read", "")
	app.Usage().CountHourly(usage.Key{Kind: usage.Issued, Issuer: "https://idp.example.com", Client: "worker"})
	u, err := client.Usage(t.Context(), adminapi.UsageQuery{})
	if err != nil || len(u.Applications) != 1 || len(u.Routes) != 1 || u.Nodes != 1 || u.Since == nil || u.SyncedAt == nil || len(u.Findings) != 0 {
		t.Fatalf("%+v %v", u, err)
	}
	a, r := u.Applications[0], u.Routes[0]
	if a.Tokens != 1 || a.LastToken == nil || len(a.ByHour) != 1 || len(a.ByDay) != 1 || len(a.Scopes) != 4 || a.Scopes[0].Asked != 1 || a.Scopes[0].Used != 1 || a.Scopes[3].Denied != 1 || a.Scopes[3].Granted {
		t.Errorf("%+v", a)
	}
	if len(r.Callers) != 1 || r.Callers[0].Scopes != "orders.read" || len(r.Refused) != 1 || r.Refused[0].Reason != "expired" {
		t.Errorf("%+v", r)
	}
	if u, err := client.Usage(t.Context(), adminapi.UsageQuery{Scope: "orders.write"}); err != nil || len(u.Applications[0].Scopes) != 1 || len(u.Routes[0].Callers) != 0 {
		t.Errorf("%+v %v", u, err)
	}
	for want, q := range map[string]adminapi.UsageQuery{
		"no Application has this client_id: worke; did you mean worker?": {ClientID: "worke"},
		"there is no scope order.read; did you mean orders.read?":        {Scope: "order.read"},
		"is not a duration of at least 1h0m0s":                           {UnusedFor: "1s"},
	} {
		if _, err := client.Usage(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	reports, err := client.Report(t.Context(), true)
	if err != nil || len(reports) != 1 || !reports[0].Enforced || reports[0].Passed != 1 || reports[0].Refused[0].Times != 1 {
		t.Errorf("%+v %v", reports, err)
	}
}
