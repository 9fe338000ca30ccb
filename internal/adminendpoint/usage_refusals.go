package adminendpoint

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// overTime are the names of the kinds that count refusals by hour and day. Each refusal is
// also counted for its client.
var overTime = []string{usage.RouteRefusals.String(), usage.RouteReports.String(), usage.TokenRefusals.String()}

// reasons returns the refusals by reason. They are not counted by client or scope.
func (c *counts) reasons(q usageQuery) []adminapi.ReasonUsage {
	all := []adminapi.ReasonUsage{}
	if q.clientID != "" || q.scope != "" {
		return all
	}
	for k, v := range c.refusals {
		one := adminapi.ReasonUsage{
			At: adminapi.RefusedByVerify, Route: k.Name, Reason: k.Detail, ReportOnly: k.Kind == usage.RouteReports, Times: positive(v.Count),
			Last: v.LastTime(), LastDay: positive(v.LastDay(c.now)), ByHour: series(v.Hours, usage.Hour, newRefusalCount), ByDay: series(v.Days, usage.Day, newRefusalCount),
		}
		if k.Kind == usage.TokenRefusals {
			one.At = adminapi.RefusedByToken
		}
		if k.Issuer != usage.Others {
			one.Issuer = k.Issuer
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b adminapi.ReasonUsage) int {
		return cmp.Or(-cmp.Compare(a.LastDay, b.LastDay), -cmp.Compare(a.Times, b.Times), strings.Compare(a.At, b.At),
			strings.Compare(a.Reason, b.Reason), strings.Compare(a.Route, b.Route), strings.Compare(a.Issuer, b.Issuer))
	})
	return all
}

func newRefusalCount(from time.Time, n uint64) adminapi.RefusalCount {
	return adminapi.RefusalCount{From: from, Refusals: n}
}
