package tokenidp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/lastuse"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

func (a *adminAPI) serveSecrets(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	unusedFor := defaultUnusedFor
	if text := r.URL.Query().Get("unused_for"); text != "" {
		var err error
		if unusedFor, err = caddy.ParseDuration(text); err != nil || unusedFor < leastUnusedFor {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("unused_for %.64q is not a duration of at least %s; write it as 8d", text, leastUnusedFor)}
		}
	}
	all := []adminapi.IssuerSecrets{}
	for _, iss := range a.app.Issuers {
		if iss.issues {
			all = append(all, iss.reportSecrets(unusedFor, time.Now()))
		}
	}
	return writeAdminJSON(w, all)
}

const (
	// defaultUnusedFor is how long nobody may have used a secret for it to count as
	// unused: weekly jobs have had their turn.
	defaultUnusedFor = 8 * 24 * time.Hour
	// leastUnusedFor is well above the time after which every node knows of a use.
	leastUnusedFor = time.Hour
	// syncedWithin is how old the knowledge of what other nodes saw may be.
	syncedWithin = 5 * time.Minute
)

// reportSecrets lists all secrets. One counts as unused if no node has seen it
// used for so long.
func (iss *Issuer) reportSecrets(unusedFor time.Duration, now time.Time) adminapi.IssuerSecrets {
	report := adminapi.IssuerSecrets{Issuer: iss.Issuer, SyncedAt: moment(iss.lastUse.SyncedAt()), Secrets: []adminapi.Secret{}}
	set := iss.applications.Load()
	if set == nil {
		return report
	}
	for s := range set.Secrets() {
		a := s.Application
		use := iss.lastUse.Use(lastuse.Secret{ClientID: a.ClientID, SecretID: s.ID})
		needed := iss.needed(a, s.Secret, use, unusedFor, now)
		report.Secrets = append(report.Secrets, adminapi.Secret{
			ClientID: a.ClientID, ClientName: a.ClientName, Active: a.Active, SecretID: s.ID, State: string(s.ValidityAt(now)),
			ExpiresAt: moment(s.Expires), ObservedSince: moment(use.ObservedSince), LastUsed: moment(use.LastUsed),
			Removable: needed == "", Needed: needed, File: s.File, Line: s.Line,
		})
	}
	return report
}

// needed says why a secret must stay, or "". What is not known counts as a use.
func (iss *Issuer) needed(a *application.Application, s *secret.Secret, use lastuse.Use, unusedFor time.Duration, now time.Time) string {
	if !a.Active {
		return "" // it authenticates nobody
	}
	if !hasAnother(a, s, now) {
		return "it is the only valid secret of its Application"
	}
	synced := iss.lastUse.SyncedAt()
	switch {
	case s.ValidityAt(now) == secret.Expired:
		return ""
	case synced.IsZero() || now.Sub(synced) > syncedWithin:
		return "what other nodes saw is not known; see the log"
	case !use.LastUsed.IsZero() && now.Sub(use.LastUsed) < unusedFor:
		return "it was used at " + use.LastUsed.UTC().Format(time.RFC3339)
	case use.ObservedSince.IsZero():
		return "it is not watched yet"
	case now.Sub(use.ObservedSince) < unusedFor:
		return "it is watched only since " + use.ObservedSince.UTC().Format(time.RFC3339)
	}
	return ""
}

// hasAnother tells whether the Application can do without the secret.
func hasAnother(a *application.Application, but *secret.Secret, now time.Time) bool {
	for _, s := range a.Secrets {
		if s != but && s.ValidityAt(now) != secret.Expired {
			return true
		}
	}
	return false
}
