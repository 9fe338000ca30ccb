package reach_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

const (
	issuer  = "https://idp.example.com"
	second  = "https://second.example.com"
	trusted = "https://login.example.org/realms/shop"
)

const resources = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]
  - name: stock-api
    scopes: [{name: stock.read}, {name: stock.write}]
applications:
`

const fewApplications = resources + `
  - {client_id: reader, secrets: [{id: "1", file: not-here}], scopes: [orders.read], claims: {tenant: acme, "list": ["a b"]}}
  - {client_id: reader2, secrets: [{id: "1", file: not-here}], scopes: [orders.read], claims: {color: red}}
  - {client_id: worker, secrets: [{id: "1", file: not-here}], scopes: [orders.read, orders.write, stock.read]}
  - {client_id: admin, secrets: [{id: "1", file: not-here}], scopes: [orders.read, orders.admin]}
  - {client_id: bound, secrets: [{id: "1", file: not-here}], scopes: [orders.read], dpop_bound_access_tokens: true}
  - {client_id: certified, tls_client_auth_san_dns: a.example.com, tls_client_certificate_bound_access_tokens: true, scopes: [orders.read]}
  - {client_id: short, secrets: [{id: "1", file: not-here}], scopes: [orders.read], token_lifetime: 5m}
  - {client_id: planner, secrets: [{id: "1", file: not-here}], scopes: [stock.read]}
  - {client_id: retired, active: false, scopes: [orders.read]}
  - {client_id: expired, secrets: [{id: "1", file: not-here, expires: 2020-01-01}], scopes: [orders.read]}
