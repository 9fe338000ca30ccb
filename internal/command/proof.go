package command

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
)

// proofCommand makes a DPoP proof.
func proofCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "proof --key <file> [--method <method>] --url <url> [--nonce <nonce>]",
		Short: "Makes a DPoP proof for one request",
		Long: `
Makes a DPoP proof (RFC 9449) for one request that has a token bound to a key. The
token is read from standard input: arguments are visible to others on this machine,
in the list of processes. Without a token, as for a token request, let standard
input be empty.`,
		Example: `  curl -H "Authorization: DPoP $TOKEN" -H "DPoP: $(printf %s "$TOKEN" | caddy tokenidp proof --key dpop.pem --url https://api.example.com/orders)" https://api.example.com/orders`,
	}, command{exits: exitCodes{yes: "there is a proof"}, noArguments: "give the token on standard input", run: runProof})
	cmd.Flags().String("key", "", "PEM file with the private key that the token is bound to")
	cmd.Flags().String("method", "GET", "The method of the request")
	cmd.Flags().String("url", "", "The URL of the request; its query is left out")
	cmd.Flags().String("nonce", "", "The nonce that the server asked for in DPoP-Nonce")
	return cmd
}

func runProof(c *call) error {
	if c.String("key") == "" || c.String("url") == "" {
		return errors.New("a proof needs the key and the request; give --key and --url")
	}
	key, err := readKey(c.String("key"), "")
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	p := client.Proof{Method: strings.ToUpper(c.String("method")), URL: c.String("url"), Nonce: c.String("nonce")}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		if p.AccessToken, err = givenToken(nil); err != nil {
			return err
		}
	}
	proof, err := key.Proof(p, time.Now())
	if err != nil {
		return err
	}
	return c.out.line(proof)
}
