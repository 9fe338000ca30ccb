package command

import (
	"cmp"
	"context"
	"strconv"

	"github.com/spf13/cobra"
)

// trustedCommand lists the trusted issuers of a running Caddy.
func trustedCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "trusted [--json]",
		Short: "Lists the trusted issuers, and how their keys are",
		Long: `
Lists the issuers elsewhere that a running Caddy trusts: how many keys of each it
has, when the issuer last confirmed them, and what is wrong where they cannot be
read.`,
	}, command{exits: exitCodes{yes: "they are listed"}, run: runTrusted})
	asksAdmin(cmd)
	return cmd
}

func runTrusted(c *call) error {
	client, err := c.admin()
	if err != nil {
		return err
	}
	all, err := client.Trusted(context.Background())
	if err != nil {
		return err
	}
	return c.show(all, func(t *table) {
		t.row("ISSUER", "KEYS", "CONFIRMED", "NEXT FETCH", "FROM", "STATE")
		for _, i := range all {
			t.row(i.Issuer, strconv.Itoa(i.Keys), day(i.LastSuccess), day(i.NextFetch), cmp.Or(i.From, "-"), i.Described())
		}
	})
}
