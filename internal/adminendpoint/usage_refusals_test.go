package adminendpoint

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// TestRefusalsByReason come from routes and from the token endpoint, the most frequent
// first, by hour and day.
func TestRefusalsByReason(t *testing.T) {
	app, client := administered(t, map[string]string{"https://idp.example.com": usedApplications}, `{"handler": "verify", "scopes": ["orders.read"]}`)
	route := app.VerifyRoutes()[0].ID
	for kind, times := range map[usage.Kind]int{usage.RouteRefusals: 1, usage.RouteReports: 2, usage.TokenRefusals: 3} {
		k := usage.Key{Kind: kind, Name: route, Detail: "expired"}
		if kind == usage.TokenRefusals {
			k = usage.Key{Kind: kind, Issuer: "https://idp.example.com", Detail: "wrong_secret"}
		}
		for range times {
			app.Usage().CountHourly(k)
		}
	}
	u, err := client.Usage(t.Context(), adminapi.UsageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range u.Refusals {
		if len(r.ByHour) != 1 || len(r.ByDay) != 1 || r.ByHour[0].Refusals != r.Times || r.ByDay[0].Refusals != r.Times || r.LastDay != r.Times || r.Last.IsZero() {
			t.Errorf("%+v", r)
		}
		got = append(got, fmt.Sprint(r.At, " ", r.Route, r.Issuer, " ", r.Reason, " ", r.ReportOnly, " ", r.Times))
	}
	want := []string{"token https://idp.example.com wrong_secret false 3", "verify " + route + " expired true 2", "verify " + route + " expired false 1"}
	if !slices.Equal(got, want) || u.NotToldApart != 0 {
		t.Errorf("%q, want %q; %d are not told apart", got, want, u.NotToldApart)
	}
	for _, q := range []adminapi.UsageQuery{{ClientID: "worker"}, {Scope: "orders.read"}} {
		if u, err := client.Usage(t.Context(), q); err != nil || len(u.Refusals) != 0 {
			t.Errorf("%+v: %+v, %v", q, u.Refusals, err)
		}
	}
}
