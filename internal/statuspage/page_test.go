package statuspage

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// TestLinesAreTheTruth compares the picture and its table with the answers of the server.
func TestLinesAreTheTruth(t *testing.T) {
	f := well(3)
	var want []string
	for _, r := range f.access(func(string) bool { return true }, "") {
		for _, c := range r.Clients {
			if c.Allowed {
				want = append(want, c.ClientID+" > "+r.Route+" > "+c.Scope)
			}
		}
	}
	slices.Sort(want)
	p := New(f, Query{})
	var lines, table []string
	for _, l := range p.Reach.Lines {
		if l.Kind == "refused" {
			continue
		}
		lines = append(lines, p.Reach.Left[l.Left].Name+" > "+p.Reach.Right[l.Right].Name)
	}
	root := parse(t, render(t, f, ""))
	for _, tr := range find(details(root, "pairs"), atom.Tr, "")[1:] {
		cells := find(tr, atom.Td, "")
		if content(cells[2]) != "yes" {
			continue
		}
		table = append(table, content(cells[0])+" > "+content(cells[1])+" > "+strings.Fields(content(cells[3]))[0])
	}
	slices.Sort(lines)
	slices.Sort(table)
	if !slices.Equal(table, want) {
		t.Errorf("the table has %q, want %q", table, want)
	}
	for i, w := range want {
		if len(lines) != len(want) || !strings.HasPrefix(w, lines[i]+" > ") {
			t.Fatalf("the lines are %q, want %q", lines, want)
		}
	}
	if n := strings.Count(render(t, f, ""), `d="M0 `); n != len(want)+1 {
		t.Errorf("%d lines are drawn, want %d, and one that is refused", n, len(want))
	}
}

// TestUseOfOthers with the client_id of an Application is not its own.
func TestUseOfOthers(t *testing.T) {
	f := well(3)
	want := New(f, Query{ClientID: "orders-worker"}).Counted
	r := &f.Usage.Routes[3]
	r.Callers = append(r.Callers, adminapi.Caller{Issuer: "https://other.example", ClientID: "orders-worker", Times: 9999})
	r.Refused = append(r.Refused, adminapi.RefusedGroup{Issuer: "https://other.example", ClientID: "orders-worker", Reason: "expired", Times: 1})
	if got := New(f, Query{ClientID: "orders-worker"}).Counted; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if first := New(f, Query{}).Counted.Callers[0]; first.Link != "" || first.Issuer != "https://other.example" {
		t.Errorf("%+v", first)
	}
}

// TestUseIsCountedOnce on a route with two verify.
func TestUseIsCountedOnce(t *testing.T) {
	f := well(3)
	want := New(f, Query{Route: routes[0].id})
	twice := f.Usage.Routes[0]
	reports := twice
	reports.ReportOnly, reports.Refused = true, nil
	f.Usage.Routes = append(f.Usage.Routes, twice, reports)
	if got := New(f, Query{Route: routes[0].id}); !reflect.DeepEqual(got.Counted, want.Counted) || !reflect.DeepEqual(got.Reach.Pairs, want.Reach.Pairs) {
		t.Errorf("%+v\n%+v", got.Counted, want.Counted)
	}
}

// details returns the part that a reader opens.
func details(root *html.Node, id string) *html.Node {
	for _, d := range find(root, atom.Details, "") {
		if attribute(d, "id") == id {
			return d
		}
	}
	return new(html.Node)
}

