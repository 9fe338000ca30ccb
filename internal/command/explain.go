package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/adminendpoint"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// explainCommand shows whether a token is accepted, and why not.
func explainCommand() *cobra.Command {
	cmd := newCommand(&cobra.Command{
		Use:   "explain [--route <route>] [--offline] [--config <file>] [--json] [<token>|-]",
		Short: "Shows which routes a token passes, and why not the others",
		Long: `
Shows what a token says, and for each verify whether it would pass; if not, which
check fails, what was expected, what was found, and what to change.

Give the token on standard input: arguments are visible to others on this machine,
in the list of processes. Its signature is never printed.

A running Caddy is asked, unless --offline is given: then the configuration is
read here, and not started. Nothing is written, and keys come from the storage and
from files alone, so run it as the user that Caddy runs as.

A route is host, path, method and further matchers. Its file and line stand beside it.
--route shows one route as it is shown here, the verify of a source (Caddyfile:12 or
:12), or what a request can reach, as far as matchers say: /orders/1,
api.example.com/orders/1, or "POST api.example.com/orders/1".`,
		Example: "  printf %s \"$TOKEN\" | caddy tokenidp explain --route /orders -",
	}, command{
		exits:          exitCodes{yes: "the token passes every route shown", no: "one of them refuses it"},
		takesArguments: true,
		run:            runExplain,
	})
	cmd.Flags().String("route", "", routeUsage)
	cmd.Flags().Bool("offline", false, "Explain by the configuration, without a running Caddy")
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file: with --offline, to explain by; else to take the admin address from"
	return cmd
}

func runExplain(c *call) error {
	token, err := givenToken(c.Args())
	if err != nil {
		return err
	}
	e, err := findExplanation(c, token)
	if err != nil {
		return err
	}
	if err := c.show(e, func(t *table) { tabulateExplanation(t, e) }); err != nil {
		return err
	}
	return refused(e)
}

// maxTokenInput limits what is read from standard input, so that the admin endpoint accepts
// it however it is escaped.
const maxTokenInput = 32 << 10

// givenToken returns the token. It is not empty.
func givenToken(args []string) (string, error) {
	token, err := pastedToken(args)
	if err == nil && token == "" {
		err = errors.New("the token is empty; is the variable set that should hold it?")
	}
	return token, err
}

func pastedToken(args []string) (string, error) {
	given := adminapi.TokenIn(strings.Join(args, " ")) // also finds it in an unquoted "Bearer <token>"
	switch {
	case len(args) > 1 && strings.Contains(given, " "):
		return "", errors.New("this command takes one token; quote it, or give it on standard input")
	case len(args) > 0 && given != "-":
		return given, nil
	case term.IsTerminal(int(os.Stdin.Fd())):
		return "", errors.New("there is no token; give it on standard input, as in: printf %s \"$TOKEN\" | caddy tokenidp explain -")
	}
	return readGivenToken(os.Stdin, "standard input")
}

func readGivenToken(r io.Reader, from string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTokenInput+1))
	if err != nil {
		return "", fmt.Errorf("reading the token from %s: %w", from, err)
	}
	if len(data) > maxTokenInput {
		return "", fmt.Errorf("what is on %s is longer than %d bytes, and no token", from, maxTokenInput)
	}
	return adminapi.TokenIn(string(ascii.WithoutBOM(data))), nil
}

func findExplanation(c *call, token string) (*adminapi.Explanation, error) {
	ask := explainRunning
	if c.Bool("offline") {
		ask = explainConfigured
	}
	e, config, err := ask(c, token)
	if err != nil {
		return nil, err
	}
	e.Routes, err = routesFor(e.Routes, func(r adminapi.RouteExplanation) (id, source string) { return r.Route, r.Source }, c.String("route"), config)
	return e, err
}

// explainRunning asks a running Caddy, about the configuration that it runs.
func explainRunning(c *call, token string) (*adminapi.Explanation, []byte, error) {
	client, err := c.admin()
	if err != nil {
		return nil, nil, err
	}
	e, err := client.Explain(context.Background(), token)
	if err != nil || c.String("route") == "" {
		return e, nil, err
	}
	config, err := client.Config(context.Background())
	return e, config, err
}

func explainConfigured(c *call, token string) (*adminapi.Explanation, []byte, error) {
	config, err := c.config()
	if err != nil {
		return nil, nil, err
	}
	e, err := adminendpoint.ExplainOffline(config, token)
	return e, config, err
}

// refused returns an error unless the token passes every route in the answer.
func refused(e *adminapi.Explanation) error {
	count := 0
	for _, r := range e.Routes {
		if !r.Passes {
			count++
		}
	}
	switch {
	case count > 0:
		return answerNo("the token is refused at %d of %d routes", count, len(e.Routes))
	case !e.Verdict.Passes:
		return answerNo("the token is refused: %s", e.Verdict.Reason)
	}
	return nil
}
