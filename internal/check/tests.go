package check

import (
	"fmt"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

var testRules = []*Rule{
	{
		ID: "test-fails", Severity: Error,
		Title:      "A test fails",
		Reason:     "The configuration does not do what its tests say: somebody gets through who should not, or does not who should.",
		Correction: "`caddy tokenidp test` says what would change the result. Change the configuration, or the test if it is wrong.",
		find:       failingTests,
	},
	{
		ID: warning.TestMistaken, Severity: Error,
		Title:      "A test has a mistake",
		Reason:     "Nothing is found out, although it looks tested: the test has a mistake in its form, or is about an Application, an issuer or a host that there is not.",
		Correction: "Correct the test, or remove it.",
		find:       mistakenTests,
	},
	{
		ID: "no-deny-test", Severity: Note,
		Title:      "No test says whom a verify refuses",
		Reason:     "A change that opens the route would not be noticed: tests of what works pass on an open route, too.",
		Correction: "Write a test with `deny` for a request that this verify must refuse.",
		find:       noDenyTests,
	},
}

func failingTests(c *configuration, report reporter) {
	if c.tests == nil {
		return
	}
	for _, r := range c.tests.Results {
		if !r.Passed {
			report(Finding{Subject: r.Caller, Route: r.Route, Place: placeOf(r.Source), Message: fmt.Sprintf("%s by %s %s; %s", r.Request, r.Caller, r.Outcome(), r.Advice)})
		}
	}
}

func mistakenTests(c *configuration, report reporter) {
	if c.tests == nil {
		return
	}
	for _, m := range c.tests.Mistakes {
		report(Finding{Place: placeOf(m.Source), Message: m.Err.Error(), Subject: nameOf(placeOf(m.Source).File)})
	}
}

// noDenyTests checks routes that accept tokens of Applications of files with tests.
func noDenyTests(c *configuration, report reporter) {
	if c.tests == nil || len(c.documents) == 0 {
		return
	}
	if guards := c.guards(); len(c.tests.Results)+len(c.tests.Mistakes) == 0 && len(guards) > 0 {
		report(Finding{Message: "no file of Applications has tests"})
		return
	}
	for _, r := range c.routes.Verifies() {
		if r.Reached && !r.Handler.ReportOnly() && !c.tests.Refusing[r.ID] {
			report(Finding{Subject: r.ID, Route: r.ID, Place: placeOf(r.Handler.Source), Message: "no test has a request that this verify refuses"})
		}
	}
}
