package command

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reachdiff"
)

// diffCommand shows who gains and who loses which route between two configurations.
func diffCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "diff <old> <new> [--adapter <name>] [--running[=old|new]] [--fail-on gain|loss|any] [--markdown] [--json]",
		Short: "Shows who gains and who loses which route between two configurations",
		Long: `
Shows who gains and who loses which route between two configurations, each with a
request that shows it. What becomes open to anybody comes first, losses come last.

<old> and <new> are each a configuration file, a folder that has a Caddyfile, or a file
or folder of a Git revision, as in git:HEAD~1:Caddyfile. With --running, the
configuration of a running Caddy is the old one (with --running=new, the new one), and
only the other is named. It gives the Applications that it has in force.

Nothing is sent: both configurations are read here, without being started. Both are asked
for the same requests, which are made of the matchers of all routes, and Caddy's own
router answers for each. How something is written makes no difference.

Secrets, keys and the values of placeholders that are not here are taken as present, and
named.`,
		Example: "  caddy tokenidp diff git:origin/main:Caddyfile Caddyfile --fail-on gain",
	}, command{
		exits: exitCodes{
			yes: "there is an answer, without what --fail-on names",
			no:  "with --fail-on, there is a gain, a loss, or any difference",
		},
		takesArguments: true,
		run:            runDiff,
	})
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file to take the admin address from, with --running"
	cmd.Flags().String("running", "", "Take the configuration of a running Caddy as the old or the new one")
	cmd.Flags().Lookup("running").NoOptDefVal = "old"
	cmd.Flags().String("fail-on", "", "End with exit code 1 on a gain, a loss, or any difference")
	cmd.Flags().Bool("markdown", false, "Print Markdown, as for a comment on a pull request")
	return cmd
}

func runDiff(c *call) error {
	failOn, err := c.failOn()
	if err != nil {
		return err
	}
	older, newer, err := c.diffSides()
	if err != nil {
		return err
	}
	defer older.close()
	defer newer.close()
	report := newDiffReport(reachdiff.Compare(older.probe, newer.probe), older, newer)
	if c.Bool("markdown") {
		err = c.out.lines(report.markdown())
	} else {
		err = c.show(report, report.tabulate)
	}
	if err == nil && report.isOn(failOn) {
		return answerNo("%s", report.summary())
	}
	return err
}

var failOns = []string{"gain", "loss", "any"}

func (c *call) failOn() (string, error) {
	on := c.String("fail-on")
	if on != "" && !slices.Contains(failOns, on) {
		return "", notOneOf("--fail-on", on, failOns)
	}
	return on, nil
}

// diffReport is the result of diff.
type diffReport struct {
	Old     string `json:"old"`
	New     string `json:"new"`
	Gains   int    `json:"gains"`
	Losses  int    `json:"losses"`
	Changes int    `json:"changes"`
	// Differences are sorted by danger.
	Differences []diffRow `json:"differences"`
	// Unseen are routes for which no request was made.
	Unseen []string `json:"unseen,omitempty"`
	// Unknown is what is missing here and counts as present.
	Unknown []string `json:"unknown,omitempty"`
}

// diffRow is one difference. Anybody without a token has no issuer. The holders of tokens
// of a trusted issuer have no clients.
type diffRow struct {
	Kind        string      `json:"kind"`
	Issuer      string      `json:"issuer,omitempty"`
	Clients     []string    `json:"clients,omitempty"`
	NewClients  bool        `json:"new_clients,omitempty"`
	GoneClients bool        `json:"gone_clients,omitempty"`
	Route       string      `json:"route"`
	NewRoute    bool        `json:"new_route,omitempty"`
	GoneRoute   bool        `json:"gone_route,omitempty"`
	Requests    []string    `json:"requests"`
	Before      diffOutcome `json:"before"`
	After       diffOutcome `json:"after"`
}

// diffOutcome is the result of a request.
type diffOutcome struct {
	Allowed      bool     `json:"allowed"`
	Status       int      `json:"status,omitempty"`
	Handler      string   `json:"handler,omitempty"`
	Scope        []string `json:"scope,omitempty"`
	Audience     string   `json:"audience,omitempty"`
	Conditions   []string `json:"conditions,omitempty"`
	ClaimHeaders []string `json:"claim_headers,omitempty"`
	ReportOnly   bool     `json:"report_only,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	Cause        string   `json:"cause,omitempty"`
	Rule         string   `json:"rule,omitempty"`
}

func newDiffReport(r *reachdiff.Report, older, newer *diffSide) *diffReport {
	report := &diffReport{Old: older.name, New: newer.name, Differences: []diffRow{}, Unseen: r.Unseen}
	for _, s := range []*diffSide{older, newer} {
		for _, what := range s.probe.Unknown() {
			report.Unknown = append(report.Unknown, s.shown(what))
		}
	}
	slices.Sort(report.Unknown)
	report.Unknown = slices.Compact(report.Unknown)
	for _, d := range r.Differences {
		switch {
		case d.IsGain():
			report.Gains++
		case d.IsLoss():
			report.Losses++
		default:
			report.Changes++
		}
		report.Differences = append(report.Differences, diffRow{
			Kind: string(d.Kind), Issuer: d.Issuer, Clients: d.Clients, NewClients: d.NewClients, GoneClients: d.GoneClients,
			Route: d.Route, NewRoute: d.NewRoute, GoneRoute: d.GoneRoute, Requests: shownRequests(d.Requests),
			Before: older.outcome(d.Before), After: newer.outcome(d.After),
		})
	}
	return report
}

func shownRequests(requests []probe.Request) (all []string) {
	for _, r := range requests {
		all = append(all, r.Shown())
	}
	return all
}

func (s *diffSide) outcome(o reachdiff.Outcome) diffOutcome {
	return diffOutcome{
		Allowed: o.Allowed, Status: o.Status, Handler: o.Handler, Scope: o.Scope, Audience: o.Audience, Conditions: o.Conditions,
		ClaimHeaders: o.ClaimHeaders, ReportOnly: o.ReportOnly, Reason: o.Reason, Cause: s.shown(o.Cause), Rule: s.shown(o.Rule),
	}
}

// isOn reports whether the report has a difference that --fail-on names.
func (r *diffReport) isOn(failOn string) bool {
	switch failOn {
	case "gain":
		return r.Gains > 0
	case "loss":
		return r.Losses > 0
	case "any":
		return len(r.Differences) > 0
	}
	return false
}

// summary counts the differences, such as: 2 gains, 1 loss, 0 changes.
func (r *diffReport) summary() string {
	return fmt.Sprintf("%s, %s, %s", counted(r.Gains, "gain", "gains"), counted(r.Losses, "loss", "losses"), counted(r.Changes, "change", "changes"))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
