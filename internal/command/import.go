package command

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/migrate"
)

// importCommand makes a file of Applications from an export of another server.
func importCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "import <server> [--file <export>]",
		Short: "Makes a file of Applications of another server's clients",
		Long: `
Makes a file of Applications of what another server exports of its clients.`,
	}, command{exits: exitCodes{yes: "its commands are listed"}, run: func(c *call) error {
		return c.out.lines("Say 'caddy tokenidp import hydra --help' or 'caddy tokenidp import keycloak --help'.")
	}})
	cmd.AddCommand(importHydraCommand(), importKeycloakCommand())
	return cmd
}

func importHydraCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "hydra [--file <export>] [--hashes <file>]",
		Short: "Imports the clients of Ory Hydra",
		Long: `
Prints a file of Applications with the clients of Ory Hydra. It reads the list of
'GET /admin/clients' from a file, or from standard input. Hydra never shows the
hashes of secrets there: give those with --hashes, a JSON object from client id to
hash, from the database. They go on working.

What does not come along is said on standard error, one line each.`,
		Example: "  caddy tokenidp import hydra --file clients.json --hashes hashes.json > applications.yaml",
	}, command{exits: importExits, noArguments: "the export is read from --file, or from standard input", run: runImportHydra})
	addExportFlag(cmd)
	cmd.Flags().String("hashes", "", "The file with the hashes of the secrets")
	return cmd
}

func importKeycloakCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "keycloak [--file <export>]",
		Short: "Imports the service accounts of a Keycloak realm",
		Long: `
Prints a file of Applications with the service accounts of a Keycloak realm, the
scopes that they have, and the audiences of those. It reads the export of the realm
from a file, or from standard input. Secrets are hashed (argon2id), and go on
working.

What does not come along is said on standard error, one line each.`,
		Example: "  caddy tokenidp import keycloak --file shop-realm.json > applications.yaml",
	}, command{exits: importExits, noArguments: "the export is read from --file, or from standard input", run: runImportKeycloak})
	addExportFlag(cmd)
	return cmd
}

var importExits = exitCodes{yes: "everything came along", no: "something did not, and has a line"}

func addExportFlag(cmd *cobra.Command) {
	cmd.Flags().String("file", "", "The file with the export (default: standard input)")
}

func runImportHydra(c *call) error {
	export, err := readExport(c.String("file"))
	if err != nil {
		return err
	}
	var hashes []byte
	if path := c.String("hashes"); path != "" {
		if hashes, err = readExport(path); err != nil {
			return err
		}
	}
	file, err := migrate.Hydra(export, hashes)
	return c.printImported(file, err)
}

func runImportKeycloak(c *call) error {
	export, err := readExport(c.String("file"))
	if err != nil {
		return err
	}
	file, err := migrate.Keycloak(export)
	return c.printImported(file, err)
}

// largestExport is larger than an export of all clients that a server should have.
const largestExport = 64 << 20

// readExport reads a file, or standard input if path is "".
func readExport(path string) ([]byte, error) {
	in, name := os.Stdin, "standard input"
	if path != "" {
		file, err := os.Open(path) //nolint:gosec // the path is the operator's to choose
		if err != nil {
			return nil, fmt.Errorf("reading the export: %w", err)
		}
		defer func() { _ = file.Close() }()
		in, name = file, path
	}
	data, err := io.ReadAll(io.LimitReader(in, largestExport+1))
	if err != nil {
		return nil, fmt.Errorf("reading the export from %s: %w", name, err)
	}
	if len(data) > largestExport {
		return nil, fmt.Errorf("the export from %s is larger than %d MiB", name, largestExport>>20)
	}
	return data, nil
}

func (c *call) printImported(file *migrate.File, err error) error {
	if err != nil {
		return fmt.Errorf("reading the export: %w", err)
	}
	if err := c.out.lines(file.YAML()); err != nil {
		return err
	}
	for _, note := range file.Notes {
		c.out.warn(note)
	}
	if len(file.Notes) > 0 {
		return answerNo("not everything came along; lines: %d, Applications that came along: %d", len(file.Notes), len(file.Applications))
	}
	return nil
}
