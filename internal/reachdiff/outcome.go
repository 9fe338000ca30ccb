package reachdiff

import (
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
)

// anonymous returns the outcome of the request without a token.
func (a answer) anonymous() Outcome {
	if a.Answer == nil {
		return Outcome{Reason: NotServed, Cause: a.notServed}
	}
	v := a.Anonymous
	o := Outcome{Allowed: v.Allowed, Status: v.Status, ReportOnly: a.ReportOnly()}
	if v.Allowed {
		o.Handler, o.ClaimHeaders = v.Handler, headersOf(v)
		return o
	}
	o.Reason, o.Cause = v.Reason, v.Cause
	if v.Refused != nil {
		o.Rule = v.Refused.Source
	}
	return o
}

// outcomeOf returns the outcome of the request for a class; nil means that the
// configuration does not know the client.
func (a answer) outcomeOf(c *reach.Class) Outcome {
	switch {
	case a.Answer == nil:
		return Outcome{Reason: NotServed, Cause: a.notServed}
	case a.Anonymous.Allowed:
		return a.anonymous()
	case a.First == nil: // no token would help
		o := a.anonymous()
		o.Status = a.Anonymous.Status
		return o
	case c == nil:
		return Outcome{Reason: UnknownClient, Cause: "it is not configured"}
	case c.Allowed:
		o := Outcome{Allowed: true, Scope: slices.Sorted(slices.Values(c.Scope)), Audience: c.Audience, Conditions: c.Conditions, Handler: c.Verdict.Handler, ClaimHeaders: headersOf(c.Verdict)}
		return o
	}
	o := Outcome{Reason: c.Reason, Cause: c.Cause}
	if c.By != nil {
		o.Rule = c.By.Source
	}
	return o
}

// headersOf returns the claim headers that the verifies on the way set.
func headersOf(v *probe.Verdict) (all []string) {
	for _, step := range v.Passed {
		for _, h := range step.Verify.ClaimHeaders {
			all = append(all, fmt.Sprintf("%s: %s", h.Header, h.Claim))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// asked returns what an outcome requires of a token.
func (o Outcome) asked() []string {
	return slices.Concat([]string{"for " + o.Audience}, o.Scope, o.Conditions)
}

// placeOf returns the ID of the route by which a request gets through.
func placeOf(v *probe.Verdict, r probe.Request) string {
	switch {
	case v == nil:
	case v.Route != nil:
		return v.Route.ID
	case len(v.Passed) > 0 && v.Passed[len(v.Passed)-1].Route != nil:
		return v.Passed[len(v.Passed)-1].Route.ID
	}
	return r.URL
}
