package statuspage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// lastSecret is the secret of an Application that expires last.
type lastSecret struct {
	clientID string
	adminapi.Secret
}

// lastSecrets returns the last secret of each active Application, if it expires. The first
// to expire comes first.
func (f *Facts) lastSecrets() (all []lastSecret) {
	type owner struct{ issuer, clientID string }
	last := make(map[owner]adminapi.Secret)
	for _, iss := range f.Secrets {
		for _, s := range iss.Secrets {
			if !s.Active {
				continue
			}
			o := owner{iss.Issuer, s.ClientID}
			before, ok := last[o]
			if !ok || before.ExpiresAt != nil && (s.ExpiresAt == nil || s.ExpiresAt.After(*before.ExpiresAt)) {
				last[o] = s
			}
		}
	}
	for o, s := range last {
		if s.ExpiresAt != nil {
			all = append(all, lastSecret{o.clientID, s})
		}
	}
	slices.SortFunc(all, func(a, b lastSecret) int {
		return cmp.Or(a.ExpiresAt.Compare(*b.ExpiresAt), strings.Compare(a.clientID, b.clientID))
	})
	return all
}

// secretFindings joins all Applications of one kind, so that many of them are one thing to
// do.
func (f *Facts) secretFindings() (all []Finding) {
	var expired, expiring []lastSecret
	for _, s := range f.lastSecrets() {
		switch s.State {
		case "expired":
			expired = append(expired, s)
		case "expiring":
			expiring = append(expiring, s)
		}
	}
	if len(expired) > 0 {
		all = append(all, Finding{
			Severity: Now, Title: heading(expired, "has no valid secret", "have no valid secret"),
			Since:    f.moment(expired[0].ExpiresAt),
			Effect:   "Token requests are refused. Tokens that are out work until they expire.",
			Reason:   "expired_secret",
			Command:  secretsCommand(expired),
			Document: Document{"Change a secret", "applications.md#change-a-secret"},
		})
	}
	if len(expiring) > 0 {
		all = append(all, Finding{
			Severity: Soon, Title: heading(expiring, "has no secret that lasts", "have no secret that lasts"),
			Until:    f.moment(expiring[0].ExpiresAt),
			Effect:   "From then on, token requests are refused.",
			Reason:   "expired_secret",
			Command:  secretsCommand(expiring),
			Document: Document{"Change a secret", "applications.md#change-a-secret"},
		})
	}
	return all
}

// named is the number of Applications that a title names.
const named = 3

func heading(who []lastSecret, one, several string) string {
	var ids []string
	for _, s := range who[:min(len(who), named)] {
		ids = append(ids, s.clientID)
	}
	switch {
	case len(who) == 1:
		return ids[0] + " " + one
	case len(who) <= named:
		return strings.Join(ids[:len(ids)-1], ", ") + " and " + ids[len(ids)-1] + " " + several
	}
	return fmt.Sprintf("%s Applications %s: %s and %s more", number(len(who)), several, strings.Join(ids, ", "), number(len(who)-named))
}

func secretsCommand(who []lastSecret) string {
	if len(who) == 1 {
		return "caddy tokenidp secrets --client " + word(who[0].clientID)
	}
	return "caddy tokenidp secrets"
}

// routeFindings reports routes that refuse no request.
func (f *Facts) routeFindings() []Finding {
	var open []string
	for _, r := range f.Routes {
		if r.ReportOnly && !slices.Contains(open, r.Route) {
			open = append(open, r.Route)
		}
	}
	if len(open) == 0 {
		return nil
	}
	title := "1 route lets every request through: " + open[0]
	if len(open) > 1 {
		title = fmt.Sprintf("%s routes let every request through, the first: %s", number(len(open)), open[0])
	}
	return []Finding{{
		Severity: Note, Title: title,
		Effect:   "With report_only, a request needs no token. The report says whom the route would refuse.",
		Command:  "caddy tokenidp report",
		Document: Document{"Turn enforcement on", "caddyfile.md#turn-enforcement-on"},
	}}
}
