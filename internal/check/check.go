// Package check finds what is allowed in a configuration and not recommended: what may
// leave an API open, what has no effect, and what stops working soon.
//
// It reads the configuration and the files of Applications, and asks nobody. docs/checks.md
// has a section for each rule.
package check

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// Severity is how bad a finding is.
type Severity string

// The severities are those of SARIF.
const (
	// Error: somebody may get in who should not, or something certainly does not work.
	Error Severity = "error"
	// Warning: something is weaker than it could be, or is not what it seems.
	Warning Severity = "warning"
	// Note: something could be better.
	Note Severity = "note"
)

// Severities are all of them, the worst first.
var Severities = []Severity{Error, Warning, Note}

// AtLeast reports whether it is as bad as another one.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, other)
}

// Rule is a kind of finding. docs/checks.md has a section for it.
type Rule struct {
	// ID never changes.
	ID       warning.ID
	Severity Severity
	// Title says what is found, Reason why that is bad, Correction what to do.
	Title, Reason, Correction string

	// find reports the findings. It is nil for what is found in another way, such as a
	// warning of a load.
	find func(*configuration, reporter)
}

// reporter takes a finding in. The finding needs no Rule.
type reporter func(Finding)

// Finding is something that a rule has found.
type Finding struct {
	Rule *Rule
	// Subject is what it is about: a client_id, the ID of a route, an issuer, a resource, a
	// server, a file. An ignore names it.
	Subject string
	// Message says what is wrong here.
	Message string
	Place   Place
	// Route is the ID of the route, if it is about one.
	Route string
	// Ignored is the comment that suppresses it, or nil.
	Ignored *Ignore
}

// Place is where something stands. Line is 0 for the file as a whole.
type Place struct {
	File string
	Line int
}

// String returns file:line, with the file as seen from here.
func (p Place) String() string {
	file := p.File
	if here, err := os.Getwd(); err == nil && filepath.IsAbs(file) {
		if relative, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(relative) {
			file = relative
		}
	}
	if p.Line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, p.Line)
}

// Report is the answer.
type Report struct {
	// Findings are in the order of files and lines.
	Findings []Finding
	// Unknown is what is not here and counts as present.
	Unknown []string
	// NotRun is what was left out.
	NotRun []string
}

// Counts are of the findings that are not ignored, by severity.
func (r *Report) Counts() map[Severity]int {
	counts := make(map[Severity]int)
	for _, severity := range Severities {
		counts[severity] = 0
	}
	for _, f := range r.Findings {
		if f.Ignored == nil {
			counts[f.Rule.Severity]++
		}
	}
	return counts
}

// Count returns how many findings are at least as bad, and not ignored.
func (r *Report) Count(least Severity) (count int) {
	for severity, n := range r.Counts() {
		if severity.AtLeast(least) {
			count += n
		}
	}
	return count
}

// Options are optional.
type Options struct {
	// File is where the configuration was read.
	File string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Resources are the names of resources elsewhere, to which the scopes belong that no
	// resource of the files has. It is for Files.
	Resources []string
}

// Config checks the JSON of a configuration. It returns an error if Caddy would not load
// it.
func Config(config []byte, o Options) (*Report, error) {
	c := newConfiguration(o)
	if err := c.read(config); err != nil {
		return nil, err
	}
	var warnings warningCore
	p, err := probe.New(config, probe.Options{Logger: warnings.logger()})
	if err != nil {
		return c.notUnderstood(err)
	}
	defer p.Close()
	c.load(p, warnings.entries())
	return c.report(), nil
}

// notUnderstood is the report on routes that are too many to follow. Caddy loads them.
func (c *configuration) notUnderstood(err error) (*Report, error) {
	if c.routesErr == nil {
		return nil, err
	}
	rule := find(warning.RoutesNotUnderstood)
	return &Report{Findings: []Finding{{Rule: rule, Subject: c.subject(), Message: c.routesErr.Error(), Place: Place{File: c.file}}}}, nil
}

// report runs all rules.
func (c *configuration) report() *Report {
	r := new(Report)
	for _, rule := range Rules {
		if rule.find == nil {
			continue
		}
		rule.find(c, func(f Finding) {
			f.Rule = rule
			r.Findings = append(r.Findings, f)
		})
	}
	r.Findings = append(r.Findings, c.loaded()...)
	for i := range r.Findings {
		r.Findings[i].complete(c)
	}
	c.applyIgnores(r)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Rule.ID, b.Rule.ID), cmp.Compare(a.Subject, b.Subject))
	})
	r.Findings = slices.CompactFunc(r.Findings, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.Place == b.Place && a.Subject == b.Subject && a.Message == b.Message
	})
	r.Unknown, r.NotRun = c.unknown, c.notRun
	return r
}

// complete fills in what a rule left out.
func (f *Finding) complete(c *configuration) {
	if f.Place.File == "" {
		f.Place.File = c.file
	}
	if f.Subject == "" {
		f.Subject = c.subject()
	}
}
