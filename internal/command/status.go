package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// statusCommand reports whether everything is in order.
func statusCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "status [--ready] [--json]",
		Short: "Shows what is in force in a running Caddy, and what is not in order",
		Long: `
Shows what is in force in a running Caddy: the issuers, their Applications and
files, the key that signs, the secrets that expire, the issuers that are trusted,
and the shared state; and what is not in order, such as a broken file that is not
in force.

With --ready, it answers only whether this server can do its work, as the matcher
tokenidp_ready does. Use this for the health check of a container: a broken file is
a reason to look at the server, but not a reason to restart it.`,
	}, command{
		exits: exitCodes{yes: "all is in order; with --ready: the server can do its work", no: "something is not; with --ready: it cannot"},
		run:   runStatus,
	})
	cmd.Flags().Bool("ready", false, "Answer only whether this server can do its work, for health checks")
	asksAdmin(cmd)
	return cmd
}

func runStatus(c *call) error {
	client, err := c.admin()
	if err != nil {
		return err
	}
	s, err := client.Status(context.Background())
	if err != nil {
		return err
	}
	if c.Bool("ready") {
		return answerReady(c, s)
	}
	if err := c.show(s, func(t *table) { tabulateStatus(t, s) }); err != nil {
		return err
	}
	switch problems := s.Problems(); {
	case len(problems) > 0:
		return answerNo("%s", problems[0])
	case !s.Ready:
		return errNotReady
	}
	return nil
}

var errNotReady = answerNo("this server is not ready")

// answerReady answers whether the server can do its work, whatever else is not in order.
func answerReady(c *call, s *adminapi.Status) error {
	if err := c.show(map[string]bool{"ready": s.Ready}, func(t *table) { tabulateReady(t, s) }); err != nil {
		return err
	}
	if !s.Ready {
		return errNotReady
	}
	return nil
}

func tabulateReady(t *table, s *adminapi.Status) {
	if s.Ready {
		t.row("this server is ready")
	}
}

func tabulateStatus(t *table, s *adminapi.Status) {
	for _, iss := range s.Issuers {
		tabulateIssuer(t, iss)
	}
	for _, trusted := range s.Trusted {
		t.row(trusted.Issuer, fmt.Sprintf("trusted, %d keys", trusted.Keys))
	}
	synced := "never read"
	if s.State.LastSync != nil {
		synced = "current at " + s.State.LastSync.Format(time.RFC3339)
	}
	t.row("state", s.State.Kind, fmt.Sprintf("%d revocations, %s", s.State.Revocations, synced))
	if s.ReloadFailed {
		t.row("RELOAD FAILED", "the configuration that serves is the one of "+day(s.Since)+"; correct the other one, or load this one again with caddy reload --force")
	}
	problems := s.Problems()
	for _, problem := range problems {
		t.row("PROBLEM", problem)
	}
	switch {
	case !s.Ready:
		t.row("this server is not ready")
	case len(problems) == 0 && s.ReloadFailed:
		t.row("what serves is in order")
	case len(problems) == 0:
		t.row("all is in order")
	}
}

func tabulateIssuer(t *table, iss adminapi.IssuerStatus) {
	does := "verifies only"
	if iss.Issues {
		does = "issues, with key " + iss.ActiveKey
	}
	t.row(iss.Issuer, does)
	if len(iss.Applications) > 0 {
		t.row("applications", fmt.Sprintf("%d active, %d inactive", iss.Applications["active"], iss.Applications["inactive"]))
		t.row("secrets", fmt.Sprintf("%d valid, %d expiring within 30 days, %d expired", iss.Secrets["valid"], iss.Secrets["expiring"], iss.Secrets["expired"]))
	}
	for _, f := range iss.Files {
		if f.Departed {
			continue // its problem is enough
		}
		t.row("file", f.Path, fmt.Sprintf("%d applications, in force since %s", f.Applications, day(f.LoadedAt)))
	}
}
