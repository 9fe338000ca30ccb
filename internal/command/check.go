package command

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/check"
)

// checkCommand finds what is allowed but not recommended.
func checkCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "check [<applications file>…] [--config <file>] [--adapter <name>] [--address <address>] [--fail-on <severity>] [--sarif <file>] [--json]",
		Short: "Finds what is allowed in a configuration, and not recommended",
		Long: `
Finds what is allowed in a configuration and not recommended: what may leave an API open,
what has no effect, and what stops working soon. docs/checks.md has a section for each rule.

Nothing is sent: the configuration is read here, without being started. Secrets, keys and
the values of placeholders that are not here are taken as present, and named. With
--address, the configuration is that of a running Caddy; the files of Applications are
read here all the same.

With files of Applications as arguments, these are judged alone, without a configuration.
Their tests are not run. The scopes that no resource in them has belong to the --resource.

A comment in a file suppresses a finding in that file, for a time:

  # tokenidp:ignore secret-never-expires for orders-worker until 2027-01-31: renewed by hand

The exit code is 1 if a finding is as bad as --fail-on says: error, warning, note or never.`,
		Example: "  caddy tokenidp check --config Caddyfile --sarif results.sarif",
	}, command{
		exits: exitCodes{
			yes: "nothing is as bad as --fail-on says",
			no:  "some finding is",
		},
		takesArguments: true,
		run:            runCheck,
	})
	cmd.Flags().String("fail-on", string(check.Error), "The least severity for which the exit code is 1: error, warning, note, or never")
	cmd.Flags().String("sarif", "", "Write the findings to this file, as SARIF 2.1.0; - is the standard output")
	cmd.Flags().StringArray("resource", nil, "A resource elsewhere, which has the scopes that no resource of the files has")
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("address").Usage = "Address of the admin endpoint of a Caddy whose configuration is checked"
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file (default: Caddyfile here)"
	return cmd
}

// never is the --fail-on for a command that only reports.
const never = "never"

func runCheck(c *call) error {
	least := c.String("fail-on")
	if known := failOn(); !slices.Contains(known, least) {
		return notOneOf("--fail-on", least, known)
	}
	report, err := c.check()
	if err != nil {
		return err
	}
	if err := c.showChecked(report); err != nil {
		return err
	}
	if least == never {
		return nil
	}
	if count := report.Count(check.Severity(least)); count > 0 {
		return answerNo("%d findings are at least as bad as --fail-on %s", count, least)
	}
	return nil
}

func failOn() (all []string) {
	for _, s := range check.Severities {
		all = append(all, string(s))
	}
	return append(all, never)
}

// check checks the files of the arguments, or else the configuration.
func (c *call) check() (*check.Report, error) {
	resources, err := c.GetStringArray("resource")
	if err != nil {
		return nil, err
	}
	files := c.Args()
	switch {
	case len(files) > 0 && (c.String("config") != "" || c.String("address") != ""):
		return nil, errors.New("files of Applications are judged without --config and --address; leave these out, or the files")
	case len(files) > 0:
		return check.Files(files, check.Options{Resources: resources})
	case len(resources) > 0:
		return nil, errors.New("--resource is for files of Applications; name one, as in: caddy tokenidp check team.yaml --resource orders-api")
	}
	config, err := c.testedConfig()
	if err != nil {
		return nil, err
	}
	return check.Config(config, check.Options{File: c.configFile()})
}

// configFile returns the file of the configuration, or "".
func (c *call) configFile() string {
	switch {
	case c.String("address") != "":
		return ""
	case c.String("config") == "":
		return "Caddyfile"
	}
	return c.String("config")
}

// showChecked prints the report, and writes SARIF.
func (c *call) showChecked(r *check.Report) error {
	file := c.String("sarif")
	if file == "-" {
		return c.out.json(r.SARIF())
	}
	if file != "" {
		text, err := encodeJSON(r.SARIF())
		if err != nil {
			return err
		}
		if err := writeFile(file, []byte(text+"\n")); err != nil {
			return fmt.Errorf("--sarif: %w", err)
		}
	}
	return c.show(r.JSON(), func(t *table) { tabulateChecked(t, r) })
}

func tabulateChecked(t *table, r *check.Report) {
	suppressed := 0
	for _, f := range r.Findings {
		if f.Ignored != nil {
			suppressed++
			continue
		}
		t.row(f.Place.String(), string(f.Rule.Severity), string(f.Rule.ID), f.Subject)
		t.row("  " + f.Message)
		t.row("  " + f.Rule.Correction)
	}
	for _, what := range r.Unknown {
		t.row("not here, and taken as present: " + what)
	}
	for _, what := range r.NotRun {
		t.row("not run: " + what)
	}
	counts := r.Counts()
	t.row(fmt.Sprintf("%d errors, %d warnings, %d notes, %d suppressed", counts[check.Error], counts[check.Warning], counts[check.Note], suppressed))
}
