package command

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
)

// proofCommand makes a DPoP proof.
func proofCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "proof --key <file> [--method <method>] --url <url> [--nonce <nonce>]",
		Short: "Makes a DPoP proof for one request",
		Long: `
Makes a DPoP proof (RFC 9449) for one request that has a token bound to a key. The
token is read from standard input: arguments are visible to others on this machine,
in the list of processes. Without a token, as for a token request, let standard
input be empty.`,
		Example: `  curl -H "Authorization: DPoP $TOKEN" -H "DPoP: $(printf %s "$TOKEN" | caddy tokenidp proof --key dpop.pem --url https://api.example.com/orders)" https://api.example.com/orders`,
		RunE:    caddycmd.WrapCommandFuncForCobra(cmdProof),
		Args:    cobra.ArbitraryArgs, // an error of Cobra's might repeat a token
	}
	cmd.Flags().String("key", "", "PEM file with the private key that the token is bound to")
	cmd.Flags().String("method", "GET", "The method of the request")
	cmd.Flags().String("url", "", "The URL of the request; its query is left out")
	cmd.Flags().String("nonce", "", "The nonce that the server asked for in DPoP-Nonce")
	return cmd
}

func cmdProof(fl caddycmd.Flags) (int, error) {
	switch {
	case len(fl.Args()) > 0:
		return exit(errors.New("this command takes no arguments; give the token on standard input"))
	case fl.String("key") == "" || fl.String("url") == "":
		return exit(errors.New("a proof needs the key and the request; give --key and --url"))
	}
	key, err := readKey(fl.String("key"), "")
	if err != nil {
		return exit(fmt.Errorf("--key: %w", err))
	}
	p := client.Proof{Method: strings.ToUpper(fl.String("method")), URL: fl.String("url"), Nonce: fl.String("nonce")}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		if p.AccessToken, err = givenToken(nil); err != nil {
			return exit(err)
		}
	}
	proof, err := key.Proof(p, time.Now())
	if err != nil {
		return exit(err)
	}
	_, err = fmt.Println(proof)
	return caddy.ExitCodeSuccess, err
}
