package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// revokeCommand takes tokens back.
func revokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke [--token-file <file> | --jti <jti> | --client <client_id> | --all] [--issuer <url>] [--before <time>] [--until <time>] [--json]",
		Short: "Takes tokens back: one, or all of a client or an issuer",
		Long: `
Takes tokens back, so that verify refuses them from now on.

One token is read from standard input or --token-file, and never given as an
argument: arguments are visible to others on this machine, in the list of
processes. Without the token, --jti will do; the log has it.

--client takes back every token that was issued to a client up to now, or to
--before. It may ask for new ones: to shut it out, write 'active: false' into its
applications file. --all takes back every token of the issuer, which must be named.

Services that verify tokens without this software do not learn of it.`,
		Example: "  printf %s \"$TOKEN\" | caddy tokenidp revoke\n  caddy tokenidp revoke --client orders-worker\n  caddy tokenidp revoke --issuer https://idp.example.com --all --before 2027-06-30T12:00:00Z",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // which may be a token, so it is not repeated
				return errors.New("this command takes no arguments; give a token on standard input")
			}
			return nil
		},
		RunE: caddycmd.WrapCommandFuncForCobra(cmdRevoke),
	}
	cmd.Flags().String("token-file", "", "The file with the token (default: standard input)")
	cmd.Flags().String("jti", "", "The token with this jti")
	cmd.Flags().String("client", "", "Every token of this client")
	cmd.Flags().Bool("all", false, "Every token of the issuer")
	cmd.Flags().String("issuer", "", "The issuer, where several are configured; with --all, always")
	cmd.Flags().String("before", "", "With --client and --all: only tokens issued up to this time, as 2027-06-30T12:00:00Z (default: now)")
	cmd.Flags().String("until", "", "Of a trusted issuer: when the last of these tokens has expired (default: in 24h)")
	asksAdmin(cmd)
	return cmd
}

func cmdRevoke(fl caddycmd.Flags) (int, error) {
	order, err := givenRevocation(fl)
	if err != nil {
		return exit(err)
	}
	var report adminapi.RevokeResult
	raw, err := tellAdmin(fl, http.MethodPost, "/tokenidp/revoke", order, &report)
	if err != nil {
		return exit(err)
	}
	if fl.Bool("json") {
		return exit(printRaw(raw))
	}
	printRevocation(os.Stdout, &report)
	return caddy.ExitCodeSuccess, nil
}

func givenRevocation(fl caddycmd.Flags) (*adminapi.RevokeRequest, error) {
	order := &adminapi.RevokeRequest{Issuer: fl.String("issuer"), TokenID: fl.String("jti"), ClientID: fl.String("client"), All: fl.Bool("all")}
	if given := givenFlags(fl, "token-file", "jti", "client", "all"); len(given) > 1 {
		return nil, fmt.Errorf("%s say different things; give one of them", strings.Join(given, " and "))
	}
	if order.All && order.Issuer == "" {
		return nil, errors.New("--all takes back every token of an issuer, so name it: --issuer https://<host>")
	}
	var err error
	if order.Before, err = givenTime(fl, "before"); err != nil {
		return nil, err
	}
	if order.Until, err = givenTime(fl, "until"); err != nil {
		return nil, err
	}
	if order.TokenID == "" && order.ClientID == "" && !order.All {
		order.Token, err = tokenToRevoke(fl.String("token-file"))
		if err == nil && order.Token == "" {
			err = errNothingToRevoke
		}
	}
	return order, err
}

// givenFlags are those of the flags that are there.
func givenFlags(fl caddycmd.Flags, names ...string) (given []string) {
	for _, name := range names {
		if fl.Changed(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

func givenTime(fl caddycmd.Flags, flag string) (*time.Time, error) {
	text := fl.String(flag)
	if text == "" {
		return nil, nil //nolint:nilnil // not given, which is no error
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("--%s %q is not a time; write it as 2027-06-30T12:00:00Z", flag, text)
	}
	return &t, nil
}

func tokenToRevoke(path string) (string, error) {
	if path != "" {
		file, err := os.Open(path) //nolint:gosec // the file that the operator names
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		return readGivenToken(file, path)
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return "", errNothingToRevoke
	}
	return readGivenToken(os.Stdin, "standard input")
}

var errNothingToRevoke = errors.New("there is nothing to revoke; give a token on standard input, or --token-file, --jti, --client or --all")

func printRevocation(w io.Writer, r *adminapi.RevokeResult) {
	switch {
	case r.TokenID != "":
		fmt.Fprintf(w, "%s: the token %s is revoked", r.Issuer, printable(r.TokenID))
	case r.ClientID != "":
		fmt.Fprintf(w, "%s: every token issued to %s up to %s is revoked", r.Issuer, printable(r.ClientID), r.Before.Format(time.RFC3339))
	default:
		fmt.Fprintf(w, "%s: every token issued up to %s is revoked", r.Issuer, r.Before.Format(time.RFC3339))
	}
	fmt.Fprintf(w, ", until %s\n", r.Until.Format(time.RFC3339))
	if r.State == "memory" {
		fmt.Fprintln(w, "state memory: other servers do not learn of it, and a restart of this one forgets it")
	} else {
		fmt.Fprintln(w, "this server refuses it from now on, and other servers with the same state within seconds")
	}
	fmt.Fprintln(w, "services that verify tokens without this software do not learn of it")
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "warning: "+warning)
	}
}
