package tokenidp

import (
	"cmp"
	"fmt"
	"os"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
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

func printTrusted(all []trustedInfo) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "ISSUER\tKEYS\tCONFIRMED\tNEXT FETCH\tFROM\tSTATE")
	for _, t := range all {
		fmt.Fprintf(out, "%s\t%d\t%s\t%s\t%s\t%s\n", t.Issuer, t.Keys, day(t.LastSuccess), day(t.NextFetch), cmp.Or(t.From, "-"), t.state())
	}
	return out.Flush()
}

// state is for people: in order, or what is wrong.
func (t trustedInfo) state() string {
	problem := cmp.Or(t.LastError, t.Warning)
	if len(t.Skipped) > 0 && problem == "" {
		problem = fmt.Sprintf("%d entries are of no use, the first: %s", len(t.Skipped), t.Skipped[0])
	}
	state := "in order"
	switch {
	case t.Expired:
		state = "too old, its tokens are refused"
	case t.Stale && t.Keys > 0:
		state = "out of reach, the last keys serve"
	case t.Keys == 0:
		state = "no keys yet, its tokens are refused"
	case t.Restored:
		state = "from the storage"
	}
	if problem == "" {
		return state
	}
	return state + ": " + problem
}
