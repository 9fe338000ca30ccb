package statuspage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Holder is an Application with the state of its secrets.
type Holder struct {
	Application
	Link     string
	Secrets  int
	Expires  *Moment // the last secret that is valid
	State    string  // of that secret: valid, expiring or expired
	LastUsed *Moment
	// Removable are secrets that no client needs any more.
	Removable []string
}

// mostHolders limits the table of Applications.
const mostHolders = 12

// holders returns the Applications that are chosen or found. Those with expiring or unused
// secrets come first.
func (f *Facts) holders(q Query) (first []Holder, more int) {
	bySecret := f.secretsByClient()
	var all []Holder
	for _, a := range f.Applications {
		if q.ClientID == a.ClientID || q.ClientID == "" && a.matches(q.Search) {
			all = append(all, f.holder(a, bySecret[clientOf{a.Issuer, a.ClientID}]))
		}
	}
	slices.SortStableFunc(all, func(a, b Holder) int { return cmp.Compare(a.urgency(), b.urgency()) })
	return bounded(all, mostHolders)
}

// clientOf identifies an Application of an issuer.
type clientOf struct{ issuer, clientID string }

func (f *Facts) secretsByClient() map[clientOf][]adminapi.Secret {
	all := make(map[clientOf][]adminapi.Secret)
	for _, iss := range f.Secrets {
		for _, s := range iss.Secrets {
			c := clientOf{iss.Issuer, s.ClientID}
			all[c] = append(all[c], s)
		}
	}
	return all
}

func (f *Facts) holder(a Application, secrets []adminapi.Secret) Holder {
	h := Holder{Application: a, Link: clientLink(a.ClientID), Secrets: len(secrets)}
	for i, s := range secrets {
		if i == 0 || rank(s.State) > rank(h.State) || s.State == h.State && endsLater(s, h.Expires) {
			h.State, h.Expires = s.State, f.moment(s.ExpiresAt)
		}
		if s.LastUsed != nil && (h.LastUsed == nil || s.LastUsed.After(h.LastUsed.at)) {
			h.LastUsed = f.moment(s.LastUsed)
		}
		if s.Removable && a.Active {
			h.Removable = append(h.Removable, s.SecretID)
		}
	}
	h.Removable, _ = bounded(h.Removable, named)
	return h
}

func endsLater(s adminapi.Secret, than *Moment) bool {
	return than != nil && (s.ExpiresAt == nil || s.ExpiresAt.After(than.at))
}

// rank orders the states of secrets, the best last.
func rank(state string) int { return slices.Index([]string{"expired", "expiring", "valid"}, state) }

// urgency orders Applications, the most urgent first.
func (h Holder) urgency() int {
	switch {
	case !h.Active:
		return 4
	case h.State == "expired":
		return 0
	case h.State == "expiring":
		return 1
	case len(h.Removable) > 0:
		return 2
	}
	return 3
}

// urgentFirst sorts client_ids if the page cannot show all of them.
func (f *Facts) urgentFirst(ids []string) []string {
	if len(ids) <= mostNodes {
		return ids
	}
	urgent := make(map[string]int)
	bySecret := f.secretsByClient()
	for _, a := range f.Applications {
		urgent[a.ClientID] = f.holder(a, bySecret[clientOf{a.Issuer, a.ClientID}]).urgency()
	}
	ids = slices.Clone(ids)
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Or(urgent[a]-urgent[b], strings.Compare(a, b)) })
	return ids
}