// TestLinesSayTheUse by their form and in the table, or nothing if nothing is counted.
func TestLinesSayTheUse(t *testing.T) {
	f := well(3)
	kinds := func() (kinds []string) {
		p := New(f, Query{})
		for _, l := range p.Reach.Lines {
			kinds = append(kinds, p.Reach.Left[l.Left].Name+" > "+strconv.Itoa(l.Right)+" "+l.Kind)
		}
		return kinds
	}
	want := []string{"billing-export > 0 used", "orders-worker > 0 used", "orders-worker > 1 used", "warehouse-sync > 0 ", "warehouse-sync > 1 refused", "warehouse-sync > 2 used"}
	if got := kinds(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, of := range []struct {
		at   time.Duration
		want string
	}{{-2 * day, "billing-export > 0 used"}, {-time.Hour, "billing-export > 0 used refused"}} {
		f = well(3)
		f.Usage.Routes[0].Refused = append(f.Usage.Routes[0].Refused,
			adminapi.RefusedGroup{Issuer: issuer, ClientID: "billing-export", Reason: "expired", Times: 1, Last: *in(of.at)},
			adminapi.RefusedGroup{Issuer: "https://other.example", ClientID: "orders-worker", Reason: "expired", Times: 1, Last: *in(0)})
		if got := kinds(); got[0] != of.want || got[1] != want[1] {
			t.Errorf("refused at %s: %q", of.at, got)
		}
	}
	for _, usage := range []*adminapi.Usage{nil, {}} {
		f.Usage = usage
		if got := strings.Join(kinds(), ""); strings.Contains(got, "used") || len(New(f, Query{}).Reach.Lines) != 5 {
			t.Errorf("without counts: %s", got)
		}
		if text := render(t, f, ""); strings.Contains(text, ">Use</th>") || strings.Contains(text, "data-counts") || !strings.Contains(text, "Nothing is counted yet") {
			t.Error("the page shows what is not known")
		}
	}
}

// TestNumbersAreTheTruth has the sums and each number of the charts in words, and in the data
// of the drawings.
func TestNumbersAreTheTruth(t *testing.T) {
	f := well(3)
	var lastDay, lastMonth uint64
	for _, a := range f.Usage.Applications {
		for _, c := range a.ByHour {
			if c.From.After(noon.Add(-day)) {
				lastDay += c.Tokens
			}
		}
		for _, c := range a.ByDay {
			lastMonth += c.Tokens
		}
	}
	root := parse(t, render(t, f, ""))
	if want := "Counted on 3 nodes, known since 12 Nov 09:00 UTC"; !strings.Contains(content(root), want) {
		t.Errorf("the page does not say %s", want)
	}
	charts := find(find(root, atom.Table, "charts")[0], atom.Tr, "")[1:]
	numbers := find(details(root, "history-numbers"), atom.Tr, "")[1:]
	var names []string
	for i, tr := range charts {
		name := content(find(tr, atom.Th, "")[0])
		names = append(names, name)
		if other := content(find(numbers[i], atom.Th, "")[0]); other != name {
			t.Errorf("the charts of %s are beside the numbers of %s", name, other)
		}
		for j, td := range find(tr, atom.Td, "") {
			listed := content(find(numbers[i], atom.Td, "")[j])
			total, drawn := chartOf(t, find(td, atom.Svg, "chart")[0])
			if drawn != strings.Count(listed, ": ") || !strings.HasPrefix(content(td), amount(total)) {
				t.Errorf("%s: %s, and the chart has %d bars with %d", name, content(td), drawn, total)
			}
		}
	}
	want := []string{
		"Tokens issued", "inactive_client refused at the token endpoint", "no_token refused at routes", "expired refused at routes", "missing_scope refused at routes",
		"malformed_token report_only: would be refused", "Other 3 reasons",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the rows are %q, want %q", names, want)
	}
	tokens := New(f, Query{}).Counted.History.Rows[0]
	if tokens.Hours.Total != lastDay || tokens.Days.Total != lastMonth {
		t.Errorf("%d and %d tokens, want %d and %d", tokens.Hours.Total, tokens.Days.Total, lastDay, lastMonth)
	}
	if one := New(f, Query{ClientID: "orders-worker"}).Counted; len(one.History.Rows) != 1 || one.History.Rows[0].Hours.Total != lastDay/3 || len(one.Callers) != 2 {
		t.Errorf("%+v", one)
	}
	if one := New(f, Query{Route: routes[2].id}).Counted; len(one.History.Rows) != 2 || one.History.Rows[0].Document.Title != "missing_scope" || len(one.Callers) != 1 || one.Refusals[0].Times != 22 {
		t.Errorf("%+v", one)
	}
}

// TestNoRefusals is not said of what was not counted.
func TestNoRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		since   time.Duration
		refused []adminapi.RefusedGroup
		want    string
	}{
		"none":                     {-40 * day, nil, "No request was refused in 30 days."},
		"for one hour":             {-time.Hour, nil, "No request was refused since 29 Nov 11:00 UTC (1 h ago)."},
		"not counted by hour":      {-40 * day, []adminapi.RefusedGroup{{Reason: "expired", Times: 1000, Last: *in(-29 * day)}}, ""},
		"one too long ago to show": {-40 * day, []adminapi.RefusedGroup{{Reason: "expired", Times: 1000, Last: *in(-31 * day)}}, "No request was refused in 30 days."},
	} {
		f := well(3)
		f.Usage.Since, f.Usage.Refusals = in(row.since), nil
		for i := range f.Usage.Routes {
			f.Usage.Routes[i].Refused = nil
		}
		f.Usage.Routes[1].Refused = row.refused
		for _, query := range []string{"", "route=" + url.QueryEscape(routes[1].id)} {
			said := ""
			for _, p := range find(find(parse(t, render(t, f, query)), atom.Div, "history")[0], atom.P, "") {
				if text := content(p); strings.Contains(text, "refused") {
					said = text
				}
			}
			if said != row.want {
				t.Errorf("%s, ?%s: %q, want %q", name, query, said, row.want)
			}
		}
	}
}

