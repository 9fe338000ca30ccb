package tokenidp

import (
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
)

func (a *adminAPI) serveStatus(app *App, w http.ResponseWriter, _ *http.Request) error {
	s := app.status(time.Now())
	s.ReloadFailed = reloadFailed(a.registry)
	return writeAdminJSON(w, s)
}

func (a *App) status(now time.Time) adminapi.Status {
	s := adminapi.Status{Ready: a.ready(), Since: moment(a.since), Issuers: []adminapi.IssuerStatus{}, Trusted: a.trusted(), State: newStateStatus(a.state.Health())}
	for _, iss := range a.Issuers {
		s.Issuers = append(s.Issuers, iss.status(now))
	}
	return s
}

func (iss *Issuer) status(now time.Time) adminapi.IssuerStatus {
	s := adminapi.IssuerStatus{Issuer: iss.Issuer, Issues: iss.issues, Files: []adminapi.FileStatus{}, Problems: []string{}}
	if set := iss.applications.Load(); set != nil {
		all := set.Applications()
		active := countActive(all)
		s.Applications = map[string]int{"active": active, "inactive": len(all) - active}
		s.Secrets = countSecrets(set, now)
	}
	if iss.library != nil {
		for _, f := range iss.library.Health().Files {
			file := adminapi.FileStatus{Path: f.Path, Applications: f.Applications, LoadedAt: moment(f.LoadedAt), ChangedAt: moment(f.ChangedAt), Problem: f.Problem, Departed: f.Departed}
			if f.Problem != "" {
				file.Since = moment(f.Since)
				s.Problems = append(s.Problems, fileProblem(f))
			}
			s.Files = append(s.Files, file)
		}
	}
	for _, k := range iss.keys.States() {
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
	for _, problem := range []string{iss.keys.Health().Problem, iss.lastUseSyncer.Health().Problem} {
		if problem != "" {
			s.Problems = append(s.Problems, problem)
		}
	}
	return s
}

func fileProblem(f live.FileStatus) string {
	if f.Departed {
		return f.Path + ": " + f.Problem
	}
	return "the newest version of " + f.Path + " is not in force: " + f.Problem
}

// countSecrets counts the secrets of active Applications by validity.
func countSecrets(set *application.Set, now time.Time) map[string]int {
	count := map[string]int{string(secret.Valid): 0, string(secret.Expiring): 0, string(secret.Expired): 0}
	for s := range set.Secrets() {
		if s.Application.Active {
			count[string(s.ValidityAt(now))]++
		}
	}
	return count
}

func newStateStatus(h state.Health) adminapi.StateStatus {
	return adminapi.StateStatus{
		Kind: h.Kind, Synced: h.Synced, LastSync: moment(h.LastSync),
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
