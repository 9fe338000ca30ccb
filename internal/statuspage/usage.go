package statuspage

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Counted is what the nodes have counted: of the chosen Application or route, or of all.
type Counted struct {
	Query
	Known   bool    // some node counts
	Since   *Moment // when that began
	Nodes   int
	Problem string // why that of other nodes is not known, or ""
	// Tokens is nil for a route, and where there is no Application.
	Tokens       *Tokens
	Callers      []Caller
	CallersMore  int
	Refusals     []Refusal
	RefusalsMore int
	Routes       int
	NotToldApart uint64
}

// Tokens are those that were issued.
type Tokens struct {
	Last        *Moment // nil if there is none
	Hours       Chart
	Days        Chart
	TokenURL    string // where to ask for the first one, if there is none
	ClientID    string // who may
	LastDay     uint64
	LastMonth   uint64
	SeveralDays bool // to draw
}

// Caller is a client that a route let through.
type Caller struct {
	Issuer, ClientID string
	Link             string // of an Application, or ""
	Route, RouteLink string
	Scopes           string
	Times            uint64
	Last             *Moment
}

// Refusal is a reason for which requests were refused.
type Refusal struct {
	Document   Document
	ReportOnly bool // they would have been
	Times      uint64
	Last       *Moment
	Route      string // where that was most frequent
	RouteLink  string
	Routes     int // more of them
}

const (
	mostCallers  = 8
	mostRefusals = 8
)

func (f *Facts) counted(q Query) Counted {
	c := Counted{Query: q, Routes: len(f.Routes)}
	if f.Usage == nil || f.Usage.Since == nil {
		return c
	}
	c.Known, c.Since, c.Nodes, c.Problem, c.NotToldApart = true, f.moment(f.Usage.Since), f.Usage.Nodes, f.Usage.Problem, f.Usage.NotToldApart
	if t := f.tokens(q); q.Route == "" && (t.Last != nil || t.TokenURL != "") {
		c.Tokens = t
	}
	c.Callers, c.CallersMore = bounded(f.callers(q), mostCallers)
	c.Refusals, c.RefusalsMore = bounded(f.refusals(q), mostRefusals)
	return c
}

