package adminendpoint

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// serveSecrets answers with ?client_id=<id> and ?secret_id=<id> for those alone.
func serveSecrets(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	q, err := readSecretsQuery(r.URL.Query())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	if err := checkSecretNames(app, q); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	app.Usage().Refresh(r.Context())
	all, next := secrets(app, q, time.Now())
	if next != nil {
		q.Link(w, r, next...)
	}
	return writeJSON(w, all)
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

// secretsQuery is which secrets are asked for. The key of one is the issuer, the
// client_id and the id.
type secretsQuery struct {
	adminapi.Page

	clientID, secretID string // "" for all
	unusedFor          time.Duration
}

func readSecretsQuery(query url.Values) (q secretsQuery, err error) {
	q = secretsQuery{clientID: query.Get("client_id"), secretID: query.Get("secret_id"), unusedFor: defaultUnusedFor}
	if text := query.Get("unused_for"); text != "" {
		if q.unusedFor, err = caddy.ParseDuration(text); err != nil || q.unusedFor < leastUnusedFor {
			return q, fmt.Errorf("unused_for %.64q is not a duration of at least %s; write it as 8d", text, leastUnusedFor)
		}
	}
	q.Page, err = adminapi.ReadPage(query, 3)
	return q, err
}

// start returns the key after which the secrets of an issuer begin, and whether a page
// before this one has begun with them already.
func (q secretsQuery) start(issuer string) (clientID, secretID string, begun bool) {
	if q.After != nil && q.After[0] == issuer {
		return q.After[1], q.After[2], true
	}
	return q.clientID, "", false
}

// secrets lists the secrets of one page, sorted by their keys, and returns the key of
// the last one if there are more.
func secrets(app *tokenidp.App, q secretsQuery, now time.Time) (all []adminapi.IssuerSecrets, next []string) {
	all = []adminapi.IssuerSecrets{}
	count := 0
	for _, iss := range issuing(app) {
		if q.After != nil && iss.Issuer < q.After[0] {
			continue
		}
		clientID, secretID, begun := q.start(iss.Issuer)
		report := adminapi.IssuerSecrets{Issuer: iss.Issuer, SyncedAt: adminapi.Moment(app.Usage().SyncedAt()), Secrets: []adminapi.Secret{}}
		for s := range secretsAfter(iss, clientID, secretID) {
			switch {
			case q.clientID != "" && s.Application.ClientID != q.clientID, q.secretID != "" && s.ID != q.secretID:
				continue
			case q.Limit > 0 && count == q.Limit:
				if len(report.Secrets) > 0 {
					all = append(all, report)
				}
				return all, next
			}
			report.Secrets = append(report.Secrets, reportSecret(app.Usage(), iss.Issuer, s, q.unusedFor, now))
			next = []string{iss.Issuer, s.Application.ClientID, s.ID}
			count++
		}
		if len(report.Secrets) > 0 || !begun {
			all = append(all, report)
		}
	}
	return all, nil
}

// issuing returns the issuers for which this server issues, sorted by URL.
func issuing(app *tokenidp.App) []*tokenidp.Issuer {
	found := slices.DeleteFunc(slices.Clone(app.Issuers), func(iss *tokenidp.Issuer) bool { return !iss.Issues() })
	slices.SortFunc(found, func(a, b *tokenidp.Issuer) int { return strings.Compare(a.Issuer, b.Issuer) })
	return found
}

func secretsAfter(iss *tokenidp.Issuer, clientID, secretID string) iter.Seq[application.PlacedSecret] {
	set := iss.ApplicationSet()
	if set == nil {
		return func(func(application.PlacedSecret) bool) {}
	}
	return set.SecretsAfter(clientID, secretID)
}

// checkSecretNames refuses what no Application has.
func checkSecretNames(app *tokenidp.App, q secretsQuery) error {
	if q.clientID != "" && !declares(app, q.clientID) {
		return unknownClient(app, q.clientID)
	}
	if q.secretID == "" {
		return nil
	}
	var ids []string
	for _, iss := range issuing(app) {
		for s := range secretsAfter(iss, q.clientID, "") {
			if q.clientID == "" || s.Application.ClientID == q.clientID {
				ids = append(ids, s.ID)
			}
		}
	}
	if slices.Contains(ids, q.secretID) {
		return nil
	}
	owner := ""
	if q.clientID != "" {
		owner = " of an Application " + q.clientID
	}
	return fmt.Errorf("there is no secret %.255s%s%s", q.secretID, owner, nearest.DidYouMean(q.secretID, slices.Values(ids)))
}

// reportSecret counts a secret as unused if no node has seen it used for so long.
func reportSecret(counts *usage.Store, issuer string, s application.PlacedSecret, unusedFor time.Duration, now time.Time) adminapi.Secret {
	a := s.Application
	use := counts.Use(usage.Key{Kind: usage.Secret, Issuer: issuer, Client: a.ClientID, Name: s.ID})
	why := needed(counts, a, s.Secret, use, unusedFor, now)
	return adminapi.Secret{
		ClientID: a.ClientID, ClientName: a.ClientName, Active: a.Active, SecretID: s.ID, State: string(s.ValidityAt(now)),
		ExpiresAt: adminapi.Moment(s.Expires), ObservedSince: adminapi.Moment(use.ObservedSince), LastUsed: adminapi.Moment(use.LastUsed),
		Removable: why == "", Needed: why, File: s.File, Line: s.Line,
	}
}

// needed says why a secret must stay, or "". What is not known counts as a use.
func needed(counts *usage.Store, a *application.Application, s *secret.Secret, use usage.Use, unusedFor time.Duration, now time.Time) string {
	if !a.Active {
		return "" // it authenticates nobody
	}
	if !hasAnother(a, s, now) {
		return "it is the only valid secret of its Application"
	}
	synced := counts.SyncedAt()
	switch {
	case s.ValidityAt(now) == secret.Expired:
		return ""
	case counts == nil:
		return "with usage off, nobody knows who uses it"
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

// hasAnother reports whether the Application can authenticate without the secret.
func hasAnother(a *application.Application, but *secret.Secret, now time.Time) bool {
	for _, s := range a.Secrets {
		if s != but && s.ValidityAt(now) != secret.Expired {
			return true
		}
	}
	return false
}
