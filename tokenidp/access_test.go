package tokenidp

import "testing"

// The exit code is about routes, of which one may accept tokens of several issuers.
func TestDeniedIsAboutRoutes(t *testing.T) {
	may, mayNot := []clientAccess{{ClientID: "a", Allowed: true}}, []clientAccess{{ClientID: "a"}}
	for _, row := range []struct {
		name   string
		routes []routeAccess
		want   string
	}{
		{"it can", []routeAccess{{Source: "x:1", Clients: may}}, ""},
		{"it cannot", []routeAccess{{Source: "x:1", Clients: may}, {Source: "x:2", Clients: mayNot}}, "a cannot reach 1 of 2 routes"},
		{"with a token of one issuer", []routeAccess{{Source: "x:1", Issuer: "i", Clients: may}, {Source: "x:1", Issuer: "j", Clients: mayNot}}, ""},
		{"another's clients alone", []routeAccess{{Source: "x:1", Clients: may}, {Source: "x:2", Unknown: true}}, "a cannot reach 1 of 2 routes"},
		{"only reported", []routeAccess{{Source: "x:1", ReportOnly: true, Clients: mayNot}}, ""},
		{"no route", nil, "no route has a verify"},
	} {
		got := ""
		if err := (&accessReport{Routes: row.routes}).denied("a"); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestSourcesAreInOrder(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"Caddyfile:9", "Caddyfile:10", -1}, {"Caddyfile:10", "Caddyfile:9", 1}, {"a:2", "b:1", -1}, {"a:1", "a:1", 0}, {"", "a:1", -1},
	} {
		if got := compareSources(row.a, row.b); (got > 0) != (row.want > 0) || (got < 0) != (row.want < 0) {
			t.Errorf("%q and %q: %d", row.a, row.b, got)
		}
	}
}
