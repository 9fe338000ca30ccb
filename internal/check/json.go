package check

import "time"

// JSON is a report for other programs.
type JSON struct {
	Findings []JSONFinding `json:"findings"`
	// Counts has the number of findings that are not suppressed, by severity.
	Counts map[Severity]int `json:"counts"`
	// Unknown is what is missing here and counts as present; NotRun is what did not run.
	Unknown []string `json:"unknown,omitempty"`
	NotRun  []string `json:"not_run,omitempty"`
}

// JSONFinding is a finding for other programs.
type JSONFinding struct {
	Rule       string           `json:"rule"`
	Severity   Severity         `json:"severity"`
	Title      string           `json:"title"`
	Message    string           `json:"message"`
	Reason     string           `json:"reason"`
	Correction string           `json:"correction"`
	Subject    string           `json:"subject"`
	File       string           `json:"file,omitempty"`
	Line       int              `json:"line,omitempty"`
	Route      string           `json:"route,omitempty"`
	Suppressed *JSONSuppression `json:"suppressed,omitempty"`
}

// JSONSuppression is the comment that suppresses a finding.
type JSONSuppression struct {
	Reason string `json:"reason"`
	// Until is the last day on which the comment counts.
	Until  string `json:"until"`
	Source string `json:"source"`
}

// JSON returns the report for other programs.
func (r *Report) JSON() *JSON {
	j := &JSON{Findings: []JSONFinding{}, Counts: r.Counts(), Unknown: r.Unknown, NotRun: r.NotRun}
	for _, f := range r.Findings {
		one := JSONFinding{
			Rule: string(f.Rule.ID), Severity: f.Rule.Severity, Title: f.Rule.Title, Message: f.Message, Reason: f.Rule.Reason, Correction: f.Rule.Correction,
			Subject: f.Subject, File: f.Place.File, Line: f.Place.Line, Route: f.Route,
		}
		if i := f.Ignored; i != nil {
			one.Suppressed = &JSONSuppression{Reason: i.Reason, Until: i.Until.Add(-time.Nanosecond).Format(time.DateOnly), Source: i.Place.String()}
		}
		j.Findings = append(j.Findings, one)
	}
	return j
}
