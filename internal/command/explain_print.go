package command

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

func printExplanation(w io.Writer, e *adminapi.Explanation) error {
	return printTable(w, func(out io.Writer) {
		printStatement(out, e.Token, time.Now())
		if !e.Verdict.Passes {
			printVerdict(out, e.Verdict, "REFUSED everywhere")
		} else {
			fmt.Fprintln(out, "the token is in order")
		}
		for _, r := range e.Routes {
			printRouteExplanation(out, r, e.Verdict)
		}
		if len(e.Routes) == 0 {
			fmt.Fprintln(out, "no route has a verify")
		}
	})
}

func printStatement(out io.Writer, s adminapi.Statement, now time.Time) {
	if s.Header == nil {
		fmt.Fprintln(out, "this is no JWT, so that none of it is shown")
		return
	}
	fmt.Fprintln(out, "the token says")
	row := func(name, value string) { fmt.Fprintf(out, "  %s\t%s\n", name, printable(cmp.Or(value, "-"))) }
	row("issuer", s.Issuer)
	row("client_id", s.ClientID)
	row("audience", strings.Join(s.Audience, " "))
	row("scope", s.Scope)
	if s.BoundTo != "" {
		row("bound to", s.BoundTo+", which is not looked at here")
	}
	row("issued", saidAt(s.IssuedAt, now))
	row("expires", saidAt(s.ExpiresAt, now))
	row("kid", s.KeyID)
	row("alg, typ", s.Algorithm+" "+s.Type)
	row("header", string(s.Header))
	row("claims", string(s.Claims))
}

// saidAt is a moment and how far that is from now.
func saidAt(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	distance := t.Sub(now).Round(time.Second)
	if distance < 0 {
		return fmt.Sprintf("%s, %s ago", t.Format(time.RFC3339), -distance)
	}
	return fmt.Sprintf("%s, in %s", t.Format(time.RFC3339), distance)
}

// printRouteExplanation does not repeat what is said of the token already.
func printRouteExplanation(out io.Writer, r adminapi.RouteExplanation, general adminapi.Verdict) {
	title := printable(strings.TrimSpace(fmt.Sprintf("%s: %s", cmp.Or(r.Source, "verify"), r.RequiredScopes)))
	switch {
	case r.Passes:
		fmt.Fprintln(out, title+": PASS")
	case r.Verdict == general:
		fmt.Fprintln(out, title+": REFUSED: "+printable(r.Reason))
	default:
		printVerdict(out, r.Verdict, title+": REFUSED")
	}
}

func printVerdict(out io.Writer, v adminapi.Verdict, title string) {
	fmt.Fprintf(out, "%s: %s (%d)\n", title, printable(v.Reason), v.Status)
	for _, row := range [][2]string{{"expected", v.Expected}, {"found", v.Found}, {"change", v.Change}} {
		if row[1] != "" {
			fmt.Fprintf(out, "  %s\t%s\n", row[0], printable(row[1]))
		}
	}
}
