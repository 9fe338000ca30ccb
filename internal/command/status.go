package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// statusCommand tells whether all is in order.
func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--json]",
		Short: "Tells what is in force in a running Caddy, and what is not in order",
		Long: `
Tells what is in force in a running Caddy: the issuers, their Applications and
files, the key that signs, the secrets that expire, the issuers that are trusted,
and the shared state; and what is not in order, such as a broken file that is not
in force. If anything is not, the exit code is 1.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(cmdStatus),
	}
	asksAdmin(cmd)
	return cmd
}

func cmdStatus(fl caddycmd.Flags) (int, error) {
	s, err := showAdmin(fl, "/tokenidp/status", printStatus)
	switch problems := s.Problems(); {
	case err != nil:
	case len(problems) > 0:
		err = errors.New(problems[0])
	case !s.Ready:
		err = errors.New("this server is not ready")
	}
	return exit(err)
}

func printStatus(s adminapi.Status) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	for _, iss := range s.Issuers {
		printIssuerStatus(out, iss)
	}
	for _, t := range s.Trusted {
		fmt.Fprintf(out, "%s\ttrusted, %d keys\n", t.Issuer, t.Keys)
	}
	printState(out, s.State)
	problems := s.Problems()
	for _, problem := range problems {
		fmt.Fprintf(out, "PROBLEM\t%s\n", problem)
	}
	switch {
	case !s.Ready:
		fmt.Fprintln(out, "this server is not ready")
	case len(problems) == 0:
		fmt.Fprintln(out, "all is in order")
	}
	return out.Flush()
}

func printIssuerStatus(out io.Writer, iss adminapi.IssuerStatus) {
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
}

func printState(out io.Writer, s adminapi.StateStatus) {
	since := "never read"
	if s.LastSync != nil {
		since = "current at " + s.LastSync.Format(time.RFC3339)
	}
	fmt.Fprintf(out, "state\t%s\t%d revocations, %s\n", s.Kind, s.Revocations, since)
}
