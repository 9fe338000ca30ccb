package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// revokeCommand revokes tokens.
func revokeCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "revoke [--token-file <file> | --jti <jti> | --client <client_id> | --all] [--unknown-client] [--issuer <url>] [--before <time>] [--until <time>] [--json]",
		Short: "Takes tokens back: one, or all of a client or an issuer",
		Long: `
Takes tokens back, so that verify refuses them from now on.

One token is read from standard input or --token-file, and never given as an
argument: arguments are visible to others on this machine, in the list of
processes. Without the token, --jti will do; the log has it.

--client takes back every token that was issued to a client up to now, or to
--before. For a client that was removed, add --unknown-client. A client may ask
for new ones: to shut it out, write 'active: false' into its applications file.
--all takes back every token of the issuer, which must be named.

Services that verify tokens without this software do not learn of it.`,
		Example: "  printf %s \"$TOKEN\" | caddy tokenidp revoke\n  caddy tokenidp revoke --client orders-worker\n  caddy tokenidp revoke --issuer https://idp.example.com --all --before 2027-06-30T12:00:00Z",
	}, command{exits: exitCodes{yes: "the tokens are revoked"}, noArguments: "give a token on standard input", run: runRevoke})
	cmd.Flags().String("token-file", "", "The file with the token (default: standard input)")
	cmd.Flags().String("jti", "", "The token with this jti")
	cmd.Flags().String("client", "", "Every token of this client")
	cmd.Flags().Bool("unknown-client", false, "With --client: go on though no Application has this client_id, as after its removal")
	cmd.Flags().Bool("all", false, "Every token of the issuer")
	cmd.Flags().String("issuer", "", "The issuer, where several are configured; with --all, always")
	cmd.Flags().String("before", "", "With --client and --all: only tokens issued up to this time, as 2027-06-30T12:00:00Z (default: now)")
	cmd.Flags().String("until", "", "Of a trusted issuer: when the last of these tokens has expired (default: in 24h)")
	asksAdmin(cmd)
	return cmd
}

func runRevoke(c *call) error {
	request, err := givenRevocation(c.Flags)
	if err != nil {
		return err
	}
	client, err := c.admin()
	if err != nil {
		return err
	}
	result, err := client.Revoke(context.Background(), request)
	if err != nil {
		return err
	}
	return c.show(result, func(t *table) { tabulateRevocation(t, result) })
}

func givenRevocation(fl caddycmd.Flags) (*adminapi.RevokeRequest, error) {
	request := &adminapi.RevokeRequest{Issuer: fl.String("issuer"), TokenID: fl.String("jti"), ClientID: fl.String("client"), All: fl.Bool("all"), UnknownClient: fl.Bool("unknown-client")}
	if given := givenFlags(fl, "token-file", "jti", "client", "all"); len(given) > 1 {
		return nil, fmt.Errorf("%s say different things; give one of them", strings.Join(given, " and "))
	}
	if request.UnknownClient && request.ClientID == "" {
		return nil, errors.New("--unknown-client is of no use without --client")
	}
	if request.All && request.Issuer == "" {
		return nil, errors.New("--all takes back every token of an issuer, so name it: --issuer https://<host>")
	}
	var err error
	if request.Before, err = givenTime(fl, "before"); err != nil {
		return nil, err
	}
	if request.Until, err = givenTime(fl, "until"); err != nil {
		return nil, err
	}
	if request.TokenID == "" && request.ClientID == "" && !request.All {
		request.Token, err = tokenToRevoke(fl.String("token-file"))
		if err == nil && request.Token == "" {
			err = errNothingToRevoke
		}
	}
	return request, err
}

// givenFlags returns the flags that are set.
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

func tabulateRevocation(t *table, r *adminapi.RevokeResult) {
	var what string
	switch {
	case r.TokenID != "":
		what = "the token " + r.TokenID
	case r.ClientID != "":
		what = fmt.Sprintf("every token issued to %s up to %s", r.ClientID, r.Before.Format(time.RFC3339))
	default:
		what = "every token issued up to " + r.Before.Format(time.RFC3339)
	}
	t.row(fmt.Sprintf("%s: %s is revoked, until %s", r.Issuer, what, r.Until.Format(time.RFC3339)))
	if r.State == "memory" {
		t.row("state memory: other servers do not learn of it, and a restart of this one forgets it")
	} else {
		t.row("this server refuses it from now on, and other servers with the same state within seconds")
	}
	t.row("services that verify tokens without this software do not learn of it")
	for _, warning := range r.Warnings {
		t.row("warning: " + warning)
	}
}
