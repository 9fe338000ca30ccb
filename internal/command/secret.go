package command

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// secretCommand makes a client secret, or hashes an existing secret.
func secretCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "secret [--hash] [--id <id>] [--expires <date>] [--json]",
		Short: "Makes a client secret and the YAML that declares it",
		Long: `
Makes a client secret and prints it, once, with the YAML to paste into
applications.yaml. Only its hash is in the YAML: keep the secret itself in the
secret manager of the service that uses it.

With --hash, hashes a secret that exists already. It is read from the terminal
without echo, or from standard input; one newline at its end is not part of it.
A secret that you chose yourself gets a slow hash (argon2id), since it may be
guessed; one made by this command cannot be.`,
		Example: "  caddy tokenidp secret --expires 2027-06-30\n  vault read -field=secret … | caddy tokenidp secret --hash",
	}, command{
		exits:       exitCodes{yes: "there is a secret, or its hash"},
		noArguments: "with --hash, the secret is read from the terminal or standard input",
		run:         runSecret,
	})
	cmd.Flags().Bool("hash", false, "Hash a secret read from the terminal or standard input")
	cmd.Flags().String("id", "", "The id of the secret, for logs and lists (default: today's date and random digits)")
	cmd.Flags().String("expires", "", "The last day on which the secret is valid, as 2027-06-30 (default: in one year)")
	cmd.Flags().Bool("json", false, "Print JSON")
	return cmd
}

// declaration is a client secret as applications.yaml declares it.
type declaration struct {
	Secret  string `json:"secret,omitempty"` // only if it was made here
	ID      string `json:"id"`
	Hash    string `json:"hash"`
	Expires string `json:"expires"`
}

func runSecret(c *call) error {
	d := declaration{ID: c.String("id"), Expires: c.String("expires")}
	err := d.complete(time.Now().UTC())
	if err != nil {
		return err
	}
	if c.Bool("hash") {
		d.Hash, err = hashFromInput(c.out)
	} else {
		d.Secret = secret.Generate()
		d.Hash, err = secret.HashGenerated(d.Secret)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return c.out.json(d)
	}
	return c.out.lines(d.text())
}

// complete sets the missing fields, and refuses what applications.yaml refuses.
func (d *declaration) complete(now time.Time) error {
	today := now.Format(time.DateOnly)
	if d.ID == "" {
		// The number distinguishes two secrets of the same day, in logs and in
		// what is known of their use.
		number, err := rand.Int(rand.Reader, big.NewInt(900_000))
		if err != nil {
			return fmt.Errorf("drawing an id: %w", err)
		}
		d.ID = fmt.Sprintf("%s.%d", today, 100_000+number.Int64())
	}
	if err := application.CheckSecretID(d.ID); err != nil {
		return fmt.Errorf("--id %w", err)
	}
	if d.Expires == "" {
		d.Expires = now.AddDate(1, 0, 0).Format(time.DateOnly)
	}
	if _, err := time.Parse(time.DateOnly, d.Expires); err != nil {
		return fmt.Errorf("--expires %q is not a date; write it as 2027-06-30", d.Expires)
	}
	if d.Expires < today { // as text: both have the same form
		return fmt.Errorf("--expires %s is in the past", d.Expires)
	}
	return nil
}

func (d declaration) text() string {
	text := fmt.Sprintf("    secrets:\n      - id: %q\n        hash: %q\n        expires: %s\n", d.ID, d.Hash, d.Expires)
	if d.Secret == "" {
		return text
	}
	return d.Secret + "\n\nThis is the secret. Put it into the service's secret manager now: it is not shown again.\n" +
		"Then declare its hash under the Application in applications.yaml:\n\n" + text
}

func hashFromInput(out *printer) (string, error) {
	plain, err := readSecret(out)
	if err != nil {
		return "", err
	}
	switch secret.Classify(plain) {
	case secret.Generated:
		return secret.HashGenerated(plain)
	case secret.Mistyped:
		return "", errors.New("this looks like a secret made by `caddy tokenidp secret`, but its checksum is wrong; copy it again, whole")
	default:
		return secret.HashChosen(plain)
	}
}

// maxSecretInput limits the input that is read as a secret.
const maxSecretInput = 4096

func readSecret(out *printer) (string, error) {
	stdin := int(os.Stdin.Fd())
	if term.IsTerminal(stdin) {
		return promptSecret(stdin, out)
	}
	return readSecretFrom(os.Stdin, "standard input")
}

// readSecretFrom removes one newline at the end, because it is the end of a line.
func readSecretFrom(r io.Reader, from string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSecretInput+1))
	if err != nil {
		return "", fmt.Errorf("reading the secret from %s: %w", from, err)
	}
	if len(data) > maxSecretInput {
		return "", fmt.Errorf("the secret on %s is longer than %d bytes", from, maxSecretInput)
	}
	data = ascii.WithoutBOM(data)
	if line, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		data = bytes.TrimSuffix(line, []byte("\r"))
	}
	return string(data), nil
}

// promptSecret reads from a terminal without echo. It turns the echo on again, also after
// an interrupt.
func promptSecret(terminal int, out *printer) (string, error) {
	if echoing, err := term.GetState(terminal); err == nil {
		interrupts := make(chan os.Signal, 1)
		signal.Notify(interrupts, os.Interrupt)
		defer signal.Stop(interrupts)
		go func() {
			<-interrupts
			_ = term.Restore(terminal, echoing)
			out.warn("")
			os.Exit(exitNoAnswer)
		}()
	}
	out.prompt("Secret (not shown): ")
	secret, err := term.ReadPassword(terminal)
	out.warn("")
	return string(secret), err
}
