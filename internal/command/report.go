package command

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// reportCommand shows the requests that a verify without report_only would refuse.
func reportCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "report [--route <route>] [--enforced] [--json]",
		Short: "Shows whom the routes with report_only would refuse, why, and how often",
		Long: `
Shows, for each route whose verify has report_only, which Applications would be
refused if it enforced, with which reasons, how often and since when. All servers that
share the storage are counted together, for up to 90 days.

With --enforced, it shows the routes that enforce too, and whom they have refused.

--route shows one route as it is shown here, the verify of a source (Caddyfile:12 or
:12), or what a request can reach, as far as matchers say: /orders/1,
api.example.com/orders/1, or "POST api.example.com/orders/1".`,
	}, command{
		exits: exitCodes{yes: "nobody would be refused", no: "some requests would be"},
		run:   runReport,
	})
	cmd.Flags().String("route", "", routeUsage)
	cmd.Flags().Bool("enforced", false, "Show what the routes that enforce have refused, too")
	asksAdmin(cmd)
	return cmd
}

func runReport(c *call) error {
	client, err := c.admin()
	if err != nil {
		return err
	}
	all, err := reportOf(client, c.String("route"), c.Bool("enforced"))
	if err != nil {
		return err
	}
	if err := c.show(all, func(t *table) { tabulateReport(t, all) }); err != nil {
		return err
	}
	for _, route := range all {
		if len(route.WouldRefuse) > 0 {
			return answerNo("some requests would be refused; `caddy tokenidp report` explains each, and docs/troubleshooting.md each reason")
		}
	}
	return nil
}

// reportOf asks a running Caddy about all routes with report_only, or about the routes that
// an operator names.
func reportOf(client *adminapi.Client, asked string, enforced bool) ([]adminapi.RouteReport, error) {
	all, err := client.Report(context.Background(), enforced)
	if err != nil || asked == "" {
		return all, err
	}
	config, err := client.Config(context.Background())
	if err != nil {
		return nil, err
	}
	return routesFor(all, func(r adminapi.RouteReport) (id, source string) { return r.Route, r.Source }, asked, config)
}

func tabulateReport(t *table, all []adminapi.RouteReport) {
	if len(all) == 0 {
		t.row("no route has report_only")
	}
	for _, route := range all {
		t.row(fmt.Sprintf("%s: %d passed since %s", titleOf(route.Route, route.Source), route.Passed, day(&route.Since)))
		refused, nobody := route.WouldRefuse, "nobody would be refused"
		if route.Enforced {
			refused, nobody = route.Refused, "nobody was refused"
		}
		if len(refused) == 0 {
			t.row(nobody)
			continue
		}
		t.row("APPLICATION", "REASON", "TIMES", "FIRST", "LAST", "LAST REQUEST")
		for _, g := range refused {
			t.row(cmp.Or(g.ClientID, "(no valid token)"), g.Reason, strconv.FormatUint(g.Times, 10), day(&g.First), day(&g.Last),
				fmt.Sprintf("%s %s from %s", g.Method, g.Path, g.ClientIP))
		}
		if route.Others > 0 {
			t.row("(others)", "", strconv.FormatUint(route.Others, 10))
		}
	}
}
