// Package check finds what is allowed but not recommended: settings that may leave an API
// open, that have no effect, or that stop working soon.
//
// It reads the configuration and the files of Applications, and uses no network.
// docs/checks.md has a section for each rule.
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
	// Error: a client may get access that it should not have, or something certainly fails.
	Error Severity = "error"
	// Warning: something is weaker than it could be, or differs from what it seems.
	Warning Severity = "warning"
	// Note: something can be improved.
	Note Severity = "note"
)

// Severities are all severities, the worst first.
var Severities = []Severity{Error, Warning, Note}

// AtLeast reports whether the severity is as bad as another one, or worse.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, other)
}

// Rule is a kind of finding. docs/checks.md has a section for it.
type Rule struct {
	// ID never changes.
	ID       warning.ID
	Severity Severity
	// Title names the finding, Reason says why it is bad, Correction what to do.
	Title, Reason, Correction string

	// find reports the findings. It is nil if they are found in another way, such as a
	// warning of a load.
	find func(*configuration, reporter)
}

// reporter receives a finding. The finding needs no Rule.
type reporter func(Finding)

// Finding is something that a rule has found.
type Finding struct {
	Rule *Rule
	// Subject is the object of the finding: a client_id, the ID of a route, an issuer, a
	// resource, a server, a file. An ignore names it.
	Subject string
	// Message says what is wrong here.
	Message string
	Place   Place
	// Route is the ID of the route, if the finding is about one.
	Route string
	// Ignored is the comment that suppresses the finding, or nil.
	Ignored *Ignore
}

// Place is a place in a file. Line is 0 for the file as a whole.
type Place struct {
	File string
	Line int
}

// String returns file:line, with the path of the file relative to the current folder.
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

// Report is the result.
type Report struct {
	// Findings are sorted by file and line.
	Findings []Finding
	// Unknown is what is missing here and counts as present.
	Unknown []string
	// NotRun is what did not run.
	NotRun []string
}

// Counts returns the number of findings that are not ignored, by severity.
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

// Count returns the number of findings that are at least as bad and not ignored.
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
	// File is the file of the configuration.
	File string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Resources are the names of resources in other files. They own the scopes that no
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

// notUnderstood reports that there are too many routes to follow. Caddy loads them.
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

// complete adds what a rule left empty.
func (f *Finding) complete(c *configuration) {
	if f.Place.File == "" {
		f.Place.File = c.file
	}
	if f.Subject == "" {
		f.Subject = c.subject()
	}
}
