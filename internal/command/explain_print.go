package command

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

func tabulateExplanation(t *table, e *adminapi.Explanation) {
	tabulateStatement(t, e.Token, time.Now())
	if e.Verdict.Passes {
		t.row("the token is in order")
	} else {
		tabulateVerdict(t, e.Verdict, "REFUSED everywhere")
	}
	for _, r := range e.Routes {
		tabulateRoute(t, r, e.Verdict)
	}
	if len(e.Routes) == 0 {
		t.row("no route has a verify")
	}
}

func tabulateStatement(t *table, s adminapi.Statement, now time.Time) {
	if s.Header == nil {
		t.row("this is no JWT, so that none of it is shown")
		return
	}
	t.row("the token says")
	row := func(name, value string) { t.row("  "+name, cmp.Or(value, "-")) }
	row("issuer", s.Issuer)
	row("client_id", s.ClientID)
	row("audience", strings.Join(s.Audience, " "))
	row("scope", s.Scope)
	if s.BoundTo != "" {
		row("bound to", s.BoundTo+", which is not looked at here")
	}
	row("issued", withDistance(s.IssuedAt, now))
	row("expires", withDistance(s.ExpiresAt, now))
	row("kid", s.KeyID)
	row("alg, typ", s.Algorithm+" "+s.Type)
	row("header", string(s.Header))
	row("claims", string(s.Claims))
}

// withDistance returns a moment and its distance from now.
func withDistance(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	distance := t.Sub(now).Round(time.Second)
	if distance < 0 {
		return fmt.Sprintf("%s, %s ago", t.Format(time.RFC3339), -distance)
	}
	return fmt.Sprintf("%s, in %s", t.Format(time.RFC3339), distance)
}

// tabulateRoute does not repeat facts about the token.
func tabulateRoute(t *table, r adminapi.RouteExplanation, general adminapi.Verdict) {
	title := strings.TrimSpace(fmt.Sprintf("%s: %s", titleOf(r.Route, r.Source), r.RequiredScopes))
	switch {
	case r.Passes:
		t.row(title + ": PASS")
	case r.Verdict == general:
		t.row(title + ": REFUSED: " + r.Reason)
	default:
		tabulateVerdict(t, r.Verdict, title+": REFUSED")
	}
}

func tabulateVerdict(t *table, v adminapi.Verdict, title string) {
	t.row(fmt.Sprintf("%s: %s (%d)", title, v.Reason, v.Status))
	for _, row := range [][2]string{{"expected", v.Expected}, {"found", v.Found}, {"change", v.Change}} {
		if row[1] != "" {
			t.row("  "+row[0], row[1])
		}
	}
}