// TestUsageOff leaves no column for what is not counted.
func TestUsageOff(t *testing.T) {
	f := well(3)
	for _, off := range []bool{false, true} {
		f.UsageOff = off
		table := find(find(parse(t, render(t, f, "")), atom.Section, "")[4], atom.Table, "")[0]
		if got := strings.Contains(content(table), "Last use"); got == off {
			t.Errorf("off is %t, and the table is %s", off, content(table))
		}
		if n := len(find(table, atom.Td, "")); n != 9 && !off || n != 6 && off {
			t.Errorf("off is %t, and the table has %d cells", off, n)
		}
	}
}

// chartOf returns the sum of a chart's data, and how many bars it has.
func chartOf(t *testing.T, svg *html.Node) (total uint64, bars int) {
	t.Helper()
	some := 0
	for _, count := range strings.Fields(attribute(svg, "data-counts")) {
		n, err := strconv.ParseUint(count, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n > 0 {
			some++
		}
	}
	for n := range svg.Descendants() {
		bars += strings.Count(attribute(n, "d"), "M")
	}
	if bars != some {
		t.Errorf("%d bars for %d numbers", bars, some)
	}
	return total, bars
}

// TestAgingKeys checks that the timeline has the keys of trusted issuers that serve and cannot
// be confirmed, and no others.
func TestAgingKeys(t *testing.T) {
	for _, row := range []struct {
		trusted adminapi.TrustedIssuer
		want    bool
	}{
		{adminapi.TrustedIssuer{Keys: 1, Stale: true, UsedUntil: in(21 * time.Hour)}, true},
		{adminapi.TrustedIssuer{Keys: 1, UsedUntil: in(21 * time.Hour)}, false},
		{adminapi.TrustedIssuer{Keys: 1, Stale: true, Expired: true, UsedUntil: in(-time.Hour)}, false},
		{adminapi.TrustedIssuer{Stale: true}, false},
	} {
		row.trusted.Issuer = "https://accounts.example.com"
		f := well(3)
		f.Status.Trusted = []adminapi.TrustedIssuer{row.trusted}
		p := New(f, Query{})
		lanes := slices.ContainsFunc(p.Timeline.Lanes, func(l Lane) bool { return l.KeyID == row.trusted.Issuer && l.Bars[0].Width == 21 })
		event := slices.ContainsFunc(p.Timeline.Events, func(e Event) bool { return e.Name == row.trusted.Issuer && e.At.at.Equal(noon.Add(21*time.Hour)) })
		finding := slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Until != nil && f.Until.at.Equal(noon.Add(21*time.Hour)) })
		if lanes != row.want || event != row.want || finding != row.want || p.Timeline.Aging != row.want {
			t.Errorf("%+v: %v, %v and %v, want %v", row.trusted, lanes, event, finding, row.want)
		}
	}
}

// TestReasonsWithTwoParagraphs finds each reason that verify and the token endpoint share.
func TestReasonsWithTwoParagraphs(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var twice []string
	for _, anchor := range anchors(string(text)) {
		if reason, second := strings.CutSuffix(anchor, "-1"); second {
			twice = append(twice, reason)
		}
	}
	slices.Sort(twice)
	if !slices.Equal(twice, sharedReasons) {
		t.Errorf("%q have two paragraphs, and the page knows %q", twice, sharedReasons)
	}
}

