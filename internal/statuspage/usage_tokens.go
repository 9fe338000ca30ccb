package statuspage

import (
	"math"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

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
