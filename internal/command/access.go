package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/adminendpoint"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// accessCommand shows which Application can reach which route.
func accessCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "access [--client <client_id>] [--route <route>] [--denied] [--offline] [--config <file>] [--json]",
		Short: "Shows which Application can reach which route, before any request is made",
		Long: `
Shows for every verify which Applications can get a token that it lets through, the
least scope to ask for, and what else must hold: that the token is bound, or what an
expression says of the request. The answer is that of the token endpoint and of verify
themselves, for a token with all that the Application is granted.

A route is host, path, method and further matchers. Its file and line stand beside it.

It knows the Applications of this server. Which clients a trusted issuer has is not
known here. Without --client and --route it also shows which reverse_proxy and
file_server are reached without a token, as far as routes and their matchers say.

--client shows one Application, with why it cannot reach the other routes; --denied
shows that for all. --route shows one route as it is shown here, the verify of a source
(Caddyfile:12 or :12), or what a request can reach, as far as matchers say: /orders/1,
api.example.com/orders/1, or "POST api.example.com/orders/1".

A running Caddy is asked, unless --offline is given: then the configuration is read
here, and not started. Keep its output beside the configuration, and a review shows
whom a change lets in.`,
		Example: "  caddy tokenidp access --client orders-worker --route /orders",
	}, command{
		exits: exitCodes{
			yes: "who can reach what is shown; with --client: it can reach every route shown",
			no:  "with --client: it cannot reach one of them",
		},
		noArguments: "name an Application with --client",
		run:         runAccess,
	})
	cmd.Flags().String("client", "", "Show this Application alone")
	cmd.Flags().String("route", "", routeUsage)
	cmd.Flags().Bool("denied", false, "Show also who cannot, and why")
	cmd.Flags().Bool("offline", false, "Answer by the configuration, without a running Caddy")
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file: with --offline, to answer by; else to take the admin address from"
	return cmd
}

func runAccess(c *call) error {
	report, err := findAccess(c)
	if err != nil {
		return err
	}
	client := c.String("client")
	err = c.show(report, func(t *table) { tabulateAccess(t, report, client != "" || c.Bool("denied")) })
	if err == nil && client != "" {
		err = denied(report, client)
	}
	return err
}

func findAccess(c *call) (*adminapi.Access, error) {
	ask := accessRunning
	if c.Bool("offline") {
		ask = accessConfigured
	}
	report, config, err := ask(c)
	if err != nil {
		return nil, err
	}
	if c.String("route")+c.String("client") == "" {
		report.Unguarded, err = unguarded(config)
		return report, err
	}
	report.Routes, err = routesFor(report.Routes, func(r adminapi.RouteAccess) (id, source string) { return r.Route, r.Source }, c.String("route"), config)
	return report, err
}

// unguarded returns the handlers that requests reach without a token.
func unguarded(config []byte) (found []adminapi.Unguarded, err error) {
	routes, err := route.Read(config)
	if err != nil {
		return nil, err
	}
	for _, r := range routes.Unverified() {
		found = append(found, adminapi.Unguarded{At: r.ID, Handler: r.Handler.String(), Conditional: r.Guard == route.Conditional})
	}
	return found, nil
}

// accessRunning asks a running Caddy. The configuration is what that runs.
func accessRunning(c *call) (*adminapi.Access, []byte, error) {
	client, err := c.admin()
	if err != nil {
		return nil, nil, err
	}
	report, err := client.Access(context.Background(), c.String("client"))
	if err != nil {
		return nil, nil, err
	}
	config, err := client.Config(context.Background())
	return report, config, err
}

func accessConfigured(c *call) (*adminapi.Access, []byte, error) {
	config, err := c.config()
	if err != nil {
		return nil, nil, err
	}
	report, err := adminendpoint.AccessOffline(config, c.String("client"))
	return report, config, err
}

// denied is an error unless the Application can reach all that is shown, each with a
// token of some issuer.
func denied(r *adminapi.Access, client string) error {
	reached := make(map[string]bool) // by the route
	for _, route := range r.Routes {
		reached[route.Route] = reached[route.Route] || route.ReportOnly || slices.ContainsFunc(route.Clients, func(c adminapi.ClientAccess) bool { return c.Allowed })
	}
	denied := 0
	for _, ok := range reached {
		if !ok {
			denied++
		}
	}
	switch {
	case denied > 0:
		return answerNo("%s cannot reach %d of %d routes", client, denied, len(reached))
	case len(reached) == 0:
		return answerNo("no route has a verify")
	}
	return nil
}

func tabulateAccess(t *table, r *adminapi.Access, denied bool) {
	for _, route := range r.Routes {
		tabulateRouteAccess(t, route, denied)
	}
	if len(r.Routes) == 0 {
		t.row("no route has a verify")
	}
	for _, client := range r.Nowhere {
		t.row(client + " reaches no route of this server")
	}
	for _, u := range r.Unguarded {
		t.row(u.String())
	}
}

func tabulateRouteAccess(t *table, r adminapi.RouteAccess, denied bool) {
	title := fmt.Sprintf("%s: %s, with a token of %s", titleOf(r.Route, r.Source), r.RequiredScopes, r.Issuer)
	switch {
	case r.ReportOnly:
		title += " (it only reports, and lets everybody through)"
	case r.Conditional:
		title += " (where it matches; it lets other requests through)"
	}
	t.row(title)
	if r.Unknown && len(r.Clients) == 0 {
		t.row("  its clients", "who they are is not known here")
		return
	}
	allowed := 0
	for _, c := range r.Clients {
		switch {
		case c.Allowed:
			allowed++
			t.row("  "+c.ClientID, strings.Join(append([]string{"scope=" + c.Scope}, c.Conditions...), ", "))
		case denied:
			t.row("  "+c.ClientID, "NO: "+c.Reason+": "+c.Cause)
		}
	}
	if allowed == 0 && !denied {
		t.row("  nobody")
	}
}
