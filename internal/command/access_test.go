package command

import (
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
		{"it can", []adminapi.RouteAccess{{Source: "x:1", Clients: may}}, ""},
		{"it cannot", []adminapi.RouteAccess{{Source: "x:1", Clients: may}, {Source: "x:2", Clients: mayNot}}, "a cannot reach 1 of 2 routes"},
		{"with a token of one issuer", []adminapi.RouteAccess{{Source: "x:1", Issuer: "i", Clients: may}, {Source: "x:1", Issuer: "j", Clients: mayNot}}, ""},
		{"another's clients alone", []adminapi.RouteAccess{{Source: "x:1", Clients: may}, {Source: "x:2", Unknown: true}}, "a cannot reach 1 of 2 routes"},
		{"only reported", []adminapi.RouteAccess{{Source: "x:1", ReportOnly: true, Clients: mayNot}}, ""},
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
