package reachdiff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/probe/probetest"
	"github.com/tokenidp/caddy-tokenidp/internal/reachdiff"
)

const applications = `
resources:
  - name: orders-api
    scopes: [{name: orders.read}, {name: orders.write}]
  - name: stock-api
    scopes: [{name: stock.read}]
applications:
  - {client_id: reader, secrets: [{id: "1", file: not-here}], scopes: [orders.read]}
  - {client_id: reader2, secrets: [{id: "1", file: not-here}], scopes: [orders.read]}
  - {client_id: worker, secrets: [{id: "1", file: not-here}], scopes: [orders.read, orders.write]}
  - {client_id: planner, secrets: [{id: "1", file: not-here}], scopes: [stock.read]}
`

const options = `{
	tokenidp {
		issuer https://idp.example.com {
			applications applications.yaml
		}
		trust https://login.example.org {
			jwks_file not-here.json
			audience orders-api
		}
	}
}
`

// site returns a site with the given directives at /orders*.
func site(orders string) string {
	return "api.example.com {\nhandle /orders* {\n" + orders + "\n}\nhandle {\nrespond 404\n}\n}\n"
}

const (
	local    = "{\nissuer https://idp.example.com\n}\n"
	guarded  = "verify orders.read " + local + "reverse_proxy up:1"
	twoRules = "@write not method GET HEAD\nverify orders.read " + local + "verify @write orders.write " + local + "reverse_proxy up:1"
)

func newProbe(t testing.TB, caddyfile, applications string) *probe.Probe {
	t.Helper()
	return probetest.New(t, caddyfile, map[string]string{"applications.yaml": applications})
}

// describe returns one line for each difference.
func describe(r *reachdiff.Report) (all []string) {
	for _, d := range r.Differences {
		who := "anybody"
		if d.Issuer != "" {
			who = strings.Join(d.Clients, ",")
		}
		if d.Issuer != "" && len(d.Clients) == 0 {
			who = d.Issuer
		}
		text := fmt.Sprintf("%s %s: %s", d.Kind, who, d.Requests[0].Shown())
		if d.NewClients {
			text += " new client"
		}
		if d.GoneClients {
			text += " gone client"
		}
		all = append(all, text)
	}
	return all
}

