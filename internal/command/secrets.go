package command

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// secretsCommand lists the secrets of all Applications, and removes one that
// nobody uses.
func secretsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets [--client <client_id>] [--id <secret_id>] [--unused-for <duration>] [--retire] [--json]",
		Short: "Lists the client secrets: their age, expiry and last use, and which can be removed",
		Long: `
Lists the secrets of all Applications of a running Caddy: since when they are
watched, when they expire, when they were last used on any server, and whether
they can be removed.

With --retire, removes the one secret that --client and --id name from its
applications file, unless it may still be needed: because it is the only valid
one, because a server saw it used within --unused-for, because it has been
watched for less than that, or because it is not known what other servers saw.
Then nothing is changed, and the exit code is 1. Everything else in the file,
comments included, stays as it is, and the change is in force within two
seconds. Other copies of the file are yours to change.`,
		Example: "  caddy tokenidp secrets\n  caddy tokenidp secrets --client orders-worker --id 2026-05 --retire",
		Args:    cobra.NoArgs,
		RunE:    caddycmd.WrapCommandFuncForCobra(cmdSecrets),
	}
	cmd.Flags().String("client", "", "Only the secrets of this Application")
	cmd.Flags().String("id", "", "Only the secret of this id")
	cmd.Flags().String("unused-for", "", "How long nobody may have used a secret that can be removed (default: 8d)")
	cmd.Flags().Bool("retire", false, "Remove the secret from its file")
	asksAdmin(cmd)
	return cmd
}

func cmdSecrets(fl caddycmd.Flags) (int, error) {
	var all []adminapi.IssuerSecrets
	query := url.Values{}
	if d := fl.String("unused-for"); d != "" {
		query.Set("unused_for", d)
	}
	if _, err := askAdmin(fl, http.MethodGet, "/tokenidp/secrets?"+query.Encode(), &all); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	shown := filterSecrets(all, fl.String("client"), fl.String("id"))
	switch {
	case fl.Bool("retire"):
		return retireSecret(fl, shown)
	case fl.Bool("json"):
		return caddy.ExitCodeSuccess, printJSON(shown)
	}
	return caddy.ExitCodeSuccess, printSecrets(shown)
}

func filterSecrets(all []adminapi.IssuerSecrets, clientID, secretID string) []adminapi.IssuerSecrets {
	for i, iss := range all {
		kept := []adminapi.Secret{}
		for _, s := range iss.Secrets {
			if (clientID == "" || s.ClientID == clientID) && (secretID == "" || s.SecretID == secretID) {
				kept = append(kept, s)
			}
		}
		all[i].Secrets = kept
	}
	return all
}

func printSecrets(all []adminapi.IssuerSecrets) error {
	now := time.Now()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	for _, iss := range all {
		fmt.Fprintf(out, "%s\nAPPLICATION\tSECRET\tSTATE\tEXPIRES\tWATCHED FOR\tLAST USED\tCAN BE REMOVED\n", iss.Issuer)
		for _, s := range iss.Secrets {
			removable := "yes"
			if !s.Removable {
				removable = "no: " + s.Needed
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", ownerOf(s), s.SecretID, s.State, day(s.ExpiresAt), since(s.ObservedSince, now), day(s.LastUsed), removable)
		}
	}
	return out.Flush()
}

func ownerOf(s adminapi.Secret) string {
	if s.Active {
		return s.ClientID
	}
	return s.ClientID + " (inactive)"
}

// since is an age in the unit that a person would use.
func since(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	switch age := now.Sub(*t); {
	case age >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(age.Hours()/24))
	case age >= time.Hour:
		return fmt.Sprintf("%dh", int(age.Hours()))
	default:
		return fmt.Sprintf("%dm", max(0, int(age.Minutes())))
	}
}

// retireSecret removes the one secret from its file, if nobody needs it.
func retireSecret(fl caddycmd.Flags, shown []adminapi.IssuerSecrets) (int, error) {
	clientID, secretID := fl.String("client"), fl.String("id")
	if clientID == "" || secretID == "" {
		return caddy.ExitCodeFailedStartup, errors.New("--retire removes one secret: name it with --client and --id")
	}
	if host, _, err := net.SplitHostPort(fl.String("address")); err == nil && !verifier.IsLoopback(host) {
		return caddy.ExitCodeFailedStartup, errors.New("--retire edits the file of the server that it asks: run it there")
	}
	var found []adminapi.Secret
	for _, iss := range shown {
		found = append(found, iss.Secrets...)
	}
	if len(found) == 0 {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("there is no secret %s of an Application %s; `caddy tokenidp secrets` lists all", secretID, clientID)
	}
	for _, s := range found {
		if !s.Removable {
			return caddy.ExitCodeFailedStartup, fmt.Errorf("the secret %s of %s stays, because %s", secretID, clientID, s.Needed)
		}
	}
	edited := make(map[string]bool)
	for _, s := range found {
		if edited[s.File] { // by another issuer, which has the same file
			continue
		}
		edited[s.File] = true
		if err := removeFromFile(s); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		fmt.Printf("removed the secret %s of %s from %s\n", secretID, clientID, s.File)
	}
	return caddy.ExitCodeSuccess, nil
}
