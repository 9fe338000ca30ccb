package statuspage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// History is what was counted over time: the tokens, and the refusals by reason. All charts
// of a column have the same axis.
type History struct {
	Last     *Moment // the last token, or nil
	TokenURL string  // where to ask for the first one, if there is none
	ClientID string  // who may
	Rows     []HistoryRow
	Refused  bool    // some request, in 30 days
	Since    *Moment // when counting began, if that is in these days
	ByReason bool    // refusals are counted for this choice
}

// HistoryRow has the charts of one count.
type HistoryRow struct {
	Title       string    // or "" if there is a Document
	Document    *Document // of the reason
	Note        string
	Hours, Days Chart
}

// Refusals reports whether the row is not about tokens.
func (r HistoryRow) Refusals() bool { return r.Title != tokensTitle }

// mostReasons is how many reasons have charts of their own.
const mostReasons = 5

// history returns nil if there is nothing to show or to ask for.
func (f *Facts) history(q Query, refusals []Refusal) *History {
	h := &History{ByReason: q.ClientID == ""}
	if q.Route == "" {
		f.addTokens(h, q)
	}
	if h.ByReason {
		h.Rows = append(h.Rows, f.reasonRows(q)...)
	}
	month := f.Now.AddDate(0, 0, -days)
	if since := f.moment(f.Usage.Since); since.at.After(month) {
		h.Since = since
	}
	// Those by hour may be newer, or not be told apart by route.
	h.Refused = slices.ContainsFunc(h.Rows, HistoryRow.Refusals) ||
		slices.ContainsFunc(refusals, func(r Refusal) bool { return r.Last.at.After(month) })
	if len(h.Rows) == 0 && h.TokenURL == "" && q.Route == "" {
		return nil
	}
	return h
}

const tokensTitle = "Tokens"

// addTokens adds the tokens of the chosen Application, or of all.
func (f *Facts) addTokens(h *History, q Query) {
	row := f.newRow()
	row.Title, row.Note = tokensTitle, "issued"
	for _, a := range f.Usage.Applications {
		if q.ClientID != "" && q.ClientID != a.ClientID {
			continue
		}
		for _, c := range a.ByHour {
			row.Hours.add(c.From, c.Tokens)
		}
		for _, c := range a.ByDay {
			row.Days.add(c.From, c.Tokens)
		}
		if a.LastToken != nil && (h.Last == nil || a.LastToken.After(h.Last.at)) {
			h.Last = f.moment(a.LastToken)
		}
	}
	if h.Last != nil {
		h.Rows = append(h.Rows, row)
		return
	}
	for _, a := range f.Applications {
		if a.Active && (q.ClientID == "" || q.ClientID == a.ClientID) {
			h.TokenURL, h.ClientID = a.Issuer+"/token", a.ClientID
			return
		}
	}
}

// reasonKind is what refusals over time are joined by.
type reasonKind struct {
	at, reason string
	reportOnly bool
}

// reasonRows join the routes and issuers, the most frequent reason first. Those that are less
// frequent have one row together.
func (f *Facts) reasonRows(q Query) (rows []HistoryRow) {
	found := make(map[reasonKind]*HistoryRow)
	for _, r := range f.Usage.Refusals {
		if q.Route != "" && q.Route != r.Route {
			continue
		}
		k := reasonKind{r.At, r.Reason, r.ReportOnly}
		if found[k] == nil {
			row := f.newRow()
			row.Document, row.Note = k.document(), k.note()
			found[k] = &row
		}
		for _, c := range r.ByHour {
			found[k].Hours.add(c.From, c.Refusals)
		}
		for _, c := range r.ByDay {
			found[k].Days.add(c.From, c.Refusals)
		}
	}
	for _, row := range found {
		if row.Hours.Total+row.Days.Total > 0 {
			rows = append(rows, *row)
		}
	}
	slices.SortFunc(rows, func(a, b HistoryRow) int {
		return cmp.Or(-cmp.Compare(a.Hours.Total, b.Hours.Total), -cmp.Compare(a.Days.Total, b.Days.Total),
			strings.Compare(a.Document.Title, b.Document.Title), strings.Compare(a.Note, b.Note))
	})
	if len(rows) <= mostReasons+1 {
		return rows
	}
	other := f.newRow()
	other.Title, other.Note = "Other", count(len(rows)-mostReasons, "reason", "reasons")
	for _, row := range rows[mostReasons:] {
		other.Hours.join(row.Hours)
		other.Days.join(row.Days)
	}
	return append(rows[:mostReasons], other)
}