// TestBounds checks that a person can see the page, whatever the server has.
func TestBounds(t *testing.T) {
	queries := []string{
		"", "q=worker", "q=" + strings.Repeat("x", 100_000), "client=" + clientID(1), "client=" + strings.Repeat("y", 100_000),
		"route=" + url.QueryEscape(routes[0].id), "route=" + url.QueryEscape(routes[0].id) + "&q=0001",
	}
	for _, n := range []int{0, 3, 200, 10_000} {
		for state, f := range map[string]Facts{"well": well(n), "crowded": crowded(n)} {
			for _, query := range queries {
				root := parse(t, render(t, f, query))
				for _, side := range []string{"left", "right"} {
					for _, ol := range find(root, atom.Ol, side) {
						if got := len(find(ol, atom.Li, "")); got > mostNodes {
							t.Errorf("%s, %d, ?%.40s: %d nodes on the %s", state, n, query, got, side)
						}
					}
				}
				if got := len(find(root, atom.Tr, "")); got > mostPairs+mostHolders+mostCallers+mostRefusals+2*(mostReasons+2)+7 {
					t.Errorf("%s, %d, ?%.40s: %d rows", state, n, query, got)
				}
			}
		}
	}
}

// crowded returns a server with hundreds of everything.
func crowded(applications int) Facts {
	f := wrong(applications)
	for i := range 300 {
		iss := f.Status.Issuers[0]
		iss.Issuer = fmt.Sprintf("https://issuer-%d.example.com", i)
		iss.Files = slices.Repeat(iss.Files, 50)
		f.Status.Issuers = append(f.Status.Issuers, iss)
		f.Status.Trusted = append(f.Status.Trusted, adminapi.TrustedIssuer{Issuer: fmt.Sprintf("https://trusted-%d.example.com", i), Stale: true})
		f.Keys = append(f.Keys, adminapi.IssuerKeys{Issuer: iss.Issuer, Keys: []adminapi.Key{{KeyID: fmt.Sprint(i), State: "next", SignsFrom: in(day)}, {KeyID: fmt.Sprint(-i), State: "active"}}})
		r := f.Routes[i%len(routes)]
		r.Route = fmt.Sprintf("%d.%s", i, r.Route)
		f.Routes = append(f.Routes, r)
	}
	for i := range 300 {
		r := adminapi.RouteUsage{Route: f.Routes[i].Route}
		for j := range 30 {
			r.Callers = append(r.Callers, adminapi.Caller{ClientID: clientID(j), Issuer: "https://elsewhere.example.com", Times: uint64(i * j)})
			r.Refused = append(r.Refused, adminapi.RefusedGroup{ClientID: clientID(j), Issuer: issuer, Reason: fmt.Sprint("reason_", i), Times: uint64(i)})
		}
		f.Usage.Routes = append(f.Usage.Routes, r)
	}
	reaches := f.Routes
	f.Reaches = func(id string) []RouteAccess {
		all := slices.Clone(reaches)
		for i := range all {
			all[i].Clients = []ClientAccess{{ClientID: id, Allowed: i%2 == 0, Reason: "scope_not_granted", Conditions: []string{strings.Repeat("a condition ", 10)}}}
		}
		return all
	}
	return f
}

