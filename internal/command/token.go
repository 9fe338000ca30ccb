package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/statement"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
)

// tokenCommand requests a token as a service does.
func tokenCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "token --issuer <url> --client-id <id> [<credentials>] [--scope <scopes>] [--raw|--json]",
		Short: "Gets a token as a service would, and shows what is in it",
		Long: `
Gets a token as a service would, and shows what is in it, but for its signature.
--raw prints the token alone, for scripts. The token endpoint is found in the
metadata of --issuer, or given with --token-endpoint.

The credentials are one of

  --secret-file, --secret-env   a client secret; without any credentials, it is
                                read from the terminal or from standard input
  --key                         a private key (private_key_jwt), as made by
                                'caddy tokenidp keypair'
  --assertion-file              a token of another issuer that vouches for this
                                workload, such as the one that Kubernetes projects
  --cert, --cert-key            a TLS client certificate

A certificate beside other credentials is for a token that is bound to it. With
--dpop=<file>, the token is bound to the private key in the file, and with --dpop
alone to one that is made for this request, and forgotten.

Servers are trusted as this machine trusts them, and on the loopback interface also
if Caddy's own CA has signed for them; or as --ca says, and then only so.`,
		Example: "  TOKEN=$(caddy tokenidp token --raw --issuer https://idp.example.com --client-id orders-worker --secret-file /run/secrets/orders-worker)",
	}, command{
		exits: exitCodes{
			yes: "there is a token", no: "the server refuses to issue one", tryLater: "the server asks to try again later",
		},
		takesArguments: true,
		run:            runToken,
	})
	for _, flag := range [][2]string{
		{"issuer", "The issuer, whose metadata tell where its token endpoint is"},
		{"token-endpoint", "The token endpoint, instead of asking for metadata"},
		{"client-id", "The client_id"},
		{"secret-file", "File with the client secret; one newline at its end is not part of it"},
		{"secret-env", "Name of the environment variable that holds the client secret"},
		{"key", "PEM file with the private key of private_key_jwt"},
		{"alg", "The algorithm of --key (default: of its type, and RS256 for RSA)"},
		{"kid", "The kid that --key is registered with (default: its thumbprint)"},
		{"assertion-file", "File with the token of another issuer"},
		{"cert", "PEM file with the TLS client certificate"},
		{"cert-key", "PEM file with the private key of --cert (default: the file of --cert)"},
		{"dpop", "Bind the token to the private key in this PEM file"},
		{"scope", "The scopes to ask for, separated by spaces (default: the Application's default)"},
		{"resource", "The URI of the API that the token is for (RFC 8707)"},
		{"ca", "PEM file with the certificates of the CAs to trust, and no others"},
	} {
		cmd.Flags().String(flag[0], "", flag[1])
	}
	cmd.Flags().Lookup("dpop").NoOptDefVal = newDPoPKey
	cmd.Flags().Bool("post", false, "Send the secret in the body (client_secret_post) instead of with Basic")
	cmd.Flags().Bool("raw", false, "Print the token alone")
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.Flags().Duration("timeout", 10*time.Second, "How long to wait for the server")
	return cmd
}

// newDPoPKey is the value for a new key that no file keeps.
const newDPoPKey = "-"

func runToken(c *call) error {
	if err := checkTokenFlags(c.Flags); err != nil {
		return err
	}
	asker, err := newTokenClient(c)
	if err != nil {
		return err
	}
	token, err := askForToken(c.Flags, asker)
	refusal, refused := errors.AsType[*client.Refusal](err)
	switch {
	case refused && refusal.Passing():
		return answer{exitTryLater, adviseRefused(refusal, c.Flags)}
	case refused:
		return answer{exitNo, adviseRefused(refusal, c.Flags)}
	case err != nil:
		return adviseUnreachable(err)
	}
	return showToken(c, asker.Server, token)
}

// askForToken starts the timeout for the server after it has read all input, because a
// person may have to type the secret.
func askForToken(fl caddycmd.Flags, c *client.Client) (*client.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fl.Duration("timeout"))
	defer cancel()
	if c.Server.TokenEndpoint == "" {
		server, err := client.Discover(ctx, c.Web, c.Server.Issuer)
		if err != nil {
			return nil, err
		}
		c.Server = *server
	}
	return c.Token(ctx, client.Request{Scope: fl.String("scope"), Resource: fl.String("resource")})
}

// shownToken is a token with its claims.
type shownToken struct {
	*client.Token
	Header json.RawMessage `json:"header,omitempty"`
	Claims json.RawMessage `json:"claims,omitempty"`
}

func showToken(c *call, server client.Server, token *client.Token) error {
	if token.SecretExpiresAt != "" {
		c.out.warn(fmt.Sprintf("warning: the secret expires on %s; get another one", token.SecretExpiresAt))
	}
	statement := statement.Read(token.AccessToken)
	switch {
	case c.Bool("raw"):
		return c.out.line(token.AccessToken)
	case c.Bool("json"):
		return c.out.json(shownToken{token, statement.Header, statement.Claims})
	}
	return c.out.table(func(t *table) {
		t.row(fmt.Sprintf("a %s token from %s, %s", token.TokenType, cmp.Or(server.Issuer, server.TokenEndpoint), validity(token.ExpiresIn)))
		if token.Scope != "" && token.Scope != statement.Scope {
			t.row("the server grants " + token.Scope)
		}
		tabulateStatement(t, statement, time.Now())
		if c.String("dpop") == newDPoPKey {
			t.row("the key that it is bound to is forgotten; for a token to use, give --dpop=<file>")
		}
		t.row("the token itself is printed with --raw, or with --json")
	})
}

func validity(seconds int64) string {
	if seconds <= 0 || seconds > 1<<31 {
		return "valid for a time that the server does not tell"
	}
	return fmt.Sprintf("valid for %s", time.Duration(seconds)*time.Second)
}
