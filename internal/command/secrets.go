package command

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// secretsCommand lists the secrets of all Applications, and answers whether a secret can be
// removed.
func secretsCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "secrets [--client <client_id>] [--id <secret_id>] [--unused-for <duration>] [--retire] [--json]",
		Short: "Lists the client secrets: their age, expiry and last use, and which can be removed",
		Long: `
Lists the secrets of all Applications of a running Caddy: since when they are
watched, when they expire, when they were last used on any server, and whether
they can be removed.

With --retire, it answers for the one secret that --client and --id name, and shows
the file and the line of what to remove. The secret has to stay if it is the only
valid one, if a server saw it used within --unused-for, if it has been watched for
less than that, or if it is not known what other servers saw.`,
		Example: "  caddy tokenidp secrets\n  caddy tokenidp secrets --client orders-worker --id 2026-05 --retire",
	}, command{
		exits: exitCodes{yes: "the secrets are listed; with --retire: it can be removed", no: "with --retire: it may still be needed"},
		run:   runSecrets,
	})
	cmd.Flags().String("client", "", "Only the secrets of this Application")
	cmd.Flags().String("id", "", "Only the secret of this id")
	cmd.Flags().String("unused-for", "", "How long nobody may have used a secret that can be removed (default: 8d)")
	cmd.Flags().Bool("retire", false, "Answer whether the secret can be removed, and where it stands")
	asksAdmin(cmd)
	return cmd
}

func runSecrets(c *call) error {
	if c.Bool("retire") && (c.String("client") == "" || c.String("id") == "") {
		return errors.New("--retire is about one secret: name it with --client and --id")
	}
	client, err := c.admin()
	if err != nil {
		return err
	}
	pages := client.Secrets(context.Background(), adminapi.SecretsQuery{
		ClientID: c.String("client"), SecretID: c.String("id"), UnusedFor: c.String("unused-for"),
	})
	switch {
	case c.Bool("retire"):
		return retireSecret(c, pages)
	case c.Bool("json"):
		return streamSecrets(c.out, pages)
	}
	all, err := allSecrets(pages)
	if err != nil {
		return err
	}
	return c.out.table(func(t *table) { tabulateSecrets(t, all, time.Now()) })
}

// allSecrets joins the pages, so that each issuer has one entry.
func allSecrets(pages iter.Seq2[[]adminapi.IssuerSecrets, error]) (all []adminapi.IssuerSecrets, err error) {
	for page, err := range pages {
		if err != nil {
			return nil, err
		}
		for _, iss := range page {
			if last := len(all) - 1; last >= 0 && all[last].Issuer == iss.Issuer {
				all[last].Secrets = append(all[last].Secrets, iss.Secrets...)
			} else {
				all = append(all, iss)
			}
		}
	}
	return all, nil
}

// streamSecrets prints the JSON of the result of allSecrets, page by page.
func streamSecrets(out *printer, pages iter.Seq2[[]adminapi.IssuerSecrets, error]) error {
	stream := &secretStream{out: out}
	for page, err := range pages {
		if err != nil {
			return err
		}
		for _, iss := range page {
			if err := stream.add(iss); err != nil {
				return err
			}
		}
	}
	return stream.end()
}

// secretStream is a JSON list of issuers that grows.
type secretStream struct {
	out    *printer
	issuer string // the current issuer, "" at first
	begun  bool   // an issuer has been printed
}

const secretsEnd = "]}" // of the JSON of an issuer, whose last member is the list of secrets

func (s *secretStream) add(iss adminapi.IssuerSecrets) error {
	secrets := iss.Secrets
	if iss.Issuer != s.issuer {
		before := "["
		if s.issuer != "" {
			before = secretsEnd + ","
		}
		iss.Secrets = []adminapi.Secret{}
		head, err := encodeJSON(iss)
		if err != nil {
			return err
		}
		if err := s.out.part(before + strings.TrimSuffix(head, secretsEnd)); err != nil {
			return err
		}
		s.issuer, s.begun = iss.Issuer, false
	}
	if len(secrets) == 0 {
		return nil
	}
	list, err := encodeJSON(secrets)
	if err != nil {
		return err
	}
	list = list[1 : len(list)-1]
	if s.begun {
		list = "," + list
	}
	s.begun = true
	return s.out.part(list)
}

func (s *secretStream) end() error {
	if s.issuer == "" {
		return s.out.line("[]")
	}
	return s.out.line(secretsEnd + "]")
}

func tabulateSecrets(t *table, all []adminapi.IssuerSecrets, now time.Time) {
	for _, iss := range all {
		t.row(iss.Issuer)
		t.row("APPLICATION", "SECRET", "STATE", "EXPIRES", "WATCHED FOR", "LAST USED", "CAN BE REMOVED")
		for _, s := range iss.Secrets {
			owner, removable := s.ClientID, "yes"
			if !s.Active {
				owner += " (inactive)"
			}
			if !s.Removable {
				removable = "no: " + s.Needed
			}
			t.row(owner, s.SecretID, s.State, day(s.ExpiresAt), since(s.ObservedSince, now), day(s.LastUsed), removable)
		}
	}
}

// since returns an age in the unit that a person would use.
func since(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	switch age := now.Sub(*t); {
	case age >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(age.Hours()/24))
	case age >= time.Hour:
		return fmt.Sprintf("%dh", int(age.Hours()))
	default:
		return fmt.Sprintf("%dm", max(0, int(age.Minutes())))
	}
}

// retireSecret answers whether a secret can be removed. Several issuers with the same file
// may have it.
func retireSecret(c *call, pages iter.Seq2[[]adminapi.IssuerSecrets, error]) error {
	all, err := allSecrets(pages)
	if err != nil {
		return err
	}
	var found []adminapi.Secret
	for _, iss := range all {
		found = append(found, iss.Secrets...)
	}
	if err := c.show(all, func(t *table) { tabulateRetired(t, found) }); err != nil {
		return err
	}
	for _, s := range found {
		if !s.Removable {
			return answerNo("the secret %s of %s stays, because %s", s.SecretID, s.ClientID, s.Needed)
		}
	}
	return nil
}

// tabulateRetired shows what to remove, unless an issuer needs it.
func tabulateRetired(t *table, found []adminapi.Secret) {
	shown := make(map[string]bool)
	for _, s := range found {
		if !s.Removable {
			return
		}
	}
	for _, s := range found {
		place := fmt.Sprintf("%s:%d", s.File, s.Line)
		if !shown[place] {
			t.row(fmt.Sprintf("nobody uses the secret %s of %s any more; remove it at %s", s.SecretID, s.ClientID, place))
		}
		shown[place] = true
	}
}
