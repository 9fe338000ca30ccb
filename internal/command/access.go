package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// accessCommand tells who can reach what.
func accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access [--client <client_id>] [--route <path or source>] [--denied] [--offline] [--config <file>] [--json]",
		Short: "Tells which Application can reach which route, before any request is made",
		Long: `
Tells for every verify which Applications can get a token that it lets through, the
least scope to ask for, and what else must hold: that the token is bound, or what an
expression says of the request. The answer is that of the token endpoint and of verify
themselves, for a token with all that the Application is granted.

It knows the Applications of this server. Which clients a trusted issuer has is not
known here. Without --client and --route it also tells which reverse_proxy and
file_server are reached without a token, as far as routes and their matchers tell.

--client shows one Application, with why it cannot reach the other routes; --denied
shows that for all. --route shows what a request for a path can reach, as far as path
matchers tell, or the verify of a source, such as Caddyfile:12 or :12.

A running Caddy is asked, unless --offline is given: then the configuration is read
here, and not started. Keep its output beside the configuration, and a review shows
whom a change lets in.

With --client, the exit code is 0 if the Application can reach every route shown, 1
if it cannot, and 2 if there is no answer: wrong usage, or no Caddy to ask.`,
		Example: "  caddy tokenidp access --client orders-worker --route /orders",
		RunE:    caddycmd.WrapCommandFuncForCobra(cmdAccess),
		Args:    cobra.ArbitraryArgs,
	}
	cmd.SetFlagErrorFunc(noAnswerForFlags)
	cmd.Flags().String("client", "", "Show this Application alone")
	cmd.Flags().String("route", "", "Show only the routes of this path, or the one of this source")
	cmd.Flags().Bool("denied", false, "Show also who cannot, and why")
	cmd.Flags().Bool("offline", false, "Answer by the configuration, without a running Caddy")
	asksAdmin(cmd)
	cmd.PersistentFlags().Lookup("config").Usage = "Configuration file: with --offline, to answer by; else to take the admin address from"
	return cmd
}

func cmdAccess(fl caddycmd.Flags) (int, error) {
	if fl.NArg() > 0 {
		return exitNoAnswer, errors.New("this command takes no arguments; name an Application with --client")
	}
	report, err := findAccess(fl)
	if err != nil {
		return exitNoAnswer, err
	}
	client := fl.String("client")
	if fl.Bool("json") {
		err = printLine(os.Stdout, report)
	} else {
		err = printAccess(os.Stdout, report, client != "" || fl.Bool("denied"))
	}
	switch {
	case err != nil:
		return exitNoAnswer, err
	case client != "":
		return caddy.ExitCodeFailedStartup, denied(report, client) // Caddy takes it for success without an error
	}
	return caddy.ExitCodeSuccess, nil
}

func findAccess(fl caddycmd.Flags) (*adminapi.Access, error) {
	ask := accessRunning
	if fl.Bool("offline") {
		ask = accessConfigured
	}
	report, config, err := ask(fl)
	if err != nil {
		return nil, err
	}
	if fl.String("route")+fl.String("client") == "" {
		report.Unguarded, err = tokenidp.Unguarded(config)
		return report, err
	}
	report.Routes, err = routesFor(report.Routes, func(r adminapi.RouteAccess) string { return r.Source }, fl.String("route"), config)
	return report, err
}

// accessRunning asks a running Caddy. The configuration is what that runs.
func accessRunning(fl caddycmd.Flags) (*adminapi.Access, []byte, error) {
	report := new(adminapi.Access)
	uri := "/tokenidp/access"
	if client := fl.String("client"); client != "" {
		uri += "?client_id=" + url.QueryEscape(client)
	}
	if _, err := askAdmin(fl, http.MethodGet, uri, report); err != nil {
		return nil, nil, err
	}
	config, err := askAdmin(fl, http.MethodGet, "/config/", new(json.RawMessage))
	return report, config, err
}

func accessConfigured(fl caddycmd.Flags) (*adminapi.Access, []byte, error) {
	config, err := loadConfig(fl)
	if err != nil {
		return nil, nil, err
	}
	report, err := tokenidp.AccessOffline(config, fl.String("client"))
	return report, config, err
}

// denied is an error unless the Application can reach all that is shown, each with a
// token of some issuer.
func denied(r *adminapi.Access, client string) error {
	reached := make(map[string]bool) // by the source of the route
	for _, route := range r.Routes {
		reached[route.Source] = reached[route.Source] || route.ReportOnly || slices.ContainsFunc(route.Clients, func(c adminapi.ClientAccess) bool { return c.Allowed })
	}
	denied := 0
	for _, ok := range reached {
		if !ok {
			denied++
		}
	}
	switch {
	case denied > 0:
		return fmt.Errorf("%s cannot reach %d of %d routes", client, denied, len(reached))
	case len(reached) == 0:
		return errors.New("no route has a verify")
	}
	return nil
}

func printAccess(w io.Writer, r *adminapi.Access, denied bool) error {
	return printTable(w, func(out io.Writer) {
		for _, route := range r.Routes {
			printRouteAccess(out, route, denied)
		}
		if len(r.Routes) == 0 {
			fmt.Fprintln(out, "no route has a verify")
		}
		for _, client := range r.Nowhere {
			fmt.Fprintf(out, "%s reaches no route of this server\n", printable(client))
		}
		for _, u := range r.Unguarded {
			fmt.Fprintln(out, printable(u.String()))
		}
	})
}

func printRouteAccess(out io.Writer, r adminapi.RouteAccess, denied bool) {
	title := fmt.Sprintf("%s: %s, with a token of %s", r.Source, r.RequiredScopes, r.Issuer)
	switch {
	case r.ReportOnly:
		title += " (it only reports, and lets everybody through)"
	case r.Conditional:
		title += " (where it matches; it lets other requests through)"
	}
	fmt.Fprintln(out, printable(title))
	row := func(who, how string) { fmt.Fprintf(out, "  %s\t%s\n", printable(who), printable(how)) }
	if r.Unknown && len(r.Clients) == 0 {
		row("its clients", "who they are is not known here")
		return
	}
	allowed := 0
	for _, c := range r.Clients {
		switch {
		case c.Allowed:
			allowed++
			row(c.ClientID, strings.Join(append([]string{"scope=" + c.Scope}, c.Conditions...), ", "))
		case denied:
			row(c.ClientID, "NO: "+c.Reason+": "+c.Cause)
		}
	}
	if allowed == 0 && !denied {
		row("nobody", "")
	}
}
