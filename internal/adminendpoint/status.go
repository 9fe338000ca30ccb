package adminendpoint

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/version"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
)

func (e *Endpoint) serveStatus(app *tokenidp.App, w http.ResponseWriter, _ *http.Request) error {
	s := status(app, time.Now())
	s.ReloadFailed = reloadFailed(e.registry)
	return writeJSON(w, s)
}

func status(app *tokenidp.App, now time.Time) adminapi.Status {
	module, _ := version.Of()
	s := adminapi.Status{
		Version: module, Ready: app.Ready(), Since: adminapi.Moment(app.Since()), Issuers: []adminapi.IssuerStatus{}, Trusted: trusted(app), State: newStateStatus(app.StateHealth()),
	}
	if h, on := app.AuditHealth(); on {
		s.Audit = &adminapi.AuditStatus{Lost: h.Lost, Problem: h.Problem}
	}
	for _, iss := range app.Issuers {
		one := issuerStatus(iss, now)
		if problem := app.Usage().Health().Problem; problem != "" && iss.Issues() {
			one.Problems = append(one.Problems, problem)
		}
		s.Issuers = append(s.Issuers, one)
	}
	return s
}

func issuerStatus(iss *tokenidp.Issuer, now time.Time) adminapi.IssuerStatus {
	s := adminapi.IssuerStatus{Issuer: iss.Issuer, Issues: iss.Issues(), Files: []adminapi.FileStatus{}, Problems: []string{}}
	if set := iss.ApplicationSet(); set != nil {
		active, inactive := set.CountActive()
		s.Applications = map[string]int{"active": active, "inactive": inactive}
		s.Secrets = make(map[string]int)
		for validity, count := range set.CountSecrets(now) {
			s.Secrets[string(validity)] = count
		}
	}
	for _, f := range iss.Files() {
		file := adminapi.FileStatus{Path: f.Path, Applications: f.Applications, LoadedAt: adminapi.Moment(f.LoadedAt), ChangedAt: adminapi.Moment(f.ChangedAt), Problem: f.Problem, Departed: f.Departed}
		if f.Problem != "" {
			file.Since = adminapi.Moment(f.Since)
			s.Problems = append(s.Problems, fileProblem(f))
		}
		s.Files = append(s.Files, file)
	}
	for _, k := range iss.Keys().States() {
		switch k.State {
		case signing.Active:
			s.ActiveKey = k.ID
		case signing.Unreadable:
			s.Problems = append(s.Problems, "the key entry "+k.Entry+" cannot be used: "+k.Cause)
		case signing.Next, signing.Retired:
		}
	}
	if s.ActiveKey == "" {
		s.Problems = append(s.Problems, "there is no signing key")
	}
	if problem := iss.Keys().Health().Problem; problem != "" {
		s.Problems = append(s.Problems, problem)
	}
	return s
}

// reloadFailed reports whether Caddy has refused the configuration that was loaded last.
func reloadFailed(registry prometheus.Gatherer) bool {
	families, _ := registry.Gather() // after an error, of all that could be collected
	for _, f := range families {
		if f.GetName() == "caddy_config_last_reload_successful" && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue() == 0
		}
	}
	return false
}

func fileProblem(f live.FileStatus) string {
	if f.Departed {
		return f.Path + ": " + f.Problem
	}
	return "the newest version of " + f.Path + " is not in force: " + f.Problem
}

func newStateStatus(h state.Health) adminapi.StateStatus {
	return adminapi.StateStatus{
		Kind: h.Kind, Synced: h.Synced, LastSync: adminapi.Moment(h.LastSync),
		Revocations: h.Revocations, Identifiers: h.Identifiers, Bytes: h.Bytes,
		Warnings: append([]string{}, h.Warnings...), Problems: append([]string{}, stateProblems(h)...),
	}
}

// stateProblems returns what is not in order, in words.
func stateProblems(h state.Health) (problems []string) {
	switch {
	case h.Problem != "":
		problems = append(problems, "the shared state is not current: "+h.Problem)
	case !h.Synced:
		problems = append(problems, "the shared state was never read since this server started")
	}
	for _, w := range h.Warnings {
		problems = append(problems, "shared state: "+w)
	}
	return problems
}
