package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// usageCommand shows who used what, and what is not used.
func usageCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "usage [--client <client_id>] [--route <route>] [--scope <scope>] [--storms] [--unused-for <duration>] [--json]",
		Short: "Shows which Application used which scope on which route, and what nobody uses",
		Long: `
Shows what all servers that share the storage have counted, for up to 90 days: the
last token of each Application, the scopes that it may ask for, asked for and used on
a route; who called each route, and who was refused and why; and how many requests were
refused for each reason, also at the token endpoint.

Then it shows what nobody has used for --unused-for: scopes, with the lines of YAML
before and after, secrets, and whole Applications; and secrets that are used from many
networks. What is younger than that, or not known, is not shown. No file is changed.

--storms shows how many tokens each Application got in the last 24 hours, beside how
many it needs if it keeps a token until it expires.

--client and --scope show one Application or scope. --route shows one route as it is
shown here, the verify of a source (Caddyfile:12 or :12), or what a request can reach:
/orders/1, api.example.com/orders/1, or "POST api.example.com/orders/1".`,
		Example: "  caddy tokenidp usage --client orders-worker\n  caddy tokenidp usage --storms",
	}, command{
		exits:       exitCodes{yes: "the usage is shown, and nothing is found to change", no: "something is found"},
		noArguments: "name an Application with --client",
		run:         runUsage,
	})
	cmd.Flags().String("client", "", "Only this Application")
	cmd.Flags().String("scope", "", "Only this scope")
	cmd.Flags().String("route", "", routeUsage)
	cmd.Flags().Bool("storms", false, "Show how many tokens each Application got, beside how many it needs")
	cmd.Flags().String("unused-for", "", "How long nobody may have used what is found to be unused (default: 31d)")
	asksAdmin(cmd)
	return cmd
}

func runUsage(c *call) error {
	if c.Bool("storms") && c.String("route")+c.String("scope") != "" {
		return errors.New("--storms is about Applications; narrow it with --client alone")
	}
	u, err := findUsage(c)
	if err != nil {
		return err
	}
	if err := c.show(u, func(t *table) { tabulateUsage(t, u, c.Bool("storms"), c.String("route") != "") }); err != nil {
		return err
	}
	if len(u.Findings) > 0 {
		return answerNo("%d findings, the first: %s", len(u.Findings), u.Findings[0].Text)
	}
	return nil
}

func findUsage(c *call) (*adminapi.Usage, error) {
	client, err := c.admin()
	if err != nil {
		return nil, err
	}
	u, err := client.Usage(context.Background(), adminapi.UsageQuery{ClientID: c.String("client"), Scope: c.String("scope"), UnusedFor: c.String("unused-for")})
	if err != nil {
		return nil, err
	}
	if c.Bool("storms") {
		u.Findings = slices.DeleteFunc(u.Findings, func(f adminapi.Finding) bool { return f.Kind != adminapi.FindingStorm })
	}
	asked := c.String("route")
	if asked == "" {
		return u, nil
	}
	config, err := client.Config(context.Background())
	if err != nil {
		return nil, err
	}
	u.Findings, u.Applications = []adminapi.Finding{}, []adminapi.ApplicationUsage{}
	u.Routes, err = routesFor(u.Routes, func(r adminapi.RouteUsage) (id, source string) { return r.Route, r.Source }, asked, config)
	u.Refusals = slices.DeleteFunc(u.Refusals, func(r adminapi.ReasonUsage) bool {
		return !slices.ContainsFunc(u.Routes, func(of adminapi.RouteUsage) bool { return of.Route == r.Route })
	})
	return u, err
}

func tabulateUsage(t *table, u *adminapi.Usage, storms, routes bool) {
	t.row(windowOf(u))
	if u.NotToldApart > 0 {
		t.row(fmt.Sprintf("%d counts are of clients that are too many to be told apart", u.NotToldApart))
	}
	switch {
	case storms:
		tabulateStorms(t, u)
	case routes:
		tabulateCallers(t, u)
		tabulateReasons(t, u)
	default:
		tabulateApplications(t, u)
		tabulateCallers(t, u)
		tabulateReasons(t, u)
	}
	for _, f := range u.Findings {
		tabulateFinding(t, f)
	}
}

// windowOf describes the data behind the answer.
func windowOf(u *adminapi.Usage) string {
	text := fmt.Sprintf("counted since %s, by %d server", moment(u.Since), u.Nodes)
	if u.Nodes != 1 {
		text += "s"
	}
	if u.Problem != "" {
		text += "; not all is known: " + u.Problem
	}
	return text
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format("2006-01-02 15:04")
}