// TestHostileNames checks that names from callers and other servers are text, never markup.
func TestHostileNames(t *testing.T) {
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)`, `</style><style>*{display:none}</style>`,
		`javascript:alert(1)`, "\u202eevil\u2066", "\x00\x1b[31m\r\n\u2028", "@as-of@", "{{.}}", "-->", strings.Repeat("w", 10_000), strings.Repeat("é\u200b", 5_000), "\xff\xfe",
	} {
		f := wrong(3)
		f.Status.Issuers[0].Issuer, f.Status.Issuers[0].Files[0].Path, f.Status.Issuers[0].Files[0].Problem = hostile, hostile, hostile
		f.Status.Trusted[0].Issuer, f.Status.Trusted[0].LastError, f.Status.Trusted[0].From = hostile, hostile, hostile
		f.Status.State.Kind, f.Status.State.Problems = hostile, []string{hostile}
		f.Keys = []adminapi.IssuerKeys{{Issuer: hostile, Keys: []adminapi.Key{{KeyID: hostile, State: "active", RetiresAt: in(day)}}}}
		f.Version = hostile
		f.Applications[0] = Application{ClientID: hostile, ClientName: hostile, Active: true, Issuer: hostile}
		f.Secrets[0].Issuer, f.Secrets[0].Secrets[0].ClientID, f.Secrets[0].Secrets[0].SecretID = hostile, hostile, hostile
		f.Usage.Problem = hostile
		f.Usage.Findings = []adminapi.Finding{{Kind: adminapi.FindingUnusedScopes, ClientID: hostile, Text: hostile, Source: hostile, Old: []string{hostile}, New: []string{hostile}}, {Kind: adminapi.FindingUnusedSecret, ClientID: hostile, SecretID: hostile}}
		f.Usage.Routes = []adminapi.RouteUsage{{
			Route: hostile, Callers: []adminapi.Caller{{Issuer: hostile, ClientID: hostile, Scopes: hostile, Times: 1}},
			Refused: []adminapi.RefusedGroup{{Issuer: hostile, ClientID: hostile, Reason: hostile, Times: 1}},
		}}
		f.Usage.Refusals = []adminapi.ReasonUsage{{At: hostile, Route: hostile + "0", Reason: hostile, ByHour: []adminapi.RefusalCount{{From: noon, Refusals: 1}}}}
		f.Usage.Applications[0].LastToken = nil
		for i := range f.Routes {
			f.Routes[i].Route, f.Routes[i].Source, f.Routes[i].Scopes = fmt.Sprint(hostile, i), hostile, []string{hostile}
		}
		slices.SortFunc(f.Applications, func(a, b Application) int { return strings.Compare(a.ClientID, b.ClientID) })
		for _, query := range []string{"", "q=" + url.QueryEscape(hostile), "client=" + url.QueryEscape(hostile), "route=" + url.QueryEscape(hostile+"0")} {
			text := render(t, f, query)
			if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }); i >= 0 {
				t.Errorf("%.40q: the page has %.20q in it", hostile, text[i:])
			}
			root := parse(t, text)
			if n := len(find(root, atom.Script, "")) + len(find(root, atom.Style, "")) + len(find(root, atom.Img, "")); n != 2 {
				t.Errorf("%.40q: the page has %d scripts, styles and images", hostile, n)
			}
			for n := range root.Descendants() {
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(a.Val, "javascript:") && a.Key != "value" {
						t.Errorf("%.40q: <%s %s=%q>", hostile, n.Data, a.Key, a.Val)
					}
				}
			}
		}
	}
}

// TestCommandsOfHostileNames checks that a shell does not interpret a name.
func TestCommandsOfHostileNames(t *testing.T) {
	for id, want := range map[string]string{
		"orders-worker":   "orders-worker",
		"a;rm${IFS}-rf~":  `'a;rm${IFS}-rf~'`,
		"it's":            `'it'\''s'`,
		"--retire":        `'--retire'`,
		"$(id)":           `'$(id)'`,
		"a/b@c.example+d": "a/b@c.example+d",
	} {
		if got := word(id); got != want {
			t.Errorf("%s is written %s, want %s", id, got, want)
		}
	}
}

// TestDocuments follows every link into the documentation.
func TestDocuments(t *testing.T) {
	links := regexp.MustCompile(regexp.QuoteMeta(documents) + `([a-z-]+\.md)(?:#([^"]*))?"`)
	seen := make(map[string]bool)
	for _, f := range []Facts{well(0), wrong(3), odd(), mapped(Map{Problem: "odd"}), {Now: noon, Applications: well(1).Applications, Reaches: well(0).Reaches}} {
		for _, query := range []string{"", "client=" + clientID(1), "route=" + url.QueryEscape(routes[1].id)} {
			for _, m := range links.FindAllStringSubmatch(render(t, f, query), -1) {
				seen[m[1]+"#"+m[2]] = true
			}
		}
	}
	if len(seen) < 12 {
		t.Errorf("there are links to %d paragraphs alone", len(seen))
	}
	for link := range seen {
		file, anchor, _ := strings.Cut(link, "#")
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
		if err != nil {
			t.Error(err)
			continue
		}
		if anchor != "" && !slices.Contains(anchors(string(text)), anchor) {
			t.Errorf("docs/%s has no paragraph %s", file, anchor)
		}
	}
}

// anchors returns the anchors that GitHub gives to headings.
func anchors(text string) (all []string) {
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			anchor := strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
			if slices.Contains(all, anchor) {
				anchor += "-1"
			}
			all = append(all, anchor)
		}
	}
	return all
}
