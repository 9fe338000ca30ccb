// Package reach finds out which Applications get through with a request, with which scope,
// and why the others do not. The answer comes from a [probe.Probe]: from Caddy's own router
// and from the code of /token and verify.
//
// Many Applications do not differ in anything on which a request depends. So Ask judges one
// Application, and notes which features the answer has read (whether it has a scope, the
// value of a claim, how its tokens are bound). All Applications with equal features get the
// same answer. Only these classes are judged, whatever the number of Applications.
//
//	m := reach.New(p)
//	answer, err := m.Ask(ctx, probe.Request{Method: "POST", URL: "https://api.example.com/orders"})
//	answer.Open()                                 // nobody needs a token
//	answer.Of("https://idp.example.com", "worker") // its class: Allowed, Scope, Reason, …
//	for _, class := range answer.Classes { … }
//
// An Application belongs to one issuer: if two issuers have it, it is in two classes. The
// clients of a trusted issuer are not known here. They are all in one class: every client
// whose token has what the routes require.
package reach

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Map answers questions about one configuration. It is safe for concurrent use.
type Map struct {
	probe   *probe.Probe
	issuers []*issuer
	asked   atomic.Int64
}

// New returns the Map of a configuration. It uses the Applications that are in force now.
func New(p *probe.Probe) *Map {
	m := &Map{probe: p}
	for _, one := range p.TokenIssuers() {
		m.issuers = append(m.issuers, newIssuer(one))
	}
	return m
}

// Asked returns how many verdicts the probe has given.
func (m *Map) Asked() int { return int(m.asked.Load()) }

// Answer says who gets through with a request.
type Answer struct {
	// Anonymous is the verdict on the request without a token.
	Anonymous *probe.Verdict
	// First is the verify that first reads the token of the request, or nil. Without it
	// there are no classes.
	First *probe.Step
	// Classes are the classes of each issuer, in the order of the configuration. For each
	// issuer, the classes that get through come first. It is empty if the request needs no
	// token.
	Classes []*Class
}

// Open reports whether the request gets through without a token. A request that a verify
// would refuse without report_only is not open: Classes has the clients that the verify
// accepts.
func (a *Answer) Open() bool { return a.Anonymous.Allowed && len(a.Anonymous.Reported) == 0 }

// ReportOnly reports whether the request gets through without a token because verifies on
// its way only report.
func (a *Answer) ReportOnly() bool { return a.Anonymous.Allowed && len(a.Anonymous.Reported) > 0 }

// Of returns the class of the Application of the issuer, or nil if there is none.
func (a *Answer) Of(issuer, clientID string) *Class {
	for _, c := range a.Classes {
		if c.Issuer == issuer && c.Has(clientID) {
			return c
		}
	}
	return nil
}

// Equal reports whether the answers differ only in the request.
func (a *Answer) Equal(b *Answer) bool {
	return a.Anonymous.Allowed == b.Anonymous.Allowed && a.Anonymous.Reason == b.Anonymous.Reason && a.Anonymous.Handler == b.Anonymous.Handler &&
		placeOf(a.First) == placeOf(b.First) && slices.EqualFunc(a.Classes, b.Classes, (*Class).equal)
}

// Ask returns who gets through with the request. It returns an error if no site has its
// host, or if ctx ends. The Conditions of the classes contain what the request assumes.
func (m *Map) Ask(ctx context.Context, r probe.Request) (*Answer, error) {
	q := &question{ctx: ctx, m: m, request: r}
	anonymous, err := q.ask(nil)
	if err != nil {
		return nil, err
	}
	a := &Answer{Anonymous: anonymous}
	if a.Open() {
		return a, nil
	}
	if a.First, err = q.findFirst(anonymous); err != nil || a.First == nil {
		return a, err
	}
	q.first = a.First
	for _, is := range m.issuers {
		classes, err := q.classify(is)
		if err != nil {
			return nil, err
		}
		a.Classes = append(a.Classes, classes...)
	}
	return a, nil
}

// question is one request to ask about.
type question struct {
	ctx     context.Context
	m       *Map
	request probe.Request
	first   *probe.Step
}

// ask asks the probe. The verdict ignores report_only: see blocked.
func (q *question) ask(t *probe.Token) (*probe.Verdict, error) {
	if err := q.ctx.Err(); err != nil {
		return nil, err
	}
	q.m.asked.Add(1)
	return q.m.probe.AskWith(q.request, t)
}

// garbled has the form of a token, but is not a token. A route may depend on whether the
// request has a token at all.
const garbled = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA"

func (q *question) findFirst(anonymous *probe.Verdict) (*probe.Step, error) {
	v, err := q.ask(probe.Presented(garbled))
	switch {
	case err != nil:
		return nil, err
	case len(v.Asked) > 0:
		return &v.Asked[0], nil
	case len(anonymous.Asked) > 0:
		return &anonymous.Asked[0], nil
	}
	return nil, nil
}

// classify returns the classes of an issuer.
func (q *question) classify(is *issuer) ([]*Class, error) {
	if is.applications == nil {
		c, err := q.judgeHolders(is)
		return []*Class{c}, err
	}
	found := &classes{byAnswer: make(map[string]*Class)}
	work := [][]int32{is.everybody()}
	for len(work) > 0 {
		group := work[len(work)-1]
		work = work[:len(work)-1]
		if len(group) == 0 {
			continue
		}
		s := &subject{issuer: is, index: group[0], Application: is.applications[group[0]]}
		c, err := q.judge(s)
		if err := cmp.Or(err, q.ctx.Err()); err != nil {
			return nil, err
		}
		alike := is.split(group, s.reads)
		c.Issuer, c.issuer, c.members = is.URL, is, alike[0]
		found.merge(c)
		work = append(work, alike[1:]...)
	}
	return found.sorted(), nil
}

// blocked returns the verify that refuses the request or would refuse it, or nil.
func blocked(v *probe.Verdict) *probe.Step {
	for i := range v.Asked {
		if v.Asked[i].Reason != "" {
			return &v.Asked[i]
		}
	}
	return nil
}

// assumes reports whether the expression counts as true.
func (q *question) assumes(e *verifier.Expression) bool {
	return q.request.Assume == tokenidp.AssumeExpressions || q.request.Assume == tokenidp.AssumeAboutRequest && e.AsksRequest
}
