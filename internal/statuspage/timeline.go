package statuspage

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// horizon is how far the timeline looks ahead.
const horizon = 30 * 24 * time.Hour

// Timeline has the changes until the horizon.
type Timeline struct {
	Lanes  []Lane
	Aging  bool  // some lane is of a trusted issuer
	Expire []Bar // secrets, one bar a day
	Ticks  []int // Mondays
	// Middle and End are dates of the axis.
	Middle, End string
	Events      []Event // the first events
	More        int     // the number of other events
	Next        *Event  // the first event after the horizon, if there is none before
}

// Lane is one key, or the keys of a trusted issuer. Its bars are in hours from now.
type Lane struct {
	KeyID, Issuer, State string
	Bars                 []Bar
}

// Bar is a part of a lane. The height is in percent.
type Bar struct {
	Kind          string // published, signs, retired, aging or expires
	X, Width      int
	Height, Count int
}

// Top returns where the bar begins, in percent.
func (b Bar) Top() int { return 100 - b.Height }

// Event is one change.
type Event struct {
	At         Moment
	Kind, Name string // of the object that changes
	Owner      string // the owner of the object, or ""
	What       string // such as: expires
	Effect     string
	Link       string // to the owner within the page, or ""
}

const (
	mostLanes  = 8
	mostEvents = 8
	hours      = int(horizon / time.Hour)
	days       = hours / 24
)

func (f *Facts) timeline() Timeline {
	t := Timeline{Ticks: f.ticks(), Expire: f.expireBars()}
	t.Middle, t.End = f.Now.UTC().Add(horizon/2).Format("2 Jan"), f.Now.UTC().Add(horizon).Format("2 Jan")
	for _, iss := range f.Keys {
		for _, k := range iss.Keys {
			if bars := f.keyBars(k); len(bars) > 0 && len(t.Lanes) < mostLanes {
				t.Lanes = append(t.Lanes, Lane{KeyID: k.KeyID, Issuer: iss.Issuer, State: k.State, Bars: bars})
			}
		}
	}
	for _, a := range f.aging() {
		bar := Bar{Kind: "aging", Width: max(1, f.hoursTo(*a.UsedUntil)), Height: 100}
		if len(t.Lanes) < mostLanes {
			t.Lanes = append(t.Lanes, Lane{KeyID: a.Issuer, State: "not confirmed", Bars: []Bar{bar}})
			t.Aging = true
		}
	}
	all := slices.Concat(f.keyEvents(), f.secretEvents(), f.agingEvents())
	all = slices.DeleteFunc(all, func(e Event) bool { return !e.At.at.After(f.Now) })
	slices.SortStableFunc(all, func(a, b Event) int {
		return cmp.Or(a.At.at.Compare(b.At.at), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Name, b.Name))
	})
	within := slices.IndexFunc(all, func(e Event) bool { return e.At.at.Sub(f.Now) > horizon })
	if within < 0 {
		within = len(all)
	}
	if within == 0 && len(all) > 0 {
		t.Next = &all[0]
	}
	t.Events, t.More = all[:min(within, mostEvents)], max(0, within-mostEvents)
	return t
}

// ticks returns the Mondays, because they stay in place when the page reloads.
func (f *Facts) ticks() (ticks []int) {
	midnight := f.Now.UTC().Truncate(24 * time.Hour)
	for day := 1; day <= days; day++ {
		at := midnight.AddDate(0, 0, day)
		if at.Weekday() == time.Monday {
			ticks = append(ticks, f.hoursTo(at))
		}
	}
	return ticks
}

// hoursTo returns the hours until a time, limited to the timeline.
func (f *Facts) hoursTo(at time.Time) int {
	return min(max(int(at.Sub(f.Now.Truncate(time.Hour))/time.Hour), 0), hours)
}

// keyBars returns the states of a key: published, then signing, then published for the
// tokens that are still valid.
func (f *Facts) keyBars(k adminapi.Key) (bars []Bar) {
	add := func(kind string, from, to *time.Time) {
		start, end := 0, hours
		if from != nil {
			start = f.hoursTo(*from)
		}
		if to != nil {
			end = f.hoursTo(*to)
		}
		if end > start {
			bars = append(bars, Bar{Kind: kind, X: start, Width: end - start, Height: 100})
		}
	}
	switch k.State {
	case "next":
		add("published", nil, k.SignsFrom)
		add("signs", k.SignsFrom, k.RetiresAt)
	case "active":
		add("signs", nil, k.RetiresAt)
		if k.RetiresAt != nil {
			add("retired", k.RetiresAt, k.DeletesAt)
		}
	case "retired":
		add("retired", nil, k.DeletesAt)
	}
	return bars
}

