package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/testrun"
)

// testCommand runs the tests that the files of Applications have.
func testCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "test [--config <file>] [--adapter <name>] [--address <address>] [--junit <file>] [--json]",
		Short: "Runs the tests in the files of Applications: who gets through, and who does not",
		Long: `
Runs the tests in the files of Applications. Each says who calls, and which requests are
to be let through or refused:

  tests:
    - client_id: orders-worker
      allow: [GET https://api.example.com/orders/1]
      deny: ["* https://api.example.com/invoices"]
    - token: {iss: https://login.example.com, azp: billing, scope: invoices.read}
      allow: [GET https://api.example.com/invoices/7]
    - anonymous: true
      deny: [GET https://api.example.com/orders/1]

The method * stands for all. An application is tried with every token that it can get,
and without one. Nothing is sent: the configuration is read here, without being started,
and Caddy's own router answers for each request. A handler such as reverse_proxy counts
as one that lets the request through.

Secrets, keys and the values of placeholders that are not here are taken as present, and
named. With --address, the configuration and the Applications are those of a running
Caddy.`,
		Example: "  caddy tokenidp test --config Caddyfile --junit results.xml",
	}, command{
		exits: exitCodes{
			yes: "every request is as its test says",
			no:  "some request is not",
		},
		noArguments: "name the configuration with --config",
		run:         runTest,
	})
	cmd.Flags().String("junit", "", "Write the results to this file, as JUnit XML")
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("address").Usage = "Address of the admin endpoint of a running Caddy, to test what that has in force"
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file (default: Caddyfile here)"
	return cmd
}

func runTest(c *call) error {
	p, err := c.probe(c.String("address") != "")
	if err != nil {
		return err
	}
	defer p.Close()
	report, err := runTests(p)
	if err != nil {
		return err
	}
	if file := c.String("junit"); file != "" {
		if err := writeJUnit(file, report); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	if err := c.show(report, tabulateTests(report)); err != nil {
		return err
	}
	if report.Failed > 0 {
		return answerNo("%d of %d requests are not as the tests say", report.Failed, report.Passed+report.Failed)
	}
	return nil
}

// mostTestErrors is the number of mistakes in tests that an error lists.
const mostTestErrors = 20

// runTests runs all tests. An error is about the tests themselves: they have no result.
func runTests(p *probe.Probe) (*testrun.Report, error) {
	report, err := testrun.Run(p)
	switch {
	case err != nil:
		return nil, err
	case len(report.Results)+len(report.Mistakes) == 0:
		return nil, errors.New("no file of Applications has tests; write one, as in: tests: [{anonymous: true, deny: [GET https://api.example.com/orders]}]")
	}
	var wrong []error
	for _, m := range report.Mistakes {
		wrong = append(wrong, fmt.Errorf("%s: %w", m.Source, m.Err))
	}
	if len(wrong) > mostTestErrors {
		wrong = append(wrong[:mostTestErrors], fmt.Errorf("… and %d more", len(wrong)-mostTestErrors))
	}
	return report, errors.Join(wrong...)
}

// tabulateTests prints the failures, and counts the others.
func tabulateTests(r *testrun.Report) func(t *table) {
	return func(t *table) {
		for _, one := range r.Results {
			if !one.Passed {
				t.row(one.Source, one.Caller, one.Request)
				t.row("  " + one.Outcome())
				t.row("  " + one.Advice)
			}
		}
		for _, what := range r.Unknown {
			t.row("not here, and taken as present: " + what)
		}
		t.row(fmt.Sprintf("%d passed, %d failed", r.Passed, r.Failed))
	}
}

// writeFile writes a file that every user may read.
func writeFile(name string, text []byte) error {
	return os.WriteFile(name, text, 0o644) //nolint:gosec // it holds no secret
}
