package check

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// Ignore is a comment that suppresses findings of its file:
//
//	# tokenidp:ignore <rule>[, <rule>…] for <subject> until <day>: <reason>
type Ignore struct {
	Rules   []string
	Subject string
	// Until is the first moment at which the comment no longer counts.
	Until  time.Time
	Reason string
	Place  Place

	used bool
}

const (
	ignoreMistaken warning.ID = "ignore-mistaken"
	ignoreUnused   warning.ID = "ignore-unused"
)

var ignoreRules = []*Rule{
	{
		ID: ignoreMistaken, Severity: Error,
		Title:      "An ignore has a mistake",
		Reason:     "It suppresses nothing, although it looks so. An ignore without a reason or an end would stay for ever.",
		Correction: "Write: `# tokenidp:ignore <rule> for <subject> until <year-month-day>: <reason>`",
	},
	{
		ID: ignoreUnused, Severity: Note,
		Title:      "An ignore matches nothing",
		Reason:     "What it was for is gone, or is spelled differently. Where it stays, it suppresses what comes back.",
		Correction: "Remove the comment, or correct its rule and subject.",
	},
}

var (
	ignoreMark = regexp.MustCompile(`(?:^|\s)#\s*tokenidp:ignore\b(.*)$`)
	ignoreForm = regexp.MustCompile(`^\s+(\S+(?:,\s*\S+)*)\s+for\s+(.+?)\s+until\s+(\d{4}-\d\d-\d\d):\s*(\S.*)$`)
)

// applyIgnores marks the suppressed findings, and adds mistakes in the comments.
func (c *configuration) applyIgnores(r *Report) {
	for _, file := range c.files(r.Findings) {
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the files
		if err != nil {
			continue // it is on another machine, such as a running server
		}
		ignores, wrong := parseIgnores(file, string(text))
		for i := range r.Findings {
			ignores.apply(&r.Findings[i], c.now)
		}
		r.Findings = append(r.Findings, wrong...)
		r.Findings = append(r.Findings, ignores.unused()...)
	}
}

// files returns the files that may contain findings and ignores.
func (c *configuration) files(findings []Finding) (all []string) {
	for _, d := range c.documents {
		all = append(all, d.File())
	}
	if c.app != nil {
		for _, iss := range c.app.Issuers {
			all = append(all, placeOf(iss.Source).File)
		}
		for _, t := range c.app.Trusted {
			all = append(all, placeOf(t.Source).File)
		}
	}
	for _, f := range findings {
		all = append(all, f.Place.File)
	}
	all = append(all, c.file)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(file string) bool { return file == "" })
}

type ignores []*Ignore

// parseIgnores reads the comments of a file. JSON has none.
func parseIgnores(file, text string) (all ignores, wrong []Finding) {
	line := 0
	for content := range strings.Lines(text) {
		line++
		found := ignoreMark.FindStringSubmatch(strings.TrimRight(content, "\r\n"))
		if found == nil {
			continue
		}
		one, problem := parseIgnore(found[1])
		if problem != "" {
			wrong = append(wrong, Finding{Rule: find(ignoreMistaken), Subject: nameOf(file), Message: problem, Place: Place{file, line}})
			continue
		}
		one.Place = Place{file, line}
		all = append(all, one)
	}
	return all, wrong
}

func parseIgnore(text string) (*Ignore, string) {
	form := ignoreForm.FindStringSubmatch(text)
	if form == nil {
		return nil, "it does not have the form `# tokenidp:ignore <rule> for <subject> until <year-month-day>: <reason>`"
	}
	one := &Ignore{Subject: form[2], Reason: form[4]}
	for id := range strings.SplitSeq(form[1], ",") {
		id = strings.TrimSpace(id)
		if find(warning.ID(id)) == nil {
			return nil, fmt.Sprintf("there is no rule %s%s", id, nearest.DidYouMean(id, slices.Values(IDs())))
		}
		one.Rules = append(one.Rules, id)
	}
	day, err := time.Parse(time.DateOnly, form[3])
	if err != nil {
		return nil, fmt.Sprintf("%s is not a day; write it as 2027-01-31", form[3])
	}
	one.Until = day.AddDate(0, 0, 1)
	return one, ""
}

func (all ignores) apply(f *Finding, now time.Time) {
	for _, one := range all {
		if one.Place.File == f.Place.File && one.Subject == f.Subject && slices.Contains(one.Rules, string(f.Rule.ID)) {
			one.used = true
			if now.Before(one.Until) {
				f.Ignored = one
			}
		}
	}
}

// unused reports the ignores that matched nothing.
func (all ignores) unused() (found []Finding) {
	for _, one := range all {
		if !one.used {
			found = append(found, Finding{Rule: find(ignoreUnused), Subject: one.Subject, Place: one.Place,
				Message: fmt.Sprintf("nothing is found by %s for %s in this file", strings.Join(one.Rules, ", "), one.Subject)})
		}
	}
	return found
}
