// Package testrun runs the tests that the files of Applications have.
package testrun

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Report is what came of the tests.
type Report struct {
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Results []Result `json:"results"`
	// Unknown is what is not here and counts as present.
	Unknown []string `json:"unknown,omitempty"`
	// Mistakes are tests of which nothing was found out.
	Mistakes []Mistake `json:"-"`
	// Refusing are the IDs of the routes whose verify has refused a request that is to be
	// refused.
	Refusing map[string]bool `json:"-"`
}

// Mistake is a test, or a request of one, about what there is not.
type Mistake struct {
	Source string
	Err    error
}

// Result is what came of one request of a test.
type Result struct {
	Source  string `json:"source"`
	Caller  string `json:"caller"`
	Request string `json:"request"`
	Expect  string `json:"expect"` // allow or deny
	Passed  bool   `json:"passed"`
	Status  int    `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Cause   string `json:"cause,omitempty"`
	// Rule is the verify that decided, as file:line, and Route how requests come to it.
	Rule    string `json:"rule,omitempty"`
	Route   string `json:"route,omitempty"`
	Handler string `json:"handler,omitempty"`
	Advice  string `json:"advice,omitempty"`
}

// Run runs all tests. It returns an error if the tests cannot be read.
func Run(p *probe.Probe) (*Report, error) {
	tests, err := allTests(p)
	if err != nil {
		return nil, err
	}
	r := &Report{Results: []Result{}, Unknown: p.Unknown(), Refusing: make(map[string]bool)}
	for _, t := range tests {
		r.run(p, t)
	}
	for _, one := range r.Results {
		if one.Passed {
			r.Passed++
		} else {
			r.Failed++
		}
	}
	return r, nil
}

// allTests are those of all files. Several issuers may have the same ones.
func allTests(p *probe.Probe) (all []*application.Test, err error) {
	sets := p.Applications()
	seen := make(map[string]bool)
	for _, issuer := range slices.Sorted(maps.Keys(sets)) {
		tests, wrong := sets[issuer].Tests()
		if wrong != nil {
			return nil, wrong
		}
		for _, t := range tests {
			if !seen[t.Source] {
				seen[t.Source] = true
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// run runs one test.
func (r *Report) run(p *probe.Probe, t *application.Test) {
	caller, err := callerOf(p, t)
	if err != nil {
		r.Mistakes = append(r.Mistakes, Mistake{t.Source, err})
		return
	}
	for _, one := range t.Requests {
		result, err := r.ask(p, caller, one)
		if err != nil {
			r.Mistakes = append(r.Mistakes, Mistake{one.Source, err})
			continue
		}
		r.Results = append(r.Results, result)
	}
}

func callerOf(p *probe.Probe, t *application.Test) (*probe.Caller, error) {
	switch {
	case t.Anonymous:
		return probe.Anonymous(), nil
	case t.Token != nil:
		return p.Claims(t.Token)
	}
	return p.Client(t.ClientID)
}

// EveryMethod is what * stands for.
var EveryMethod = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// ask asks about a request; of all methods, about those until one is not as the test
// says.
func (r *Report) ask(p *probe.Probe, caller *probe.Caller, tested application.TestedRequest) (result Result, err error) {
	methods := EveryMethod
	method, url, ok := strings.Cut(tested.Text, " ")
	if !ok || method != "*" {
		methods = []string{method}
	}
	for _, method := range methods {
		asked := probe.Request{Method: method, URL: url}
		if !ok {
			asked, err = probe.ParseRequest(tested.Text)
		}
		if err != nil {
			return result, err
		}
		v, err := p.Ask(asked, caller)
		if err != nil {
			return result, err
		}
		if result = newResult(caller, asked, tested, v); !result.Passed {
			break
		}
		if v.Refused != nil {
			r.Refusing[result.Route] = true
		}
	}
	if result.Passed {
		result.Request = tested.Text
	}
	return result, nil
}

func newResult(caller *probe.Caller, r probe.Request, tested application.TestedRequest, v *probe.Verdict) Result {
	t := Result{
		Source: tested.Source, Caller: caller.String(), Request: r.String(), Expect: "deny", Passed: v.Allowed == tested.Allow,
		Status: v.Status, Reason: v.Reason, Cause: v.Cause, Handler: v.Handler,
	}
	if tested.Allow {
		t.Expect = "allow"
	}
	if step := deciding(v); step != nil {
		t.Rule = step.Source
		if step.Route != nil {
			t.Route = step.Route.ID
		}
	}
	if !t.Passed {
		t.Advice = advise(caller, v)
	}
	return t
}

// deciding is the verify that refused the request, or the last that let it through.
func deciding(v *probe.Verdict) *probe.Step {
	switch {
	case v.Refused != nil:
		return v.Refused
	case len(v.Passed) > 0:
		return &v.Passed[len(v.Passed)-1]
	case len(v.Reported) > 0:
		return &v.Reported[len(v.Reported)-1]
	}
	return nil
}

// Outcome says in words what came of a request that is not as its test says.
func (r *Result) Outcome() string {
	if r.Expect == "deny" {
		return fmt.Sprintf("should be refused, but %s answers%s", r.Handler, r.behind(", behind "))
	}
	text := fmt.Sprintf("should get through, but is answered with %d: %s", r.Status, r.Reason)
	if r.Cause != "" {
		text += ": " + r.Cause
	}
	return text + r.behind(", by ")
}

func (r *Result) behind(word string) string {
	switch {
	case r.Rule == "" && r.Route == "":
		return ""
	case r.Route == "":
		return word + r.Rule
	}
	return word + cmp.Or(r.Rule, "the verify") + " (" + r.Route + ")"
}
