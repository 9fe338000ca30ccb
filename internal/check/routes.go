package check

import (
	"fmt"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

var routeRules = []*Rule{
	{
		ID: "dead-verify", Severity: Error,
		Title:      "No request reaches a verify",
		Reason:     "It guards nothing. What it was written for is open, or is served by something else.",
		Correction: "Write `verify` before what answers the requests, or remove it.",
		find:       deadVerifies,
	},
	{
		ID: warning.ReportOnly, Severity: Warning,
		Title:      "A verify lets every request through",
		Reason:     "`report_only` only reports whom enforcement would refuse.",
		Correction: "Remove `report_only` once `caddy tokenidp report` shows nobody who should get through.",
	},
	{
		ID: warning.RewrittenPath, Severity: Error,
		Title:      "A verify matches on a path that was rewritten before",
		Reason:     "A request whose path is rewritten to another one passes without a token.",
		Correction: "Put `handle <path> { verify … }` around the route instead of a matcher on `verify`.",
	},
	{
		ID: warning.RefusedServed, Severity: Error,
		Title:      "Error routes serve what a verify has refused",
		Reason:     "Who is refused gets an answer of the API from `handle_errors`, without a token.",
		Correction: "Rewrite to an error page first, write `respond`, or write `handle_errors` with other statuses than 401 and 403.",
	},
	{
		ID: warning.ResponseUnverified, Severity: Error,
		Title:      "A response route serves requests without a token",
		Reason:     "The `handle_response` also sees the responses to requests that no `verify` has seen.",
		Correction: "Write `verify` in the `handle_response`, too.",
	},
	{
		ID: warning.RoutesNotUnderstood, Severity: Error,
		Title:      "The routes are too many to be followed",
		Reason:     "Named routes that invoke one another come to more than 100,000 routes. Nothing can be said about them.",
		Correction: "Invoke named routes less deeply.",
	},
	{
		ID: warning.UnknownClaimHeader, Severity: Warning,
		Title:      "A claim header will never be set",
		Reason:     "No token that the route accepts has the claim.",
		Correction: "Correct the name of the claim, or add it to `claims` of the Applications.",
	},
	{
		ID: warning.UnusedProtectedResource, Severity: Warning,
		Title:      "No verify accepts tokens for a protected_resource",
		Reason:     "Clients that follow its metadata get tokens that no route accepts.",
		Correction: "Write a `verify` with a scope of it, or with `audience` and its identifier, or remove it.",
	},
}

// deadVerifies finds verifies that no request reaches, and verifies in named routes that
// nothing invokes.
func deadVerifies(c *configuration, report reporter) {
	reached := make(map[any]bool)
	for _, r := range c.routes.Verifies() {
		reached[r.Handler] = true
		if !r.Reached {
			answered := "a handle before it takes"
			if r.Answered != nil {
				answered = r.Answered.String() + " before it answers"
			}
			report(Finding{Subject: r.ID, Route: r.ID, Place: placeOf(r.Handler.Source), Message: fmt.Sprintf("%s every request", answered)})
		}
	}
	for _, h := range c.routes.VerifyHandlers() {
		if !reached[h] {
			report(Finding{Subject: h.Source, Place: placeOf(h.Source), Message: "it is in a named route that nothing invokes"})
		}
	}
}
