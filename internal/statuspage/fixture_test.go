package statuspage

import (
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// noon is the time of all pages in the tests.
var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func in(d time.Duration) *time.Time {
	t := noon.Add(d)
	return &t
}

const day = 24 * time.Hour

const issuer = "https://auth.example.com"

// routes are the routes of the fixtures, with the scope that each requires.
var routes = []struct{ id, scope, source string }{
	{"api.example.com/orders* GET,HEAD", "orders.read", "Caddyfile:21"},
	{"api.example.com/orders* POST,PUT", "orders.write", "Caddyfile:26"},
	{"api.example.com/invoices*", "invoices.read", "Caddyfile:31"},
	{"reports.example.com", "reports.read", "Caddyfile:44"},
}

// well returns a server with many Applications on which everything is in order.
func well(applications int) Facts {
	f := Facts{
		Now: noon, Version: "v1.4.0",
		Status: adminapi.Status{
			Ready: true, Since: in(-50 * time.Hour),
			Issuers: []adminapi.IssuerStatus{{
				Issuer: issuer, Issues: true, ActiveKey: "2026-09-30.482910", Problems: []string{},
				Applications: map[string]int{"active": applications}, Secrets: map[string]int{"valid": applications},
				Files: []adminapi.FileStatus{{Path: "/etc/caddy/applications.yaml", Applications: applications, LoadedAt: in(-3 * time.Hour)}},
			}},
			Trusted: []adminapi.TrustedIssuer{{
				Issuer: "https://token.actions.githubusercontent.com", From: "https://token.actions.githubusercontent.com/.well-known/jwks",
				Keys: 4, LastSuccess: in(-12 * time.Minute), UsedUntil: in(24*time.Hour - 12*time.Minute), NextFetch: in(48 * time.Minute),
			}},
			State: adminapi.StateStatus{Kind: "redis", Synced: true, LastSync: in(-2 * time.Second), Revocations: 12, Identifiers: 3411, Bytes: 1_900_000},
		},
		Keys: []adminapi.IssuerKeys{{Issuer: issuer, Keys: []adminapi.Key{
			{KeyID: "2026-11-28.118204", State: "next", Algorithm: "RS256", CreatedAt: in(-day), SignsFrom: in(31 * time.Hour), RetiresAt: in(92 * day), SignsHere: true},
			{KeyID: "2026-09-30.482910", State: "active", Algorithm: "RS256", SignsFrom: in(-60 * day), RetiresAt: in(31 * time.Hour), DeletesAt: in(33 * time.Hour), SignsHere: true},
			{KeyID: "2026-07-01.731155", State: "retired", Algorithm: "RS256", SignsFrom: in(-150 * day), RetiresAt: in(-60 * day), DeletesAt: in(9 * day)},
		}}},
		Map:     Map{At: in(-4 * time.Minute), Version: "3f2a9c1b5d6e7f80"},
		Reaches: func(string) []RouteAccess { return nil },
		Callers: func(string) []RouteAccess { return nil },
	}
	secrets := adminapi.IssuerSecrets{Issuer: issuer, SyncedAt: in(0)}
	for i := range applications {
		id := clientID(i)
		f.Applications = append(f.Applications, Application{Issuer: issuer, ClientID: id, ClientName: fmt.Sprintf("Worker %d", i), Active: true})
		secrets.Secrets = append(secrets.Secrets, adminapi.Secret{
			ClientID: id, Active: true, SecretID: "2026-11", State: "valid", ExpiresAt: in(time.Duration(100+i) * day), LastUsed: in(-time.Duration(i+1) * time.Minute),
		})
	}
	f.Secrets = []adminapi.IssuerSecrets{secrets}
	for _, r := range routes {
		f.Routes = append(f.Routes, RouteAccess{Route: r.id, Source: r.source, Issuer: issuer, RequiredScopes: adminapi.RequiredScopes{Audience: []string{"orders-api"}, Scopes: []string{r.scope}}})
	}
	f.Reaches = func(id string) []RouteAccess { return f.access(func(c string) bool { return c == id }, "") }
	f.Callers = func(route string) []RouteAccess {
		return f.access(func(string) bool { return true }, route)
	}
	f.Usage = used(f)
	return f
}

// used has the Applications call where they get in, but warehouse-sync one route alone.
// Some try what they must not.
func used(f Facts) *adminapi.Usage {
	u := &adminapi.Usage{Since: in(-17*day - 3*time.Hour), Nodes: 3, SyncedAt: in(-20 * time.Second)}
	for i, a := range f.Applications {
		one := adminapi.ApplicationUsage{Issuer: issuer, ClientID: a.ClientID, Active: true, LastToken: in(-time.Duration(i+1) * time.Minute), Tokens: 400}
		for hour := range 40 {
			one.ByHour = append(one.ByHour, adminapi.TokenCount{From: noon.Add(time.Duration(hour-39) * time.Hour), Tokens: uint64(hour % 12)})
		}
		for d := range 17 {
			one.ByDay = append(one.ByDay, adminapi.TokenCount{From: noon.Truncate(day).Add(time.Duration(d-16) * day), Tokens: uint64(100 + 7*d)})
		}
		u.Applications = append(u.Applications, one)
	}
	for j, r := range f.access(func(string) bool { return true }, "") {
		one := adminapi.RouteUsage{Route: r.Route, Source: r.Source}
		for i, c := range r.Clients {
			switch {
			case c.Allowed && (i != 2 || j != 0):
				one.Callers = append(one.Callers, adminapi.Caller{Issuer: issuer, ClientID: c.ClientID, Scopes: c.Scope, Times: uint64(1204 / (i + j + 1)), Last: *in(-time.Duration(i+1) * time.Minute)})
			case !c.Allowed && i == 2 && j == 1:
				one.Refused = append(one.Refused, adminapi.RefusedGroup{Issuer: issuer, ClientID: c.ClientID, Reason: c.Reason, Times: 3, Last: *in(-5 * day)})
			}
		}
		one.Refused = append(one.Refused, adminapi.RefusedGroup{Reason: "no_token", Times: uint64(40 - 9*j), Last: *in(-time.Duration(j+1) * time.Hour)})
		u.Routes = append(u.Routes, one)
	}
	u.Refusals = refusedOverTime(f)
	return u
}

// refusedOverTime has more reasons than there are charts, and what nobody asked for lately.
func refusedOverTime(f Facts) (all []adminapi.ReasonUsage) {
	for i, reason := range []string{"no_token", "expired", "missing_scope", "wrong_audience", "revoked", "malformed_token", "unknown_key"} {
		r := adminapi.ReasonUsage{At: adminapi.RefusedByVerify, Route: f.Routes[i%len(f.Routes)].Route, Reason: reason}
		for hour := i; hour < 40; hour += 2*i + 1 {
			r.ByHour = append(r.ByHour, adminapi.RefusalCount{From: noon.Add(time.Duration(hour-39) * time.Hour), Refusals: uint64((hour*7)%23 + 1)})
		}
		for d := i; d < 17; d++ {
			r.ByDay = append(r.ByDay, adminapi.RefusalCount{From: noon.Truncate(day).Add(time.Duration(d-16) * day), Refusals: uint64(1000 / (i*i + 1) / (17 - d))})
		}
		all = append(all, r)
	}
	all[5].ReportOnly = true
	token := adminapi.ReasonUsage{At: adminapi.RefusedByToken, Issuer: issuer, Reason: "inactive_client"}
	token.ByHour = []adminapi.RefusalCount{{From: noon, Refusals: 1204}}
	token.ByDay = []adminapi.RefusalCount{{From: noon.Truncate(day), Refusals: 1204}}
	long := adminapi.ReasonUsage{At: adminapi.RefusedByToken, Issuer: issuer, Reason: "wrong_secret", ByDay: []adminapi.RefusalCount{{From: noon.Add(-60 * day), Refusals: 9}}}
	return append(all, token, long)
}

// names are those of the first Applications.
var names = []string{"billing-export", "orders-worker", "warehouse-sync"}

func clientID(i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("worker-%05d", i)
}

// access lets every Application reach the routes whose number is a factor of its own.
func (f *Facts) access(client func(string) bool, route string) (all []RouteAccess) {
	for j, r := range f.Routes {
		if route != "" && r.Route != route {
			continue
		}
		var clients []ClientAccess
		for i, a := range f.Applications {
			if !client(a.ClientID) {
				continue
			}
			c := ClientAccess{ClientID: a.ClientID, Reason: "scope_not_granted", Cause: "it has not the scope " + r.Scopes[0]}
			if (i+1)%(j+1) == 0 {
				c = ClientAccess{ClientID: a.ClientID, Allowed: true, Scope: r.Scopes[0], Audience: "orders-api"}
			}
			clients = append(clients, c)
		}
		r.Clients = clients
		all = append(all, r)
	}
	return all
}

// wrong returns a server on which everything is wrong.
func wrong(applications int) Facts {
	f := well(applications)
	f.Status.Ready, f.Status.ReloadFailed = false, true
	iss := &f.Status.Issuers[0]
	iss.ActiveKey = ""
	iss.Problems = []string{"there is no signing key", "the newest version of /etc/caddy/applications.yaml is not in force: line 12: unknown field scpoes; did you mean scopes?", "the storage is out of reach: write /var/lib/caddy: no space left on device"}
	iss.Files[0].Problem, iss.Files[0].Since = "line 12: unknown field scpoes; did you mean scopes?", in(-2*time.Hour)
	f.Keys = nil
	f.Status.Trusted = []adminapi.TrustedIssuer{
		{Issuer: "https://login.example.net/tenant", Keys: 2, Stale: true, Expired: true, LastSuccess: in(-26 * time.Hour), LastError: "dial tcp 192.0.2.4:443: connect: connection refused"},
		{Issuer: "https://idp.example.org", Keys: 0, LastError: "the answer is no JWK Set"},
		{Issuer: "https://accounts.example.com", Keys: 3, Stale: true, LastSuccess: in(-3 * time.Hour), UsedUntil: in(21 * time.Hour), LastError: "503 Service Unavailable"},
	}
	f.Status.State = adminapi.StateStatus{Kind: "redis", LastSync: in(-9 * time.Minute), Problems: []string{"the shared state is not current: dial tcp 127.0.0.1:6379: connect: connection refused"}}
	for i := range f.Secrets[0].Secrets {
		s := &f.Secrets[0].Secrets[i]
		s.State, s.ExpiresAt, s.LastUsed = "expiring", in(time.Duration(i%29+1)*day), nil
		if i%3 == 0 {
			s.State, s.ExpiresAt = "expired", in(-time.Duration(i%29+1)*time.Hour)
		}
	}
	f.Routes[3].ReportOnly = true
	f.Usage.Routes[3].ReportOnly = true
	f.Usage.Problem = "reading tokenidp/usage-a.json: permission denied"
	for i, a := range f.Applications {
		f.Usage.Routes[0].Refused = append(f.Usage.Routes[0].Refused, adminapi.RefusedGroup{Issuer: issuer, ClientID: a.ClientID, Reason: "expired", Times: 7, Last: *in(-time.Duration(i) * time.Minute)})
		f.Usage.Findings = append(f.Usage.Findings, untidy[i%len(untidy)](a.ClientID))
	}
	return f
}

// untidy makes a finding of each kind.
var untidy = []func(clientID string) adminapi.Finding{
	func(id string) adminapi.Finding {
		return adminapi.Finding{
			Kind: adminapi.FindingUnusedScopes, Issuer: issuer, ClientID: id, Scopes: []string{"orders.write"}, Text: id + " has not used orders.write for 31 days", Source: "/etc/caddy/applications.yaml:12",
			Old: []string{"scopes: [orders.read, orders.write]"}, New: []string{"scopes: [orders.read]"},
		}
	},
	func(id string) adminapi.Finding {
		return adminapi.Finding{Kind: adminapi.FindingStorm, Issuer: issuer, ClientID: id, Text: id + " got 4120 tokens in 24 hours, and needs about 25; it should keep a token until shortly before it expires"}
	},
	func(id string) adminapi.Finding {
		return adminapi.Finding{Kind: adminapi.FindingUnusedSecret, Issuer: issuer, ClientID: id, SecretID: "2025-11", Text: "nobody needs it", Source: "/etc/caddy/applications.yaml:40"}
	},
	func(id string) adminapi.Finding {
		return adminapi.Finding{Kind: adminapi.FindingSharedSecret, Issuer: issuer, ClientID: id, SecretID: "2026-11", Text: "the secret 2026-11 of " + id + " is used from 8 networks or more; give each workload an Application of its own"}
	},
	func(id string) adminapi.Finding {
		return adminapi.Finding{Kind: adminapi.FindingAsleep, Issuer: issuer, ClientID: id, Text: id + " got no token for 31 days; no token of it is known", Old: []string{"active: true"}, New: []string{"active: false"}}
	},
}

// mapped returns a server with a map in this state.
func mapped(m Map) Facts {
	f := well(3)
	f.Map = m
	if m.At == nil {
		f.Reaches, f.Callers = nil, nil
	}
	return f
}

// odd returns a server on which one route has answers of all kinds.
func odd() Facts {
	f := well(3)
	at := f.Routes[1]
	for i, id := range []string{"ci", "deploy"} { // no others are known of that issuer
		f.Usage.Routes[1].Callers = append(f.Usage.Routes[1].Callers,
			adminapi.Caller{Issuer: "https://login.example.org", ClientID: id, Scopes: "orders.read", Times: uint64(7 + i), Last: *in(-time.Duration(i+1) * time.Hour)})
	}
	f.Callers = func(string) []RouteAccess {
		one, other, unjudged, foreign := at, at, at, at
		one.Request, one.Clients = "GET https://api.example.com/orders", []ClientAccess{{ClientID: names[1], Allowed: true, Scope: "orders.read", Audience: "orders-api", Conditions: []string{"with a DPoP proof"}}}
		other.Request, other.Clients = "POST https://api.example.com/orders", []ClientAccess{{ClientID: names[1], Reason: "missing_scope", Cause: "it lacks orders.write", By: "Caddyfile:27"}}
		unjudged.Clients = []ClientAccess{{ClientID: names[2], Reason: Unjudged, Cause: "no request is found that takes the route"}}
		foreign.Issuer, foreign.Holders = "https://login.example.org", &ClientAccess{Allowed: true, Scope: "orders.read", Audience: "orders-api"}
		return []RouteAccess{one, other, unjudged, foreign}
	}
	return f
}
