package command

import (
	"cmp"
	"fmt"
	"os"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// trustedCommand lists the trusted issuers of a running Caddy.
func trustedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trusted [--json]",
		Short: "Lists the trusted issuers, and how their keys are",
		Long: `
Lists the issuers elsewhere that a running Caddy trusts: how many keys of each it
has, when the issuer last confirmed them, and what is wrong where they cannot be
read.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(cmdTrusted),
	}
	asksAdmin(cmd)
	return cmd
}

func cmdTrusted(fl caddycmd.Flags) (int, error) {
	_, err := showAdmin(fl, "/tokenidp/trusted", printTrusted)
	return exit(err)
}

func printTrusted(all []adminapi.TrustedIssuer) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "ISSUER\tKEYS\tCONFIRMED\tNEXT FETCH\tFROM\tSTATE")
	for _, t := range all {
		fmt.Fprintf(out, "%s\t%d\t%s\t%s\t%s\t%s\n", t.Issuer, t.Keys, day(t.LastSuccess), day(t.NextFetch), cmp.Or(t.From, "-"), t.Described())
	}
	return out.Flush()
}
