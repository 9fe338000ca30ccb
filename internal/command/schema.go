package command

import (
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// schemaCommand prints the JSON Schema of applications files.
func schemaCommand() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "schema",
		Short: "Prints the JSON Schema of the files of Applications, for editors",
		Long: `
Prints the JSON Schema (draft 7) of the files of Applications, as this version
reads them. An editor that knows it completes names, explains them, and marks
mistakes.`,
		Example: "  caddy tokenidp schema > applications.schema.json",
	}, command{exits: exitCodes{yes: "it is printed"}, run: func(c *call) error {
		schema, err := application.Schema()
		if err != nil {
			return err
		}
		return c.out.lines(string(schema))
	}})
}
