package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
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
named. With --address, the configuration is that of a running Caddy; the files of
Applications are read here all the same.`,
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
	cmd.PersistentFlags().Lookup("address").Usage = "Address of the admin endpoint of a Caddy whose configuration is tested"
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file (default: Caddyfile here)"
	return cmd
}

func runTest(c *call) error {
	config, err := c.testedConfig()
	if err != nil {
		return err
	}
	p, err := probe.New(config, probe.Options{})
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
	if err := c.show(report, report.tabulate); err != nil {
		return err
	}
	if report.Failed > 0 {
		return answerNo("%d of %d requests are not as the tests say", report.Failed, report.Passed+report.Failed)
	}
	return nil
}

// testedConfig is that of a running Caddy if its address is given.
func (c *call) testedConfig() ([]byte, error) {
	if c.String("address") == "" {
		return c.config()
	}
	client, err := c.admin()
	if err != nil {
		return nil, err
	}
	return client.Config(context.Background())
}

// testReport is the answer.
type testReport struct {
	Passed  int          `json:"passed"`
	Failed  int          `json:"failed"`
	Results []testResult `json:"results"`
	// Unknown is what is not here and counts as present.
	Unknown []string `json:"unknown,omitempty"`
}

// testResult is what came of one request of a test.
type testResult struct {
	Source  string `json:"source"`
	Caller  string `json:"caller"`
	Request string `json:"request"`
	Expect  string `json:"expect"` // allow or deny
	Passed  bool   `json:"passed"`
	Status  int    `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Cause   string `json:"cause,omitempty"`
	// Rule is the verify that decided, as file:line, and Route how requests come to it.
	Rule    string `json:"rule,omitempty"`
	Route   string `json:"route,omitempty"`
	Handler string `json:"handler,omitempty"`
	Advice  string `json:"advice,omitempty"`
}

// mostTestErrors is how many mistakes in tests are told.
const mostTestErrors = 20

// runTests runs all tests. An error is about the tests: nothing was found out.
func runTests(p *probe.Probe) (*testReport, error) {
	tests, err := allTests(p)
	if err != nil {
		return nil, err
	}
	report := &testReport{Results: []testResult{}, Unknown: p.Unknown()}
	var wrong []error
	for _, t := range tests {
		results, err := runOne(p, t)
		report.Results = append(report.Results, results...)
		wrong = append(wrong, err...)
	}
	if len(wrong) > mostTestErrors {
		wrong = append(wrong[:mostTestErrors], fmt.Errorf("… and %d more", len(wrong)-mostTestErrors))
	}
	for _, r := range report.Results {
		if r.Passed {
			report.Passed++
		} else {
			report.Failed++
		}
	}
	return report, errors.Join(wrong...)
}

// allTests are those of all files. Several issuers may have the same ones.
func allTests(p *probe.Probe) (all []*application.Test, err error) {
	sets := p.Applications()
	seen := make(map[string]bool)
	for _, issuer := range slices.Sorted(maps.Keys(sets)) {
		tests, wrong := sets[issuer].Tests()
		if wrong != nil {
			return nil, wrong
		}
		for _, t := range tests {
			if !seen[t.Source] {
				seen[t.Source] = true
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no file of Applications has tests; write one, as in: tests: [{anonymous: true, deny: [GET https://api.example.com/orders]}]")
	}
	return all, nil
}

// runOne runs one test.
func runOne(p *probe.Probe, t *application.Test) (results []testResult, wrong []error) {
	caller, err := callerOf(p, t)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", t.Source, err)}
	}
	for _, r := range t.Requests {
		result, err := runRequest(p, caller, r)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", r.Source, err))
			continue
		}
		results = append(results, result)
	}
	return results, wrong
}

func callerOf(p *probe.Probe, t *application.Test) (*probe.Caller, error) {
	switch {
	case t.Anonymous:
		return probe.Anonymous(), nil
	case t.Token != nil:
		return p.Claims(t.Token)
	}
	return p.Client(t.ClientID)
}

// everyMethod is what * stands for.
var everyMethod = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// runRequest asks about a request; of all methods, about those until one is not as the
// test says.
func runRequest(p *probe.Probe, caller *probe.Caller, tested application.TestedRequest) (result testResult, err error) {
	methods := everyMethod
	method, url, ok := strings.Cut(tested.Text, " ")
	if !ok || method != "*" {
		methods = []string{method}
	}
	for _, method := range methods {
		r := probe.Request{Method: method, URL: url}
		if !ok {
			r, err = probe.ParseRequest(tested.Text)
		}
		if err != nil {
			return result, err
		}
		v, err := p.Ask(r, caller)
		if err != nil {
			return result, err
		}
		result = newTestResult(caller, r, tested, v)
		if !result.Passed {
			break
		}
	}
	if result.Passed {
		result.Request = tested.Text
	}
	return result, nil
}

func newTestResult(caller *probe.Caller, r probe.Request, tested application.TestedRequest, v *probe.Verdict) testResult {
	t := testResult{
		Source: tested.Source, Caller: caller.String(), Request: r.String(), Expect: "deny", Passed: v.Allowed == tested.Allow,
		Status: v.Status, Reason: v.Reason, Cause: v.Cause, Handler: v.Handler,
	}
	if tested.Allow {
		t.Expect = "allow"
	}
	if step := deciding(v); step != nil {
		t.Rule = step.Source
		if step.Route != nil {
			t.Route = step.Route.ID
		}
	}
	if !t.Passed {
		t.Advice = advise(caller, v)
	}
	return t
}

// deciding is the verify that refused the request, or the last that let it through.
func deciding(v *probe.Verdict) *probe.Step {
	switch {
	case v.Refused != nil:
		return v.Refused
	case len(v.Passed) > 0:
		return &v.Passed[len(v.Passed)-1]
	case len(v.Reported) > 0:
		return &v.Reported[len(v.Reported)-1]
	}
	return nil
}

// tabulate prints what failed, and how many did not.
func (r *testReport) tabulate(t *table) {
	for _, one := range r.Results {
		if !one.Passed {
			t.row(one.Source, one.Caller, one.Request)
			t.row("  " + one.outcome())
			t.row("  " + one.Advice)
		}
	}
	for _, what := range r.Unknown {
		t.row("not here, and taken as present: " + what)
	}
	t.row(fmt.Sprintf("%d passed, %d failed", r.Passed, r.Failed))
}

// outcome says in words what came of a request that is not as its test says.
func (r *testResult) outcome() string {
	if r.Expect == "deny" {
		return fmt.Sprintf("should be refused, but %s answers%s", r.Handler, r.behind(", behind "))
	}
	text := fmt.Sprintf("should get through, but is answered with %d: %s", r.Status, r.Reason)
	if r.Cause != "" {
		text += ": " + r.Cause
	}
	return text + r.behind(", by ")
}

func (r *testResult) behind(word string) string {
	switch {
	case r.Rule == "" && r.Route == "":
		return ""
	case r.Route == "":
		return word + r.Rule
	}
	return word + cmp.Or(r.Rule, "the verify") + " (" + r.Route + ")"
}

// writeFile writes a file that everybody may read.
func writeFile(name string, text []byte) error {
	return os.WriteFile(name, text, 0o644) //nolint:gosec // it holds no secret
}