func tabulateApplications(t *table, u *adminapi.Usage) {
	t.row("APPLICATION", "SCOPE", "ASKED", "LAST ASKED", "USED", "LAST USED", "GRANTED SINCE")
	for _, a := range u.Applications {
		owner := a.ClientID
		if !a.Active {
			owner += " (inactive)"
		}
		t.row(owner, fmt.Sprintf("(%d tokens)", a.Tokens), "", moment(a.LastToken))
		for _, s := range a.Scopes {
			since := moment(s.GrantedSince)
			if !s.Granted {
				since = fmt.Sprintf("not granted; denied %d times", s.Denied)
			}
			t.row("", s.Scope, strconv.FormatUint(s.Asked, 10), moment(s.LastAsked), strconv.FormatUint(s.Used, 10), moment(s.LastUsed), since)
		}
		for _, s := range a.Secrets {
			if networks := networksOf(s); networks != "" {
				t.row("", "secret "+cmp.Or(s.SecretID, "-")+" from "+networks)
			}
		}
	}
}

func networksOf(s adminapi.SecretUsage) string {
	var names []string
	for _, n := range s.Networks {
		names = append(names, n.Network)
	}
	return strings.Join(names, ", ")
}

func tabulateCallers(t *table, u *adminapi.Usage) {
	for _, r := range u.Routes {
		t.row(titleOf(r.Route, r.Source))
		if len(r.Callers)+len(r.Refused) == 0 {
			t.row("nobody called it")
			continue
		}
		t.row("CALLER", "RESULT", "TIMES", "LAST")
		for _, c := range r.Callers {
			t.row(cmp.Or(c.ClientID, "(others)"), strings.TrimSpace("passed "+c.Scopes), strconv.FormatUint(c.Times, 10), moment(&c.Last))
		}
		result := "refused "
		if r.ReportOnly {
			result = "would be refused "
		}
		for _, g := range r.Refused {
			t.row(cmp.Or(g.ClientID, "(no valid token)"), result+g.Reason, strconv.FormatUint(g.Times, 10), moment(&g.Last))
		}
	}
}

// tabulateReasons joins the routes and the issuers.
func tabulateReasons(t *table, u *adminapi.Usage) {
	type kind struct{ at, reason string }
	found := make(map[kind]adminapi.ReasonUsage)
	var order []kind
	for _, r := range u.Refusals {
		k := kind{r.At, r.Reason}
		if r.ReportOnly {
			k.at += " (report_only)"
		}
		sum, there := found[k]
		if !there {
			order = append(order, k)
		}
		sum.LastDay, sum.Times = sum.LastDay+r.LastDay, sum.Times+r.Times
		if r.Last.After(sum.Last) {
			sum.Last = r.Last
		}
		found[k] = sum
	}
	if len(order) == 0 {
		return
	}
	slices.SortStableFunc(order, func(a, b kind) int { return -cmp.Compare(found[a].LastDay, found[b].LastDay) })
	t.row("REFUSED BY", "REASON", "24 HOURS", "IN ALL", "LAST")
	for _, k := range order {
		sum := found[k]
		t.row(k.at, k.reason, strconv.FormatUint(sum.LastDay, 10), strconv.FormatUint(sum.Times, 10), moment(&sum.Last))
	}
}

// tabulateStorms shows the largest excess first: tokens beyond what a client needs.
func tabulateStorms(t *table, u *adminapi.Usage) {
	found := slices.DeleteFunc(slices.Clone(u.Applications), func(a adminapi.ApplicationUsage) bool { return a.Storm == nil })
	slices.SortStableFunc(found, func(a, b adminapi.ApplicationUsage) int {
		return -cmp.Compare(float64(a.Storm.Tokens)/float64(a.Storm.Needed), float64(b.Storm.Tokens)/float64(b.Storm.Needed))
	})
	if len(found) == 0 {
		t.row("no token was issued in the last 24 hours")
		return
	}
	t.row("APPLICATION", "TOKENS IN 24 HOURS", "NEEDED", "STORM")
	for _, a := range found {
		storm := "no"
		if a.Storm.Excessive() {
			storm = "yes"
		}
		t.row(a.ClientID, strconv.FormatUint(a.Storm.Tokens, 10), strconv.FormatUint(a.Storm.Needed, 10), storm)
	}
}

// tabulateFinding shows the YAML before and after side by side.
func tabulateFinding(t *table, f adminapi.Finding) {
	t.row("FOUND: " + f.Text)
	for i, before := range f.Old {
		t.row("  "+f.Source, before, "→ "+cmp.Or(f.New[i], "(remove the line)"))
	}
	if len(f.Old) == 0 && f.Source != "" {
		t.row("  " + f.Source)
	}
}
