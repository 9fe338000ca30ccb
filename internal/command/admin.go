package command

import (
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// asksAdmin adds the flags of a command that calls the admin endpoint of a running Caddy.
func asksAdmin(cmd *cobra.Command) {
	cmd.PersistentFlags().String("address", "", "Address of the admin endpoint (default: of --config, or Caddy's)")
	cmd.PersistentFlags().StringP("config", "c", "", "Configuration file to take the admin address from")
	cmd.PersistentFlags().StringP("adapter", "a", "", "Name of the config adapter")
	cmd.PersistentFlags().Bool("json", false, "Print JSON")
}

// admin returns a client of the admin endpoint that the flags name.
func (c *call) admin() (*adminapi.Client, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(c.String("address"), nil, c.String("config"), c.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	return adminapi.NewClient(address)
}

// show prints the answer as a table. With --json it prints the answer unchanged.
func (c *call) show(answer any, tabulate func(t *table)) error {
	if c.Bool("json") {
		return c.out.json(answer)
	}
	return c.out.table(tabulate)
}
