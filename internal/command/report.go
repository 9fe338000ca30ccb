package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// reportCommand tells whom enforcement would hit.
func reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report [--json]",
		Short: "Tells whom the routes with report_only would refuse, why, and how often",
		Long: `
Tells, for each route whose verify has report_only, which Applications would be
refused if it enforced, with which reasons, how often and since when. If nobody
would be, the exit code is 0, otherwise 1. Each server counts for itself, since
the route was first loaded; a reload keeps the counts.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(cmdReport),
	}
	asksAdmin(cmd)
	return cmd
}

var errWouldRefuse = errors.New("some requests would be refused; `caddy tokenidp report` explains each, and docs/troubleshooting.md each reason")

func cmdReport(fl caddycmd.Flags) (int, error) {
	all, err := showAdmin(fl, "/tokenidp/report", printReport)
	for _, route := range all {
		if err == nil && len(route.WouldRefuse) > 0 {
			err = errWouldRefuse
		}
	}
	return exit(err)
}

func printReport(all []adminapi.RouteReport) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	if len(all) == 0 {
		fmt.Fprintln(out, "no route has report_only")
	}
	for _, route := range all {
		fmt.Fprintf(out, "%s: %d passed since %s\n", route.Route, route.Passed, day(&route.Since))
		if len(route.WouldRefuse) == 0 {
			fmt.Fprintln(out, "nobody would be refused")
			continue
		}
		fmt.Fprintln(out, "APPLICATION\tREASON\tTIMES\tFIRST\tLAST\tLAST REQUEST")
		for _, g := range route.WouldRefuse {
			fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%s\t%s %s from %s\n", cmp.Or(g.ClientID, "(no valid token)"), g.Reason, g.Times, day(&g.First), day(&g.Last), g.Method, g.Path, g.ClientIP)
		}
		if route.Others > 0 {
			fmt.Fprintf(out, "(others)\t\t%d\n", route.Others)
		}
	}
	return out.Flush()
}
