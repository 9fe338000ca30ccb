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

// routes are those of the fixtures, with the scope that each asks for.
var routes = []struct{ id, scope, source string }{
	{"api.example.com/orders* GET,HEAD", "orders.read", "Caddyfile:21"},
	{"api.example.com/orders* POST,PUT", "orders.write", "Caddyfile:26"},
	{"api.example.com/invoices*", "invoices.read", "Caddyfile:31"},
	{"reports.example.com", "reports.read", "Caddyfile:44"},
}

// well is a server with so many Applications where all is in order.
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
				Keys: 4, LastSuccess: in(-12 * time.Minute), NextFetch: in(48 * time.Minute),
			}},
			State: adminapi.StateStatus{Kind: "redis", Synced: true, LastSync: in(-2 * time.Second), Revocations: 12, Identifiers: 3411, Bytes: 1_900_000},
		},
		Keys: []adminapi.IssuerKeys{{Issuer: issuer, Keys: []adminapi.Key{
			{KeyID: "2026-11-28.118204", State: "next", Algorithm: "RS256", CreatedAt: in(-day), SignsFrom: in(31 * time.Hour), RetiresAt: in(92 * day), SignsHere: true},
			{KeyID: "2026-09-30.482910", State: "active", Algorithm: "RS256", SignsFrom: in(-60 * day), RetiresAt: in(31 * time.Hour), DeletesAt: in(33 * time.Hour), SignsHere: true},
			{KeyID: "2026-07-01.731155", State: "retired", Algorithm: "RS256", SignsFrom: in(-150 * day), RetiresAt: in(-60 * day), DeletesAt: in(9 * day)},
		}}},
		Reaches: func(string) []adminapi.RouteAccess { return nil },
		Callers: func(string) []adminapi.RouteAccess { return nil },
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
		f.Routes = append(f.Routes, adminapi.RouteAccess{Route: r.id, Source: r.source, Issuer: issuer, RequiredScopes: adminapi.RequiredScopes{Audience: []string{"orders-api"}, Scopes: []string{r.scope}}})
	}
	f.Reaches = func(id string) []adminapi.RouteAccess { return f.access(func(c string) bool { return c == id }, "") }
	f.Callers = func(route string) []adminapi.RouteAccess {
		return f.access(func(string) bool { return true }, route)
	}
	return f
}

// names are those of the first Applications.
var names = []string{"billing-export", "orders-worker", "warehouse-sync"}

func clientID(i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("worker-%05d", i)
}

// access has every Application reach the routes whose number its own has as a factor.
func (f *Facts) access(client func(string) bool, route string) (all []adminapi.RouteAccess) {
	for j, r := range f.Routes {
		if route != "" && r.Route != route {
			continue
		}
		var clients []adminapi.ClientAccess
		for i, a := range f.Applications {
			if !client(a.ClientID) {
				continue
			}
			c := adminapi.ClientAccess{ClientID: a.ClientID, Reason: "scope_not_granted", Cause: "it has not the scope " + r.Scopes[0]}
			if (i+1)%(j+1) == 0 {
				c = adminapi.ClientAccess{ClientID: a.ClientID, Allowed: true, Scope: r.Scopes[0], Audience: "orders-api"}
			}
			clients = append(clients, c)
		}
		r.Clients = clients
		all = append(all, r)
	}
	return all
}

// wrong is a server where everything is wrong.
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
		{Issuer: "https://accounts.example.com", Keys: 3, Stale: true, LastSuccess: in(-3 * time.Hour), LastError: "503 Service Unavailable"},
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
	return f
}
