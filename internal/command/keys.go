package command

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// keysCommand lists the signing keys of a running Caddy, and rotates them.
func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys [--json]",
		Short: "Lists the signing keys: their states, and when they sign, retire and go",
		Long: `
Lists the signing keys of a running Caddy: which one signs, which will, and
which only verify until the last token they signed has expired.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(cmdKeys),
	}
	rotate := &cobra.Command{
		Use:   "rotate [--issuer <url>] [--now] [--json]",
		Short: "Makes the successor of the key that signs",
		Long: `
Makes the successor of the key that signs. It is published first, and signs when
every cache of the keys has it, so nothing breaks. If a successor waits already,
none is made.

With --now, for a key that may be in foreign hands, the successor signs at once:
services that cached the keys refuse its tokens until they fetch them again. The
key before still verifies; to have its tokens refused, remove its entry from the
storage afterwards, and restart every server.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(cmdRotate),
	}
	rotate.Flags().String("issuer", "", "The issuer, where several are configured")
	rotate.Flags().Bool("now", false, "Sign with the new key at once")
	cmd.AddCommand(rotate)
	asksAdmin(cmd)
	return cmd
}

func cmdKeys(fl caddycmd.Flags) (int, error) {
	_, err := showAdmin(fl, "/tokenidp/keys", printKeys)
	return exit(err)
}

func printKeys(all []adminapi.IssuerKeys) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	for _, iss := range all {
		fmt.Fprintf(out, "%s\nKID\tALG\tSTATE\tCREATED\tSIGNS FROM\tRETIRES\tGOES\tPRIVATE KEY\n", iss.Issuer)
		for _, k := range iss.Keys {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.KeyID, k.Algorithm, keyState(k),
				day(k.CreatedAt), day(k.SignsFrom), day(k.RetiresAt), day(k.DeletesAt), storedKey(k))
		}
	}
	return out.Flush()
}

func keyState(k adminapi.Key) string {
	switch {
	case k.Cause != "":
		return k.State + ": " + k.Entry + ": " + k.Cause
	case k.Missing:
		return k.State + ", missing from the storage"
	default:
		return k.State
	}
}

// storedKey says how the private half is kept.
func storedKey(k adminapi.Key) string {
	text := cmp.Or(k.PrivateKey, "-")
	if k.KeyEncryptionKey != "" {
		text += " with " + k.KeyEncryptionKey
	}
	if k.PrivateKey != "" && !k.SignsHere {
		text += ", not at hand here"
	}
	return text
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format("2006-01-02 15:04 UTC")
}

func cmdRotate(fl caddycmd.Flags) (int, error) {
	query := url.Values{"issuer": {fl.String("issuer")}}
	if fl.Bool("now") {
		query.Set("now", "true")
	}
	var plan adminapi.Rotation
	raw, err := askAdmin(fl, http.MethodPost, "/tokenidp/keys/rotate?"+query.Encode(), &plan)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if fl.Bool("json") {
		return caddy.ExitCodeSuccess, printRaw(raw)
	}
	verb := "is published, and signs"
	if !plan.Made {
		verb = "was made before, and signs"
	}
	fmt.Printf("%s: key %s (%s) %s from %s\n", plan.Issuer, plan.KeyID, plan.Algorithm, verb, day(&plan.SignsFrom))
	if plan.Warning != "" {
		fmt.Println("warning: " + plan.Warning)
	}
	return caddy.ExitCodeSuccess, nil
}
