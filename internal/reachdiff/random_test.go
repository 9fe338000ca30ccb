package reachdiff_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reachdiff"
)

// Compare finds every difference that random requests show. Every difference that it finds
// exists.
func TestCompareAgainstRandomRequests(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	shown, found := 0, 0
	for range 30 {
		blocks := []string{randomBlock(random, 2), randomBlock(random, 2), randomBlock(random, 2)}
		older := siteOf(blocks)
		blocks[random.IntN(len(blocks))] = randomBlock(random, 2)
		newer := siteOf(blocks)
		o := newOracle(t, older, newer)
		r := reachdiff.Compare(o.older, o.newer)
		found += len(r.Differences)
		for _, d := range r.Differences {
			o.confirm(d)
		}
		for range 60 {
			shown += o.search(r, randomRequest(random))
		}
		if t.Failed() {
			t.Fatalf("%q\n--- older\n%s\n--- newer\n%s", describe(r), older, newer)
		}
	}
	if shown < 200 || found < 25 {
		t.Errorf("%d differences shown, %d found", shown, found)
	}
}

var randomClients = []string{"", "reader", "worker", "planner"}

// oracle asks both sides for one caller at a time.
type oracle struct {
	t            *testing.T
	older, newer *probe.Probe
}

func newOracle(t *testing.T, older, newer string) *oracle {
	t.Helper()
	return &oracle{t, newProbe(t, options+older, applications), newProbe(t, options+newer, applications)}
}

func (o *oracle) allowed(p *probe.Probe, r probe.Request, client string) bool {
	o.t.Helper()
	caller := probe.Anonymous()
	if client != "" {
		var err error
		if caller, err = p.Client(client); err != nil {
			o.t.Fatal(err)
		}
	}
	v, err := p.Ask(r, caller)
	return err == nil && v.Allowed
}

// confirm tries the requests of a difference.
func (o *oracle) confirm(d *reachdiff.Difference) {
	o.t.Helper()
	clients := d.Clients
	if d.Issuer == "" {
		clients = []string{""}
	}
	for _, client := range clients {
		for _, r := range d.Requests {
			if o.allowed(o.older, r, client) != d.Before.Allowed || o.allowed(o.newer, r, client) != d.After.Allowed {
				o.t.Errorf("%s of %q is not so: %s", d.Kind, client, r)
			}
		}
	}
}

// search looks for a client whose access to the request differs, but that has no difference
// of that kind.
func (o *oracle) search(r *reachdiff.Report, request probe.Request) (differ int) {
	o.t.Helper()
	for _, client := range randomClients {
		before, after := o.allowed(o.older, request, client), o.allowed(o.newer, request, client)
		if before == after {
			continue
		}
		differ++
		if !slices.ContainsFunc(r.Differences, func(d *reachdiff.Difference) bool {
			return d.Before.Allowed == before && d.After.Allowed == after && (d.Issuer == "" || slices.Contains(d.Clients, client))
		}) {
			o.t.Errorf("%q: %s: %t before, %t after", client, request, before, after)
		}
	}
	return differ
}

func siteOf(blocks []string) string {
	return "api.example.com {\n" + strings.Join(blocks, "") + "handle {\nrespond 404\n}\n}\n"
}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

func randomBlock(random *rand.Rand, depth int) string {
	path := pick(random, "/a*", "/a/*", "/b", "/b/*", "/a/b*", "/c/*/d")
	inner := pick(random, "reverse_proxy up:1\n", "reverse_proxy up:2\n", "respond 403\n")
	if depth > 0 && random.IntN(3) == 0 {
		inner = randomBlock(random, depth-1) + inner
	}
	name, matcher := "", ""
	if kind := random.IntN(4); kind < 3 {
		name = fmt.Sprintf("@m%d ", random.IntN(1_000_000))
		matcher = name + [3]string{
			"method " + pick(random, "GET", "GET HEAD", "POST PUT", "DELETE"),
			"not method " + pick(random, "GET", "GET HEAD", "POST"),
			"not path " + pick(random, "/a", "/a/b*", "/b/1"),
		}[kind] + "\n"
	}
	verify := fmt.Sprintf("verify %s%s %s", name, pick(random, "orders.read", "orders.write", "stock.read"), local)
	if random.IntN(4) == 0 {
		verify, matcher = "", ""
	}
	return fmt.Sprintf("%s %s {\n%s%s%s}\n", pick(random, "handle", "route", "handle_path"), strings.Replace(path, "/c/*/d", "/c/*", 1), matcher, verify, inner)
}

func randomRequest(random *rand.Rand) probe.Request {
	path := pick(random, "/a", "/a/b", "/a/b/1", "/a/1", "/ax", "/b", "/b/1", "/b/a", "/c/1/d", "/c/1", "/", "/a/a", "/b/b/1", "/c/b")
	return probe.Request{Method: pick(random, "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"), URL: "https://api.example.com" + path}
}
