package tokenidp

import (
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
)

// status is how this server is, as the admin endpoint shows it.
type status struct {
	// Ready: it can do its work, as the matcher tokenidp_ready tells.
	Ready   bool           `json:"ready"`
	Issuers []issuerStatus `json:"issuers"`
	Trusted []trustedInfo  `json:"trusted"`
	State   stateStatus    `json:"state"`
}

func (a *App) status(now time.Time) status {
	s := status{Ready: a.ready(), Issuers: []issuerStatus{}, Trusted: a.trusted(), State: newStateStatus(a.state.Health())}
	for _, iss := range a.Issuers {
		s.Issuers = append(s.Issuers, iss.status(now))
	}
	return s
}

// problems are all that is not in order, in words, each with whose it is.
func (s status) problems() (problems []string) {
	for _, iss := range s.Issuers {
		for _, problem := range iss.Problems {
			problems = append(problems, iss.Issuer+": "+problem)
		}
	}
	for _, t := range s.Trusted {
		if t.Expired || t.Keys == 0 {
			problems = append(problems, t.Issuer+": "+t.state())
		}
	}
	return append(problems, s.State.Problems...)
}

// issuerStatus is how an issuer is, as the admin endpoint shows it.
type issuerStatus struct {
	Issuer string `json:"issuer"`
	// Issues: this server issues its tokens, and does not only verify them.
	Issues       bool           `json:"issues"`
	Applications map[string]int `json:"applications"` // active and inactive
	Secrets      map[string]int `json:"secrets"`      // of active ones: valid, expiring and expired
	Files        []fileStatus   `json:"files"`
	// ActiveKey is the kid of the key that signs.
	ActiveKey string `json:"active_key,omitempty"`
	// Problems are all that is not in order, in words. None: all is.
	Problems []string `json:"problems"`
}

type fileStatus struct {
	Path         string     `json:"path"`
	Applications int        `json:"applications"`
	LoadedAt     *time.Time `json:"loaded_at,omitempty"`  // the version in force
	ChangedAt    *time.Time `json:"changed_at,omitempty"` // the newest version
	Problem      string     `json:"problem,omitempty"`    // why the newest is not in force
	Since        *time.Time `json:"since,omitempty"`      // of the problem
}

func (iss *Issuer) status(now time.Time) issuerStatus {
	s := issuerStatus{Issuer: iss.Issuer, Issues: iss.issues, Files: []fileStatus{}, Problems: []string{}}
	if set := iss.applications.Load(); set != nil {
		all := set.Applications()
		active := countActive(all)
		s.Applications = map[string]int{"active": active, "inactive": len(all) - active}
		s.Secrets = countSecrets(set, now)
	}
	if iss.library != nil {
		for _, f := range iss.library.Status() {
			file := fileStatus{Path: f.Path, Applications: f.Applications, LoadedAt: moment(f.LoadedAt), ChangedAt: moment(f.ChangedAt), Problem: f.Problem}
			if f.Problem != "" {
				file.Since = moment(f.Since)
				s.Problems = append(s.Problems, "the newest version of "+f.Path+" is not in force: "+f.Problem)
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
	for _, problem := range []*string{iss.keysProblem.Load(), iss.lastUseProblem.Load()} {
		if problem != nil && *problem != "" {
			s.Problems = append(s.Problems, *problem)
		}
	}
	return s
}

// countSecrets are the secrets of active Applications by validity.
func countSecrets(set *application.Set, now time.Time) map[string]int {
	count := map[string]int{string(application.Valid): 0, string(application.Expiring): 0, string(application.Expired): 0}
	for s := range set.Secrets() {
		if s.Application.Active {
			count[string(s.ValidityAt(now))]++
		}
	}
	return count
}