`

const options = `{
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
		}
		issuer https://second.example.com {
			applications second.yaml
		}
		trust https://login.example.org/realms/shop {
			jwks_file not-here.json
			audience orders-api
		}
		dpop_origin https://api.example.com
	}
}
`

const sites = `
api.example.com {
	handle /read* {
		verify orders.read {
			issuer https://idp.example.com https://second.example.com
		}
		reverse_proxy up:1
	}
	handle /chain* {
		@write method POST
		verify orders.read {
			issuer https://idp.example.com
			claim_header X-Client client_id
		}
		verify @write orders.write {
			issuer https://idp.example.com
		}
		@admin token_scope orders.admin
		handle @admin {
			respond 404
		}
		reverse_proxy up:2
	}
	handle /either {
		verify {
			issuer https://idp.example.com
			any_scope orders.write stock.read
		}
		reverse_proxy up:3
	}
	handle /stock {
		verify {
			issuer https://idp.example.com
			audience stock-api
		}
		reverse_proxy up:4
	}
	handle /tenant {
		verify orders.read {
			issuer https://idp.example.com
			claim tenant acme
		}
		reverse_proxy up:5
	}
	handle /mine/* {
		verify orders.read {
			issuer https://idp.example.com
			expression "request.path.startsWith('/mine/' + client_id)"
		}
		reverse_proxy up:6
	}
	handle /bound {
		verify orders.read {
			issuer https://idp.example.com
			sender_constrained dpop mtls
		}
		reverse_proxy up:7
	}
	handle /short {
		verify orders.read {
			issuer https://idp.example.com
			max_lifetime 10m
			max_age 1m
		}
		reverse_proxy up:8
	}
	handle /not-write {
		verify {
			issuer https://idp.example.com
			audience orders-api
			expression "!('orders.write' in scopes)"
		}
		reverse_proxy up:9
	}
	handle /header {
		verify orders.read {
			issuer https://idp.example.com
			claim_header X-Tenant tenant
			claim_header X-List list
		}
		@acme header X-Tenant acme
		handle @acme {
			respond 403
		}
		reverse_proxy up:10
	}
	handle /named {
		verify orders.read {
			issuer https://idp.example.com
		}
		@me vars {http.auth.user.id} reader
		handle @me {
			reverse_proxy up:11
		}
		respond 404
	}
	handle /report {
		verify orders.write {
			issuer https://idp.example.com
			report_only
		}
		reverse_proxy up:12
	}
	handle /present {
		@token header Authorization *
		handle @token {
			verify orders.write {
				issuer https://idp.example.com
			}
			reverse_proxy up:13
		}
		respond 401
	}
	handle /open {
		reverse_proxy up:14
	}
	handle /trusted {
		verify orders.write {
			issuer https://login.example.org/realms/shop
			claim azp billing
			sender_constrained dpop
		}
		reverse_proxy up:15
	}
	respond 404
}
`

func newProbe(t testing.TB, applications, caddyfile string) *probe.Probe {
	t.Helper()
	return probetest.New(t, caddyfile, map[string]string{"applications.yaml": applications, "second.yaml": fewApplications})
}

// told returns an answer in one line: the classes of the first issuer, and the trusted
// issuer.
func told(a *reach.Answer) string {
	all := []string{}
	switch {
	case a.Open():
		return "open"
	case a.ReportOnly():
		all = append(all, "report only")
	}
	for _, c := range a.Classes {
		if c.Issuer == second {
			continue
		}
		text := strings.Join(slices.Collect(c.Clients()), ",")
		if c.Holders {
			text = "holders"
		}
		switch {
		case c.AnyScope:
			text += ": any"
		case c.Allowed:
			text += ": " + strings.Join(c.Scope, " ")
		default:
			text += ": NO " + c.Reason + strings.Join(append([]string{""}, c.Missing...), " -")
		}
		all = append(all, strings.Join(append([]string{text}, c.Conditions...), ", "))
	}
	return strings.Join(all, "; ")
}

func TestAsk(t *testing.T) {
	m := reach.New(newProbe(t, fewApplications, options+sites))
	for _, row := range []struct {
		request string
		assume  tokenidp.Assumption
		want    string
	}{
		{"GET /read", 0, "admin,reader,reader2,short,worker: orders.read; bound: orders.read, with a DPoP proof; certified: orders.read, over a connection with its certificate; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"POST /chain", 0, "worker: orders.read orders.write; admin,bound,certified,reader,reader2,short: NO missing_scope -orders.write; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /chain", 0, "admin,reader,reader2,short,worker: orders.read; bound: orders.read, with a DPoP proof; certified: orders.read, over a connection with its certificate; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /either", 0, "planner: stock.read; worker: orders.write; admin,bound,certified,reader,reader2,short: NO missing_scope -orders.write -stock.read; expired: NO expired_secret; retired: NO inactive_client"},
		{"GET /stock", 0, "planner,worker: any; admin,bound,certified,reader,reader2,short: NO missing_scope; expired: NO expired_secret; retired: NO inactive_client"},
		{"GET /tenant", 0, "reader: orders.read; admin,bound,certified,reader2,short,worker: NO claim_not_accepted; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /mine/reader", 0, "reader: orders.read; admin,bound,certified,reader2,short,worker: NO expression_refused; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /mine/reader", tokenidp.AssumeAboutRequest, "admin,reader,reader2,short,worker: orders.read, where request.path.startsWith('/mine/' + client_id); bound: orders.read, with a DPoP proof, where request.path.startsWith('/mine/' + client_id); certified: orders.read, over a connection with its certificate, where request.path.startsWith('/mine/' + client_id); expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /bound", 0, "admin,bound,reader,reader2,short,worker: orders.read, with a DPoP proof; certified: orders.read, over a connection with its certificate; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /short", 0, "short: orders.read, with a token not older than 1m0s; admin,bound,certified,reader,reader2,worker: NO lives_too_long; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /not-write", 0, "admin,reader,reader2,short,worker: any; bound: any, with a DPoP proof; certified: any, over a connection with its certificate; expired: NO expired_secret; planner: NO missing_scope; retired: NO inactive_client"},
		{"GET /header", 0, "admin,reader2,short,worker: orders.read; bound: orders.read, with a DPoP proof; certified: orders.read, over a connection with its certificate; expired: NO expired_secret; planner: NO missing_scope -orders.read; reader: NO malformed_claims; retired: NO inactive_client"},
		{"GET /named", 0, "reader: orders.read; admin,bound,certified,reader2,short,worker: NO answered; expired: NO expired_secret; planner: NO missing_scope -orders.read; retired: NO inactive_client"},
		{"GET /report", 0, "report only; worker: orders.write; admin,bound,certified,reader,reader2,short: NO missing_scope -orders.write; expired: NO expired_secret; planner: NO missing_scope -orders.write; retired: NO inactive_client"},
		{"GET /present", 0, "worker: orders.write; admin,bound,certified,reader,reader2,short: NO missing_scope -orders.write; expired: NO expired_secret; planner: NO missing_scope -orders.write; retired: NO inactive_client"},
		{"GET /open", 0, "open"},
		{"GET /trusted", 0, "admin,bound,certified,planner,reader,reader2,short,worker: NO unknown_issuer; expired: NO expired_secret; retired: NO inactive_client; holders: orders.write, with the claim azp=[\"billing\"], with a DPoP proof"},
		{"GET /nothing", 0, ""},
	} {
		method, path, _ := strings.Cut(row.request, " ")
		a, err := m.Ask(t.Context(), probe.Request{Method: method, URL: "https://api.example.com" + path, Assume: row.assume})
		if err != nil {
			t.Errorf("%s: %v", row.request, err)
			continue
		}
		if got := strings.TrimSuffix(told(a), "; holders: NO unknown_issuer"); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.request, got, row.want)
		}
	}
}

// Few Applications are judged, even if there are many with different grants.
func TestFewAreJudged(t *testing.T) {
	const applications, routes = 1000, 50
	var yaml, site strings.Builder
	yaml.WriteString("resources:\n")
	for i := range routes {
		fmt.Fprintf(&yaml, "  - {name: api%d, scopes: [{name: read%[1]d}, {name: write%[1]d}]}\n", i)
		fmt.Fprintf(&site, "\thandle /%d/* {\n\t\tverify read%[1]d {\n\t\t\tissuer %s\n\t\t\tclaim_header X-Client client_id\n\t\t}\n\t\treverse_proxy up:1\n\t}\n", i, issuer)
	}
	yaml.WriteString("applications:\n")
	for i := range applications {
		fmt.Fprintf(&yaml, "  - {client_id: a%d, secrets: [{id: \"1\", file: not-here}], scopes: [read%d, write%d, read%d], claims: {own: %[1]d}, token_lifetime: %[5]ds}\n",
			i, i%routes, i/7%routes, (i%routes+1+i/routes%(routes-2))%routes, 60+i)
	}
	m := reach.New(newProbe(t, yaml.String(), options+"api.example.com {\n"+site.String()+"}\n"))
	for i := range routes {
		a, err := m.Ask(t.Context(), probe.Request{Method: "GET", URL: fmt.Sprintf("https://api.example.com/%d/x", i)})
		if err != nil {
			t.Fatal(err)
		}
		allowed := 0
		for _, c := range a.Classes {
			if c.Issuer == issuer && c.Allowed {
				allowed += c.Len()
			}
		}
		if allowed < 2*applications/routes-2 {
			t.Errorf("route %d: %d Applications get through", i, allowed)
		}
	}
	if asked := m.Asked(); asked > 4*routes {
		t.Errorf("%d verdicts were asked for, of %d Applications and %d routes", asked, applications, routes)
	}
}

// For any Applications, each answer equals that of its own requests.
func TestClassesAreRight(t *testing.T) {
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := newProbe(t, manyApplications(random, 30), options+sites)
		m := reach.New(p)
		for _, path := range []string{"/read", "/chain", "/either", "/stock", "/tenant", "/mine/a1", "/bound", "/short", "/not-write", "/header", "/named", "/report", "/present", "/open", "/nothing", "/trusted"} {
			for _, method := range []string{"GET", "POST"} {
				r := probe.Request{Method: method, URL: "https://api.example.com" + path}
				a, err := m.Ask(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if a.Open() || a.First == nil {
					continue
				}
				checkEach(t, p, r, a)
			}
		}
	}
}

func checkEach(t *testing.T, p *probe.Probe, r probe.Request, a *reach.Answer) {
	t.Helper()
	for _, one := range p.Applications()[issuer].Applications() {
		c := a.Of(issuer, one.ClientID)
		if c == nil {
			t.Fatalf("%s: %s has no class", r, one.ClientID)
		}
		scopes := [][]string{c.ScopeOf(one.ClientID)}
		if !c.Allowed {
			scopes = subsets(one.Scopes)
		}
		got := ""
		for _, asked := range scopes {
			for _, b := range []probe.Binding{probe.Unbound, probe.ByDPoP} {
				token, err := p.Grant(issuer, one.ClientID, asked, b)
				if err != nil {
					continue
				}
				v, err := p.AskWith(r, token)
				if err != nil {
					t.Fatal(err)
				}
				if v.Allowed && len(v.Reported) == 0 {
					got = fmt.Sprint(asked)
				}
			}
		}
		if c.Allowed != (got != "") {
			t.Errorf("%s: %s is told %t %s %s, and gets through with %q", r, one.ClientID, c.Allowed, c.Reason, c.Cause, got)
		}
	}
}

// subsets returns all subsets of a few scopes.
func subsets(scopes []string) (all [][]string) {
	for bits := 1; bits < 1<<len(scopes); bits++ {
		var one []string
		for i, scope := range scopes {
			if bits>>i&1 == 1 {
				one = append(one, scope)
			}
		}
		all = append(all, one)
	}
	return all
}

func manyApplications(random *rand.Rand, n int) string {
	var b strings.Builder
	b.WriteString(resources)
	for i := range n {
		var scopes []string
		for _, scope := range []string{"orders.read", "orders.write", "orders.admin", "stock.read", "stock.write"} {
			if random.IntN(2) == 0 {
				scopes = append(scopes, scope)
			}
		}
		if len(scopes) == 0 {
			scopes = []string{"stock.write"}
		}
		fmt.Fprintf(&b, "  - client_id: a%d\n    scopes: [%s]\n", i, strings.Join(scopes, ", "))
		if random.IntN(4) == 0 {
			b.WriteString("    tls_client_auth_san_dns: a.example.com\n    tls_client_certificate_bound_access_tokens: true\n")
		} else {
			fmt.Fprintf(&b, "    secrets: [{id: \"1\", file: not-here%s}]\n", []string{"", ", expires: 2020-01-01", "", ""}[random.IntN(4)])
		}
		certified := strings.HasSuffix(b.String(), "certificate_bound_access_tokens: true\n")
		b.WriteString([]string{"", dpopUnless(certified), "", "    active: false\n", "    token_lifetime: 5m\n", ""}[random.IntN(6)])
		b.WriteString([]string{"", "    claims: {tenant: acme}\n", "    claims: {tenant: other, list: [\"a b\"]}\n", fmt.Sprintf("    claims: {own: x%d}\n", i)}[random.IntN(4)])
	}
	return b.String()
}

func dpopUnless(certified bool) string {
	if certified {
		return ""
	}
	return "    dpop_bound_access_tokens: true\n"
}

// An answer that is not needed any more has no end.
func TestAskEndsWithItsContext(t *testing.T) {
	p := newProbe(t, fewApplications, options+sites)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a, err := reach.New(p).Ask(ctx, probe.Request{Method: "GET", URL: "https://api.example.com/read"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", a, err)
	}
}