// document is the paragraph of the reason. Some reasons have one for each place.
func (k reasonKind) document() *Document {
	d := reasonDocument(k.reason)
	if k.at == adminapi.RefusedByToken && slices.Contains(sharedReasons, k.reason) {
		d.Path += "-1" // the second heading with this text
	}
	return &d
}

// sharedReasons are those of both verify and the token endpoint that have two paragraphs.
var sharedReasons = []string{"inactive_client", "state_unavailable"}

func (k reasonKind) note() string {
	switch {
	case k.at == adminapi.RefusedByToken:
		return "refused at the token endpoint"
	case k.reportOnly:
		return "report_only: would be refused"
	}
	return "refused at routes"
}

// Chart has one bar for each hour or day, the last one on the right.
type Chart struct {
	Total, Most uint64 // of all bars, and of one
	counts      []uint64
	from        int64 // the first slot, in lengths since 1970
	length      int64 // of a slot, in seconds
}

func (f *Facts) newRow() HistoryRow {
	return HistoryRow{Hours: newChart(f.Now, time.Hour, 24), Days: newChart(f.Now, 24*time.Hour, days)}
}

func newChart(now time.Time, length time.Duration, slots int) Chart {
	seconds := int64(length / time.Second)
	return Chart{counts: make([]uint64, slots), from: now.Unix()/seconds - int64(slots) + 1, length: seconds}
}

func (c *Chart) add(from time.Time, n uint64) {
	if slot := from.Unix()/c.length - c.from; slot >= 0 && slot < int64(len(c.counts)) {
		c.counts[slot] += n
		c.Total += n
		c.Most = max(c.Most, c.counts[slot])
	}
}

func (c *Chart) join(other Chart) {
	for slot, n := range other.counts {
		c.add(other.at(slot), n)
	}
}

// at returns when a slot begins.
func (c Chart) at(slot int) time.Time { return time.Unix((c.from+int64(slot))*c.length, 0).UTC() }

// Begin is when the axis begins, and Step the length of a slot, in seconds.
func (c Chart) Begin() int64 { return c.from * c.length }

// Step is the length of a slot, in seconds.
func (c Chart) Step() int64 { return c.length }

// barWidth is that of a bar and the gap after it.
const barWidth = 10

// Width is that of the drawing.
func (c Chart) Width() int { return len(c.counts) * barWidth }

// Path draws the bars. What is not zero can be seen.
func (c Chart) Path() string {
	var b strings.Builder
	for slot, n := range c.counts {
		if n > 0 {
			height := int(math.Ceil(4 + 96*float64(n)/float64(c.Most)))
			fmt.Fprintf(&b, "M%d,%dh8V100h-8z", slot*barWidth, 100-height)
		}
	}
	return b.String()
}

// Counts has the number of each slot, for the script.
func (c Chart) Counts() string {
	texts := make([]string, len(c.counts))
	for slot, n := range c.counts {
		texts[slot] = strconv.FormatUint(n, 10)
	}
	return strings.Join(texts, " ")
}

// First and Last name the ends of the axis.
func (c Chart) First() string { return c.at(0).Format(c.layout()) }

// Last names the end of the axis.
func (c Chart) Last() string { return c.at(len(c.counts) - 1).Format(c.layout()) }

func (c Chart) layout() string {
	if c.length < int64(24*time.Hour/time.Second) {
		return "2 Jan 15:04"
	}
	return "2 Jan"
}

// Numbers lists what is not zero.
func (c Chart) Numbers() string {
	var parts []string
	day := -1
	for slot, n := range c.counts {
		if n == 0 {
			continue
		}
		at := c.at(slot)
		layout := c.layout()
		if at.YearDay() == day {
			layout = "15:04"
		}
		day = at.YearDay()
		parts = append(parts, at.Format(layout)+": "+amount(n))
	}
	return strings.Join(parts, "; ")
}