// callers are the pairs of a client and a route, the most frequent first.
func (f *Facts) callers(q Query) (all []Caller) {
	for _, r := range f.Usage.Routes {
		for _, c := range r.Callers {
			if q.covers(r.Route, c.ClientID) {
				all = append(all, Caller{Issuer: c.Issuer, ClientID: c.ClientID, Route: r.Route, Scopes: c.Scopes, Times: c.Times, Last: f.moment(&c.Last)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Caller) int { return -cmp.Compare(a.Times, b.Times) })
	for i := range all[:min(len(all), mostCallers)] {
		c := &all[i]
		if c.RouteLink = routeLink(c.Route); f.declares(c.Issuer, c.ClientID) {
			c.Link, c.Issuer = clientLink(c.ClientID), ""
		}
	}
	return all
}

// covers reports whether a reader who has chosen this wants to know of the pair.
func (q Query) covers(route, clientID string) bool {
	return (q.Route == "" || q.Route == route) && (q.ClientID == "" || q.ClientID == clientID)
}

// declares reports whether a client is an Application of an issuer of this server.
func (f *Facts) declares(issuer, clientID string) bool {
	first, _ := slices.BinarySearchFunc(f.Applications, clientID, func(a Application, id string) int { return strings.Compare(a.ClientID, id) })
	for _, a := range f.Applications[first:] {
		if a.ClientID != clientID {
			return false
		}
		if a.Issuer == issuer {
			return true
		}
	}
	return false
}

// refusals join what was refused for the same reason, the most frequent first.
func (f *Facts) refusals(q Query) (all []Refusal) {
	type kind struct {
		reason     string
		reportOnly bool
	}
	found, most := make(map[kind]*Refusal), make(map[kind]uint64)
	for _, r := range f.Usage.Routes {
		here := make(map[kind]uint64)
		for _, g := range r.Refused {
			if !q.covers(r.Route, g.ClientID) {
				continue
			}
			k := kind{g.Reason, r.ReportOnly}
			if found[k] == nil {
				found[k] = &Refusal{Document: reasonDocument(g.Reason), ReportOnly: r.ReportOnly}
			}
			one := found[k]
			one.Times += g.Times
			if here[k] += g.Times; one.Last == nil || g.Last.After(one.Last.at) {
				one.Last = f.moment(&g.Last)
			}
		}
		for k, times := range here {
			one := found[k]
			if one.Routes++; times > most[k] {
				most[k], one.Route, one.RouteLink = times, r.Route, routeLink(r.Route)
			}
		}
	}
	for _, one := range found {
		one.Routes--
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), strings.Compare(a.Document.Title, b.Document.Title), cmp.Compare(b2i(a.ReportOnly), b2i(b.ReportOnly)))
	})
	return all
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tokens counts those of the last 24 hours and 30 days.
func (f *Facts) tokens(q Query) *Tokens {
	t := &Tokens{Hours: newChart(f.Now, time.Hour, 24), Days: newChart(f.Now, 24*time.Hour, days)}
	for _, a := range f.Usage.Applications {
		if q.ClientID != "" && q.ClientID != a.ClientID {
			continue
		}
		t.Hours.add(a.ByHour)
		t.Days.add(a.ByDay)
		if a.LastToken != nil && (t.Last == nil || a.LastToken.After(t.Last.at)) {
			t.Last = f.moment(a.LastToken)
		}
	}
	t.Hours.draw(f.Now, "2 Jan 15:04")
	t.Days.draw(f.Now, "2 Jan")
	t.LastDay, t.LastMonth, t.SeveralDays = t.Hours.total, t.Days.total, len(t.Days.Bars) > 1
	f.first(q, t)
	return t
}

// first says how to get the first token.
func (f *Facts) first(q Query, t *Tokens) {
	for _, a := range f.Applications {
		if t.Last == nil && a.Active && (q.ClientID == "" || q.ClientID == a.ClientID) {
			t.TokenURL, t.ClientID = a.Issuer+"/token", a.ClientID
			return
		}
	}
}

// Chart has one bar for each hour or day, the last one on the right.
type Chart struct {
	Bars        []ChartBar // without those that are zero
	Width       int
	First, Last string // of the axis
	Most        uint64 // of one bar
	counts      []uint64
	from        int64 // the first slot, in lengths since 1970
	length      int64 // of a slot, in seconds
	total       uint64
}

// ChartBar is a bar. The height is in percent.
type ChartBar struct {
	X, Height int
	From      string
	Tokens    uint64
}

// Top is where the bar begins, in percent.
func (b ChartBar) Top() int { return 100 - b.Height }

func newChart(now time.Time, length time.Duration, slots int) Chart {
	seconds := int64(length / time.Second)
	return Chart{Width: slots * barWidth, counts: make([]uint64, slots), from: now.Unix()/seconds - int64(slots) + 1, length: seconds}
}

// barWidth is that of a bar and the gap after it.
const barWidth = 10

func (c *Chart) add(counts []adminapi.TokenCount) {
	for _, one := range counts {
		if slot := one.From.Unix()/c.length - c.from; slot >= 0 && slot < int64(len(c.counts)) {
			c.counts[slot] += one.Tokens
			c.total += one.Tokens
		}
	}
}

// draw makes the bars. What is not zero can be seen.
func (c *Chart) draw(now time.Time, layout string) {
	c.Most = slices.Max(c.counts)
	at := func(slot int) string { return time.Unix((c.from+int64(slot))*c.length, 0).UTC().Format(layout) }
	for slot, n := range c.counts {
		if n > 0 {
			height := math.Ceil(4 + 96*float64(n)/float64(c.Most))
			c.Bars = append(c.Bars, ChartBar{X: slot * barWidth, Height: int(height), From: at(slot), Tokens: n})
		}
	}
	c.First, c.Last = at(0), now.UTC().Format(layout)
}
