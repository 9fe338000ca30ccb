package command

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// keysCommand lists the signing keys of a running Caddy, and rotates them.
func keysCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "keys [--json]",
		Short: "Lists the signing keys: their states, and when they sign, retire and go",
		Long: `
Lists the signing keys of a running Caddy: which one signs, which will, and
which only verify until the last token they signed has expired.`,
	}, command{exits: exitCodes{yes: "they are listed"}, run: runKeys})
	rotate := newCommand(&cobra.Command{
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
	}, command{exits: exitCodes{yes: "there is a successor"}, run: runRotate})
	rotate.Flags().String("issuer", "", "The issuer, where several are configured")
	rotate.Flags().Bool("now", false, "Sign with the new key at once")
	cmd.AddCommand(rotate)
	asksAdmin(cmd)
	return cmd
}

func runKeys(c *call) error {
	client, err := c.admin()
	if err != nil {
		return err
	}
	all, err := client.Keys(context.Background())
	if err != nil {
		return err
	}
	return c.show(all, func(t *table) {
		for _, iss := range all {
			t.row(iss.Issuer)
			t.row("KID", "ALG", "STATE", "CREATED", "SIGNS FROM", "RETIRES", "GOES", "PRIVATE KEY")
			for _, k := range iss.Keys {
				t.row(k.KeyID, k.Algorithm, keyState(k), day(k.CreatedAt), day(k.SignsFrom), day(k.RetiresAt), day(k.DeletesAt), storedKey(k))
			}
		}
	})
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

func runRotate(c *call) error {
	client, err := c.admin()
	if err != nil {
		return err
	}
	plan, err := client.Rotate(context.Background(), c.String("issuer"), c.Bool("now"))
	if err != nil {
		return err
	}
	return c.show(plan, func(t *table) {
		verb := "is published, and signs"
		if !plan.Made {
			verb = "was made before, and signs"
		}
		t.row(fmt.Sprintf("%s: key %s (%s) %s from %s", plan.Issuer, plan.KeyID, plan.Algorithm, verb, day(&plan.SignsFrom)))
		if plan.Warning != "" {
			t.row("warning: " + plan.Warning)
		}
	})
}
