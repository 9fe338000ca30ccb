package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// explainCommand tells whether a token passes, and why not.
func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain [--route <path or source>] [--offline] [--config <file>] [--json] [<token>|-]",
		Short: "Tells which routes a token passes, and why not the others",
		Long: `
Tells what a token says, and for each verify whether it would pass; if not, which
check fails, what was expected, what was found, and what to change.

Give the token on standard input: arguments are visible to others on this machine,
in the list of processes. Its signature is never printed.

A running Caddy is asked, unless --offline is given: then the configuration is
read here, and not started. Nothing is written, and keys come from the storage and
from files alone, so run it as the user that Caddy runs as.

--route shows what a request for a path can reach, as far as path matchers tell,
or the verify of a source, such as Caddyfile:12 or :12.

The exit code is 0 if the token passes every route shown, 1 if one refuses it, and
2 if there is no answer: wrong usage, or no Caddy to ask.`,
		Example: "  printf %s \"$TOKEN\" | caddy tokenidp explain --route /orders -",
		RunE:    caddycmd.WrapCommandFuncForCobra(cmdExplain),
		Args:    cobra.ArbitraryArgs, // an error of Cobra's might repeat a token
	}
	cmd.Flags().String("route", "", "Show only the routes of this path, or the one of this source")
	cmd.Flags().Bool("offline", false, "Explain by the configuration, without a running Caddy")
	cmd.SetFlagErrorFunc(noAnswerForFlags)
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file: with --offline, to explain by; else to take the admin address from"
	return cmd
}

func cmdExplain(fl caddycmd.Flags) (int, error) {
	token, err := givenToken(fl.Args())
	if err != nil {
		return exitNoAnswer, err
	}
	e, err := findExplanation(fl, token)
	if err != nil {
		return exitNoAnswer, err
	}
	if fl.Bool("json") {
		err = printLine(os.Stdout, e)
	} else {
		err = printExplanation(os.Stdout, e)
	}
	if err != nil {
		return exitNoAnswer, err
	}
	return caddy.ExitCodeFailedStartup, refused(e) // Caddy takes it for success without an error
}

// maxTokenInput bounds what is read from standard input, so that the admin endpoint
// takes it however it is escaped.
const maxTokenInput = 32 << 10

func givenToken(args []string) (string, error) {
	switch {
	case len(args) > 1:
		return "", errors.New("this command takes one token; quote it, or give it on standard input")
	case len(args) == 1 && args[0] != "-":
		return strings.TrimSpace(args[0]), nil
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
	return string(bytes.TrimSpace(data)), nil
}

func findExplanation(fl caddycmd.Flags, token string) (*adminapi.Explanation, error) {
	ask := explainRunning
	if fl.Bool("offline") {
		ask = explainConfigured
	}
	e, config, err := ask(fl, token)
	if err != nil {
		return nil, err
	}
	e.Routes, err = routesFor(e.Routes, func(r adminapi.RouteExplanation) string { return r.Source }, fl.String("route"), config)
	return e, err
}

// explainRunning asks a running Caddy. The configuration is what that runs.
func explainRunning(fl caddycmd.Flags, token string) (*adminapi.Explanation, []byte, error) {
	e := new(adminapi.Explanation)
	if _, err := tellAdmin(fl, http.MethodPost, "/tokenidp/explain", map[string]string{"token": token}, e); err != nil {
		return nil, nil, err
	}
	if fl.String("route") == "" {
		return e, nil, nil
	}
	config, err := askAdmin(fl, http.MethodGet, "/config/", new(json.RawMessage))
	return e, config, err
}

func explainConfigured(fl caddycmd.Flags, token string) (*adminapi.Explanation, []byte, error) {
	config, err := loadConfig(fl)
	if err != nil {
		return nil, nil, err
	}
	e, err := tokenidp.ExplainOffline(config, token)
	return e, config, err
}

// refused is an error unless the token passes all that is shown.
func refused(e *adminapi.Explanation) error {
	count := 0
	for _, r := range e.Routes {
		if !r.Passes {
			count++
		}
	}
	switch {
	case count > 0:
		return fmt.Errorf("the token is refused at %d of %d routes", count, len(e.Routes))
	case !e.Verdict.Passes:
		return fmt.Errorf("the token is refused: %s", e.Verdict.Reason)
	}
	return nil
}
