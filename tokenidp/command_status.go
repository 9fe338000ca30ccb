package tokenidp

import (
	"fmt"
	"os"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// statusCommand tells whether all is in order.
func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--json]",
		Short: "Tells what is in force in a running Caddy, and what is not in order",
		Long: `
Tells what is in force in a running Caddy: the issuers, their Applications and
files, the key that signs, the secrets that expire; and what is not in order,
such as a broken file that is not in force. If anything is not, the exit code
is 1.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(cmdStatus),
	}
	asksAdmin(cmd)
	return cmd
}

func cmdStatus(fl caddycmd.Flags) (int, error) {
	all, err := showAdmin(fl, "/tokenidp/status", printStatus)
	for _, iss := range all {
		if err == nil && len(iss.Problems) > 0 {
			err = fmt.Errorf("%s: %s", iss.Issuer, iss.Problems[0])
		}
	}
	return exit(err)
}

func printStatus(all []issuerStatus) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	for _, iss := range all {
		does := "verifies only"
		if iss.Issues {
			does = "issues, with key " + iss.ActiveKey
		}
		fmt.Fprintf(out, "%s\t%s\n", iss.Issuer, does)
		if len(iss.Applications) > 0 {
			fmt.Fprintf(out, "applications\t%d active, %d inactive\n", iss.Applications["active"], iss.Applications["inactive"])
			fmt.Fprintf(out, "secrets\t%d valid, %d expiring within 30 days, %d expired\n", iss.Secrets["valid"], iss.Secrets["expiring"], iss.Secrets["expired"])
		}
		for _, f := range iss.Files {
			fmt.Fprintf(out, "file\t%s\t%d applications, in force since %s\n", f.Path, f.Applications, day(f.LoadedAt))
		}
		iss.State.print(out)
		for _, problem := range iss.Problems {
			fmt.Fprintf(out, "PROBLEM\t%s\n", problem)
		}
		if len(iss.Problems) == 0 {
			fmt.Fprintln(out, "all is in order")
		}
	}
	return out.Flush()
}
