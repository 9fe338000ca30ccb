package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// accessCommand shows who can reach what.
func accessCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "access [--request <method and URL>] [--client <client_id>] [--route <route>] [--denied] [--fail-on-open] [--offline] [--config <file>] [--json|--markdown|--mermaid]",
		Short: "Shows who can reach what, before any request is made",
		Long: `
Shows for every route to a verify which Applications get through, the least scope to ask
for, and what else must hold: that the token is bound, or what an expression says of the
request. It also shows which handlers are reached without a token.

Caddy's own router answers, for example requests of each route, with tokens as /token
issues them. Nothing is sent, and no handler runs.

A route is host, path, method and further matchers. Its file and line stand beside it.

It knows the Applications of this server. Which clients a trusted issuer has is not
known here: it shows what their tokens must have.

--request shows who gets through with this request. --client shows one Application, with
why it cannot reach the other routes; --denied shows that for all. --route shows one route
as it is shown here, the verify of a source (Caddyfile:12 or :12), or what a request can
reach, as far as matchers say: /orders/1, api.example.com/orders/1, or
"POST api.example.com/orders/1".

A running Caddy is asked, unless --offline or --config is given: then the configuration is
read here, and not started. Keep its output beside the configuration, and a review shows
whom a change lets in.`,
		Example: `  caddy tokenidp access --client orders-worker --route /orders
  caddy tokenidp access --request "POST https://api.example.com/orders/1"
  caddy tokenidp access --config Caddyfile --fail-on-open --markdown`,
	}, command{
		exits: exitCodes{
			yes: "who can reach what is shown; with --client: it can reach all that is shown",
			no:  "with --client: it cannot reach some of it; with --fail-on-open: something is reached without a token",
		},
		noArguments: "name an Application with --client",
		run:         runAccess,
	})
	cmd.Flags().String("client", "", "Show this Application alone")
	cmd.Flags().String("route", "", routeUsage)
	cmd.Flags().String("request", "", `Show who gets through with this request, such as "GET https://api.example.com/orders/1"`)
	cmd.Flags().Bool("denied", false, "Show also who cannot, and why")
	cmd.Flags().Bool("fail-on-open", false, "Exit with 1 if a handler is reached without a token")
	cmd.Flags().Bool("offline", false, "Answer by the configuration, without a running Caddy")
	asksAdmin(cmd)
	cmd.Flags().Bool("markdown", false, "Print a table in Markdown")
	cmd.Flags().Bool("mermaid", false, "Print a diagram in Mermaid's language")
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file to answer by, without a running Caddy (default with --offline: Caddyfile here)"
	cmd.MarkFlagsMutuallyExclusive("json", "markdown", "mermaid")
	cmd.MarkFlagsMutuallyExclusive("request", "route")
	return cmd
}

func runAccess(c *call) error {
	offline := c.Bool("offline") || c.String("config") != "" && c.String("address") == ""
	p, err := c.probe(!offline)
	if err != nil {
		return err
	}
	defer p.Close()
	q := accessQuery{client: c.String("client"), denied: c.Bool("denied") || c.String("client") != ""}
	if err := q.check(p); err != nil {
		return err
	}
	report, err := findAccess(c, p, q)
	if err != nil {
		return err
	}
	if err := c.showAccess(report); err != nil {
		return err
	}
	switch {
	case c.Bool("fail-on-open") && len(report.open()) > 0:
		return answerNo("%d handlers are reached without a token", len(report.open()))
	case q.client != "":
		return report.deniedTo(q.client)
	}
	return nil
}

func findAccess(c *call, p *probe.Probe, q accessQuery) (*accessReport, error) {
	if text := c.String("request"); text != "" {
		request, err := probe.ParseRequest(text)
		if err != nil {
			return nil, fmt.Errorf("--request: %w", err)
		}
		return q.ofRequest(p, request)
	}
	var named map[string]bool // the IDs of the routes; nil: all
	if asked := c.String("route"); asked != "" {
		var err error
		if named, err = selectRoutes(p.Routes(), asked); err != nil {
			return nil, err
		}
	}
	return q.ofRoutes(p, named)
}

// showAccess prints the report in the requested form.
func (c *call) showAccess(r *accessReport) error {
	switch {
	case c.Bool("json"):
		return c.out.accessJSON(r)
	case c.Bool("markdown"):
		return c.out.lines(r.markdown())
	case c.Bool("mermaid"):
		return c.out.lines(r.mermaid())
	}
	return c.out.access(r)
}

func words(all []string) string { return strings.Join(all, " ") }
