package tokenidp

import (
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// A verify is found by its handler. In a module that is not known here it is found by its
// source, and where nothing is known of the routes, it is known by that alone.
func TestFindVerifies(t *testing.T) {
	const config = `{"servers": {"s": {"listen": [":443"], "routes": [
		{"match": [{"path": ["/a"]}], "handle": [{"handler": "verify", "source": "Caddyfile:2"}]},
		{"match": [{"path": ["/b"]}], "handle": [{"handler": "invoke", "name": "n"}]},
		{"match": [{"path": ["/c"]}], "handle": [{"handler": "invoke", "name": "n"}]},
		{"match": [{"path": ["/d"]}], "handle": [{"handler": "other", "verify": {"handler": "verify", "source": "Caddyfile:9"}}]}],
		"named_routes": {"n": {"handle": [{"handler": "verify", "source": "Caddyfile:5"}]}, "unused": {"handle": [{"handler": "verify", "source": "Caddyfile:7"}]}}}}}`
	at := func(source string) *Verify { return &Verify{Source: source, verifyWorker: new(verifyWorker)} }
	first, named, unused, other := at("Caddyfile:2"), at("Caddyfile:5"), at("Caddyfile:7"), at("Caddyfile:9")
	known, err := route.ReadApp([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		config *route.Config
		want   []string
	}{
		"read":     {known, []string{":443/a Caddyfile:2", ":443/b Caddyfile:5", ":443/c Caddyfile:5", ":443/d Caddyfile:9"}},
		"not read": {new(route.Config), []string{"Caddyfile:2 Caddyfile:2", "Caddyfile:5 Caddyfile:5", "Caddyfile:7 Caddyfile:7", "Caddyfile:9 Caddyfile:9"}},
	} {
		a := &App{routes: []*Verify{first, named, unused, other}}
		if err := a.setRoutes(t.Context(), row.config, func() {
			for i, h := range row.config.VerifyHandlers() {
				if h.Source != "Caddyfile:9" {
					h.SetModule([]*Verify{first, nil, named, unused}[i])
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range a.verifyRoutes() {
			got = append(got, r.ID+" "+r.Verify.Source)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// Where nothing is known of the routes, each source is counted.
func TestRoutesAreCountedBySource(t *testing.T) {
	a := &App{usage: usage.New(&certmagic.FileStorage{Path: t.TempDir()}, "usage", usage.Options{})}
	if err := a.setRoutes(t.Context(), new(route.Config), func() {}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	for _, source := range []string{"Caddyfile:2", "Caddyfile:5", "Caddyfile:5"} {
		v := &Verify{Source: source, ReportOnly: true, verifyWorker: &verifyWorker{app: a, recorder: recorder{usage: a.usage}}}
		v.recorded = v.recordedRoutes
		a.routes = append(a.routes, v)
	}
	for _, v := range a.routes {
		v.countRefused(usage.Reported, v.recordedRoute(r), r, nil, verifier.NoToken)
	}
	reports := a.Reports(false)
	if len(reports) != 3 || reports[0].WouldRefuse[0].Times != 1 || reports[1].WouldRefuse[0].Times != 2 || reports[2].WouldRefuse[0].Times != 2 {
		t.Errorf("%+v", reports)
	}
}