func TestCompare(t *testing.T) {
	for name, row := range map[string]struct {
		older, newer         string // sites
		olderApps, newerApps string // default: applications
		want                 []string
	}{
		"the same": {site(twoRules), site(twoRules), "", "", nil},
		"a verify is gone": {site(guarded), site("reverse_proxy up:1"), "", "", []string{
			"opened anybody: GET https://api.example.com/orders",
		}},
		"a verify is new": {site("reverse_proxy up:1"), site(guarded), "", "", []string{
			"closed anybody: GET https://api.example.com/orders",
		}},
		"only reports": {site(guarded), site("verify orders.read {\nissuer https://idp.example.com\nreport_only\n}\nreverse_proxy up:1"), "", "", []string{
			"opened anybody: GET https://api.example.com/orders",
		}},
		"the rule for writing is gone": {site(twoRules), site(guarded), "", "", []string{
			"gained reader,reader2: POST https://api.example.com/orders",
		}},
		"the rule for writing has fewer methods": {site(twoRules), site(strings.Replace(twoRules, "not method GET HEAD", "method POST PUT", 1)), "", "", []string{
			"gained reader,reader2: DELETE https://api.example.com/orders",
		}},
		"a longer prefix": {
			"api.example.com {\nhandle /orders/* {\n" + guarded + "\n}\nhandle {\nrespond 404\n}\n}\n", site(guarded), "", "", []string{
				"gained reader,reader2,worker: GET https://api.example.com/orders",
			},
		},
		"a path is left out": {site(guarded), site("@x not path /orders/public\nverify @x orders.read " + local + "reverse_proxy up:1"), "", "", []string{
			"opened anybody: GET https://api.example.com/orders/public",
		}},
		"an exact path": {site(guarded), strings.Replace(site(guarded), "/orders*", "/orders", 1), "", "", []string{
			"lost reader,reader2,worker: GET https://api.example.com/orders/1",
		}},
		"another scope": {site(guarded), site("verify orders.write " + local + "reverse_proxy up:1"), "", "", []string{
			"lost reader,reader2: GET https://api.example.com/orders",
		}},
		"another API": {site(guarded), site("verify stock.read " + local + "reverse_proxy up:1"), "", "", []string{
			"gained planner: GET https://api.example.com/orders", "lost reader,reader2,worker: GET https://api.example.com/orders",
		}},
		"another upstream": {site(guarded), strings.Replace(site(guarded), "up:1", "up:2", 1), "", "", []string{
			"changed reader,reader2,worker: GET https://api.example.com/orders",
		}},
		"another upstream for anybody": {site("reverse_proxy up:1"), site("reverse_proxy up:2"), "", "", []string{
			"changed anybody: GET https://api.example.com/orders",
		}},
		"a claim header": {site(guarded), site("verify orders.read {\nissuer https://idp.example.com\nclaim_header X-Client client_id\n}\nreverse_proxy up:1"), "", "", []string{
			"changed reader,reader2,worker: GET https://api.example.com/orders",
		}},
		"a scope is granted": {site(twoRules), site(twoRules), "", strings.Replace(applications, "scopes: [orders.read]", "scopes: [orders.read, orders.write]", 1), []string{
			"gained reader: POST https://api.example.com/orders",
		}},
		"a new client": {site(guarded), site(guarded), "", applications + "  - {client_id: fresh, secrets: [{id: \"1\", file: x}], scopes: [orders.read]}\n", []string{
			"gained fresh: GET https://api.example.com/orders new client",
		}},
		"a client is gone": {site(guarded), site(guarded), applications + "  - {client_id: fresh, secrets: [{id: \"1\", file: x}], scopes: [orders.read]}\n", "", []string{
			"lost fresh: GET https://api.example.com/orders gone client",
		}},
		"a client is inactive": {site(guarded), site(guarded), "", strings.Replace(applications, "{client_id: reader,", "{client_id: reader, active: false,", 1), []string{
			"lost reader: GET https://api.example.com/orders",
		}},
		"other secrets, another order, comments": {site(guarded), site(guarded), "", "# another\n" + strings.ReplaceAll(strings.Replace(applications, "  - {client_id: planner, secrets: [{id: \"1\", file: not-here}], scopes: [stock.read]}\n", "", 1), `{id: "1", file: not-here}`, `{id: "2", file: other}`) + "  - {client_id: planner, secrets: [{id: \"3\", file: z}], scopes: [stock.read]}\n", nil},
		"a trusted issuer": {site(guarded), site("verify orders.read {\nissuer https://idp.example.com https://login.example.org\n}\nreverse_proxy up:1"), "", "", []string{
			"gained https://login.example.org: GET https://api.example.com/orders",
		}},
		"a trusted issuer, and less is asked": {
			site("verify orders.read invoices.read {\nissuer https://login.example.org\n}\nreverse_proxy up:1"), site("verify orders.read {\nissuer https://login.example.org\n}\nreverse_proxy up:1"), "", "", []string{
				"weakened https://login.example.org: GET https://api.example.com/orders",
			},
		},
		"a trusted issuer, and more is asked": {
			site("verify orders.read {\nissuer https://login.example.org\n}\nreverse_proxy up:1"), site("verify orders.read {\nissuer https://login.example.org\nclaim tenant acme\n}\nreverse_proxy up:1"), "", "", []string{
				"tightened https://login.example.org: GET https://api.example.com/orders",
			},
		},
		"tokens are bound no more": {
			site("verify orders.read {\nissuer https://idp.example.com\nsender_constrained dpop\ndpop_origin https://api.example.com\n}\nreverse_proxy up:1"), site(guarded), "", "", []string{
				"weakened reader,reader2,worker: GET https://api.example.com/orders",
			},
		},
		"an expression about the request": {
			site("verify orders.read {\nissuer https://idp.example.com\nexpression \"request.path == '/orders/' + client_id\"\n}\nreverse_proxy up:1"), site(guarded), "", "", []string{
				"weakened reader,reader2,worker: GET https://api.example.com/orders",
			},
		},
		"a new site": {site(guarded), site(guarded) + "new.example.com {\nreverse_proxy up:9\n}\n", "", "", []string{
			"opened anybody: GET https://new.example.com/",
		}},
		"a site is gone": {site(guarded) + "new.example.com {\nreverse_proxy up:9\n}\n", site(guarded), "", "", []string{
			"closed anybody: GET https://new.example.com/",
		}},
		"another port": {site(guarded), strings.Replace(site(guarded), "api.example.com", "api.example.com:8443", 1), "", "", []string{
			"gained reader,reader2,worker: GET https://api.example.com:8443/orders", "lost reader,reader2,worker: GET https://api.example.com/orders",
		}},
		"in order of danger": {
			site(twoRules) + "b.example.com {\nreverse_proxy up:3\n}\nc.example.com {\n" + guarded + "\n}\nd.example.com {\n" + guarded + "\n}\n",
			site(guarded) + "b.example.com {\nrespond 404\n}\nc.example.com {\nreverse_proxy up:1\n}\nd.example.com {\nverify orders.read {\nissuer https://idp.example.com https://login.example.org\n}\nreverse_proxy up:4\n}\n", "", "", []string{
				"opened anybody: GET https://c.example.com/",
				"gained https://login.example.org: GET https://d.example.com/",
				"gained reader,reader2: POST https://api.example.com/orders",
				"changed reader,reader2,worker: GET https://d.example.com/",
				"closed anybody: GET https://b.example.com/",
			},
		},
		"a snippet":     {site(guarded), "(other) {\n" + guarded + "\n}\n" + site("import other"), "", "", nil},
		"a named route": {site(guarded), "&(other) {\n" + guarded + "\n}\n" + site("invoke other"), "", "", nil},
		"another order of routes": {
			"api.example.com {\nhandle /a* {\n" + guarded + "\n}\nhandle /b* {\nreverse_proxy up:2\n}\n}\n",
			"api.example.com {\nhandle /b* {\nreverse_proxy up:2\n}\nhandle /a* {\n" + guarded + "\n}\n}\n", "", "", nil,
		},
		"another order that matters": {
			"api.example.com {\nroute {\n" + guarded + "\n}\n}\n",
			"api.example.com {\nroute {\nreverse_proxy up:1\nverify orders.read " + local + "}\n}\n", "", "", []string{"opened anybody: GET https://api.example.com/"},
		},
		"behind handle_path": {
			"api.example.com {\nhandle_path /v1/* {\nhandle /orders* {\n" + guarded + "\n}\n}\n}\n",
			"api.example.com {\nhandle_path /v1/* {\nhandle /orders* {\nreverse_proxy up:1\n}\n}\n}\n", "", "", []string{"opened anybody: GET https://api.example.com/v1/orders"},
		},
		"a header": {
			site("@x header X-Internal yes\nhandle @x {\nverify orders.write " + local + "reverse_proxy up:1\n}\nhandle {\nrespond 403\n}"),
			site("@x header X-Internal yes\nhandle @x {\nreverse_proxy up:1\n}\nhandle {\nrespond 403\n}"), "", "",
			[]string{"opened anybody: GET https://api.example.com/orders with X-Internal"},
		},
	} {
		older, newer := newProbe(t, options+row.older, cmpOr(row.olderApps)), newProbe(t, options+row.newer, cmpOr(row.newerApps))
		if got := describe(reachdiff.Compare(older, newer)); !slices.Equal(got, row.want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, row.want)
		}
	}
}

