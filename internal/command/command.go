package command

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "tokenidp",
		Short: "Operates the issuers and Applications of this server",
		Long: `
Operates the issuers and Applications of this server.

Say 'caddy tokenidp <command> --help' for each command.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(statusCommand(), reportCommand(), explainCommand(), accessCommand(), revokeCommand(), secretCommand(), secretsCommand(), keysCommand(), trustedCommand(), keypairCommand(), tokenCommand(), proofCommand())
			// Cobra answers a mistyped command with the help, and success.
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		},
	})
}

// exitNoAnswer is the exit code of a command that asks something where there is no
// answer.
const exitNoAnswer = caddy.ExitCodeForceQuit

// noAnswerForFlags gives a mistyped flag the exit code of wrong usage.
func noAnswerForFlags(cmd *cobra.Command, err error) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitNoAnswer, err })(cmd, nil)
}
