// Package command has the commands below `caddy tokenidp`, one in each file.
package command

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/internal/version"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "tokenidp",
		Short: "Operates the issuers and Applications of this server",
		Long: `
Operates the issuers and Applications of this server.

Say 'caddy tokenidp <command> --help' for each command.`,
		CobraFunc: addCommands,
	})
}

func addCommands(cmd *cobra.Command) {
	cmd.AddCommand(
		statusCommand(), reportCommand(), usageCommand(), explainCommand(), accessCommand(), revokeCommand(), secretCommand(),
		secretsCommand(), keysCommand(), trustedCommand(), keypairCommand(), tokenCommand(), proofCommand(),
		testCommand(), checkCommand(), diffCommand(), schemaCommand(),
		importCommand(),
	)
	nameBinary(cmd)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return exit(cmd, flagError(cmd, err)) })
	moduleVersion, caddyVersion := version.Of()
	cmd.Version = moduleVersion
	cmd.SetVersionTemplate(fmt.Sprintf("TokenIDP %s, Caddy %s\n", moduleVersion, caddyVersion))
	// Cobra answers a mistyped command with the help, and success.
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return exit(cmd, unknownCommand(cmd, args[0]))
		}
		return cmd.Help()
	}
}

// nameBinary has the help of a command, and of those below it, name this binary if it is
// not `caddy`.
func nameBinary(cmd *cobra.Command) {
	cmd.Long, cmd.Example = withBinary(cmd.Long), withBinary(cmd.Example)
	for _, sub := range cmd.Commands() {
		nameBinary(sub)
	}
}

func withBinary(text string) string {
	if caddy.CustomBinaryName == "" {
		return text
	}
	return ourName.ReplaceAllString(text, "${1}"+strings.ReplaceAll(caddy.CustomBinaryName, "$", "$$")+" tokenidp")
}

// ourName is `caddy tokenidp`, but not the end of another name or of a path.
var ourName = regexp.MustCompile(`(^|[^\w./-])caddy tokenidp\b`)

// command has properties of a command that Cobra does not have.
type command struct {
	exits exitCodes
	// noArguments says which flag replaces an argument.
	noArguments string
	// takesArguments: run reads the arguments itself.
	takesArguments bool
	run            func(*call) error
}

// call is one run of a command.
type call struct {
	caddycmd.Flags
	out *printer
}

// newCommand completes the command: it adds the exit codes to its help and to its errors.
// No error repeats an argument, which may be a secret.
func newCommand(cmd *cobra.Command, c command) *cobra.Command {
	cmd.Long += "\n\n" + c.exits.String()
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || c.takesArguments:
			return exit(cmd, c.run(&call{caddycmd.Flags{FlagSet: cmd.Flags()}, newPrinter(cmd)}))
		case cmd.HasSubCommands():
			return exit(cmd, unknownCommand(cmd, args[0]))
		case c.noArguments != "":
			return exit(cmd, errors.New("this command takes no arguments; "+c.noArguments))
		}
		return exit(cmd, errors.New("this command takes no arguments"))
	}
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, sub := range cmd.Commands() {
		known = append(known, sub.Name())
	}
	return fmt.Errorf("unknown command %s%s; say '%s --help'", name, nearest.DidYouMean(name, slices.Values(known)), strings.TrimSpace(cmd.CommandPath()))
}

// flagError returns the error of a mistyped flag, or of a mistyped command before it.
func flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return unknownCommand(cmd, cmd.Flags().Arg(0))
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if name := nearest.Name(unknown.GetSpecifiedName(), slices.Values(known)); name != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, name)
	}
	return err
}

// notOneOf returns the error of an unknown value.
func notOneOf(what, value string, known []string) error {
	return fmt.Errorf("%s %q is not one of %s%s", what, value, strings.Join(known, ", "), nearest.DidYouMean(value, slices.Values(known)))
}