func (f *Facts) keyEvents() (all []Event) {
	for _, iss := range f.Keys {
		owner := ""
		if len(f.Keys) > 1 {
			owner = iss.Issuer
		}
		add := func(k adminapi.Key, at *time.Time, what, effect string) {
			if at != nil {
				all = append(all, Event{At: Moment{at.UTC(), f.Now.UTC()}, Kind: "Key", Name: k.KeyID, Owner: owner, What: what, Effect: effect})
			}
		}
		for _, k := range iss.Keys {
			switch {
			case k.State == "next":
				add(k, k.SignsFrom, "signs from then on", "It is published already, so clients notice nothing.")
			case k.State == "active" && !hasNext(iss.Keys):
				add(k, k.RetiresAt, "retires", "A new key signs. Tokens of this one work until they expire.")
			case k.State == "retired":
				add(k, k.DeletesAt, "goes", "No token of it is left then.")
			}
		}
	}
	return all
}

// hasNext reports whether another key waits. It signs when the active key retires.
func hasNext(keys []adminapi.Key) bool {
	return slices.ContainsFunc(keys, func(k adminapi.Key) bool { return k.State == "next" })
}

// aging returns the trusted issuers whose keys serve, though they did not answer. The keys of
// the others are confirmed again and again.
func (f *Facts) aging() (all []adminapi.TrustedIssuer) {
	for _, t := range f.Status.Trusted {
		if t.Stale && !t.Expired && t.Keys > 0 && t.UsedUntil != nil && t.UsedUntil.After(f.Now) {
			all = append(all, t)
		}
	}
	return all
}

func (f *Facts) agingEvents() (all []Event) {
	for _, t := range f.aging() {
		all = append(all, Event{
			At: *f.moment(t.UsedUntil), Kind: "Trusted issuer", Name: t.Issuer, What: "has keys that are too old",
			Effect: "Its tokens are refused from then on, unless it answers before.",
		})
	}
	return all
}

// secretEvents joins secrets that expire at one time, if there are many.
func (f *Facts) secretEvents() (all []Event) {
	last := make(map[string]bool)
	for _, s := range f.lastSecrets() {
		last[s.clientID+" "+s.SecretID] = true
	}
	at := make(map[time.Time][]Event)
	for s := range f.activeSecrets() {
		if s.ExpiresAt == nil || !s.ExpiresAt.After(f.Now) {
			continue
		}
		effect := "Another one is valid longer."
		if last[s.ClientID+" "+s.SecretID] {
			effect = "It is the last one: token requests are refused then."
		}
		expires := s.ExpiresAt.UTC()
		at[expires] = append(at[expires], Event{
			At: Moment{expires, f.Now.UTC()}, Kind: "Secret", Name: s.SecretID, Owner: s.ClientID, What: "expires", Effect: effect, Link: clientLink(s.ClientID),
		})
	}
	for moment, several := range at {
		if len(several) > named {
			several = []Event{{At: Moment{moment, f.Now.UTC()}, Kind: number(len(several)) + " secrets", What: "expire", Effect: "The first: " + visible(several[0].Owner) + "."}}
		}
		all = append(all, several...)
	}
	return all
}

// activeSecrets yields the secrets of active Applications.
func (f *Facts) activeSecrets() func(func(adminapi.Secret) bool) {
	return func(yield func(adminapi.Secret) bool) {
		for _, iss := range f.Secrets {
			for _, s := range iss.Secrets {
				if s.Active && !yield(s) {
					return
				}
			}
		}
	}
}

// expireBars counts the secrets that expire, by day.
func (f *Facts) expireBars() (bars []Bar) {
	var perDay [days]int
	for s := range f.activeSecrets() {
		if s.ExpiresAt != nil && s.ExpiresAt.After(f.Now) && s.ExpiresAt.Sub(f.Now) < horizon {
			perDay[min(f.hoursTo(*s.ExpiresAt)/24, days-1)]++
		}
	}
	most := slices.Max(perDay[:])
	for day, n := range perDay {
		if n > 0 {
			bars = append(bars, Bar{Kind: "expires", X: day * 24, Width: 24, Height: 20 + 80*n/most, Count: n})
		}
	}
	return bars
}

// Described returns for people how many secrets expire.
func (t Timeline) Described() string {
	total := 0
	for _, b := range t.Expire {
		total += b.Count
	}
	return fmt.Sprintf("%s expire", count(total, "secret", "secrets"))
}