func cmpOr(given string) string {
	if given == "" {
		return applications
	}
	return given
}

// Many Applications with the same grants are one difference.
func TestCompareManyApplications(t *testing.T) {
	var many strings.Builder
	many.WriteString(applications)
	for i := range 300 {
		fmt.Fprintf(&many, "  - {client_id: app-%03d, secrets: [{id: \"1\", file: x}], scopes: [orders.read]}\n", i)
	}
	r := reachdiff.Compare(newProbe(t, options+site(twoRules), many.String()), newProbe(t, options+site(guarded), many.String()))
	if len(r.Differences) != 1 || len(r.Differences[0].Clients) != 302 || r.Asked > 30 {
		t.Errorf("%q, asked %d", describe(r), r.Asked)
	}
}

// The report names a route for which no request is found.
func TestCompareNamesWhatIsUnseen(t *testing.T) {
	odd := site("@x expression `{http.request.header.X} == 'odd'`\nroute {\nreverse_proxy @x up:1\nrespond 404\n}")
	r := reachdiff.Compare(newProbe(t, options+site(guarded), applications), newProbe(t, options+odd, applications))
	if len(r.Unseen) != 1 || !strings.Contains(r.Unseen[0], "reverse_proxy up:1") {
		t.Errorf("%q", r.Unseen)
	}
}
