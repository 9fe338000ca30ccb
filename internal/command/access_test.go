package command

import (
	"slices"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// The exit code is about routes, of which one may accept tokens of several issuers.
func TestDeniedIsAboutRoutes(t *testing.T) {
	may, mayNot := []adminapi.ClientAccess{{ClientID: "a", Allowed: true}}, []adminapi.ClientAccess{{ClientID: "a"}}
	for _, row := range []struct {
		name   string
		routes []adminapi.RouteAccess
		want   string
	}{
		{"it can", []adminapi.RouteAccess{{Route: "x:1", Clients: may}}, ""},
		{"it cannot", []adminapi.RouteAccess{{Route: "x:1", Clients: may}, {Route: "x:2", Clients: mayNot}}, "a cannot reach 1 of 2 routes"},
		{"with a token of one issuer", []adminapi.RouteAccess{{Route: "x:1", Issuer: "i", Clients: may}, {Route: "x:1", Issuer: "j", Clients: mayNot}}, ""},
		{"another's clients alone", []adminapi.RouteAccess{{Route: "x:1", Clients: may}, {Route: "x:2", Unknown: true}}, "a cannot reach 1 of 2 routes"},
		{"only reported", []adminapi.RouteAccess{{Route: "x:1", ReportOnly: true, Clients: mayNot}}, ""},
		{"no route", nil, "no route has a verify"},
	} {
		got := ""
		if err := denied(&adminapi.Access{Routes: row.routes}, "a"); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// What is reached without a token is known by its route, which is any request, one that
// an error leads to, or one that matches.
func TestUnguarded(t *testing.T) {
	const config = `{"apps": {"http": {"servers": {"s": {
		"routes": [
			{"handle": [{"handler": "file_server", "root": "/srv", "pass_thru": true}]},
			{"match": [{"host": ["a.example"], "path": ["/a*"], "method": ["PUT"]}], "handle": [{"handler": "verify"}, {"handler": "reverse_proxy", "upstreams": [{"dial": "up:1"}]}]},
			{"match": [{"host": ["a.example"], "path": ["/b*"]}], "handle": [{"handler": "verify", "allow_preflight": true}, {"handler": "reverse_proxy", "upstreams": [{"dial": "up:2"}]}]}],
		"errors": {"routes": [{"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": "up:3"}]}]}]}
	}}}}}`
	found, err := unguarded([]byte(config))
	var got []string
	for _, u := range found {
		got = append(got, u.String())
	}
	want := []string{
		"without a token: file_server /srv", "without a token: reverse_proxy up:2 at a.example/b*, where no verify before it matches",
		"without a token: reverse_proxy up:3 after an error",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, want %q (%v)", got, want, err)
	}
}
