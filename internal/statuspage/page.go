package statuspage

import (
	"fmt"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Page is the content of the status page.
type Page struct {
	Query
	AsOf         Moment
	Version      string
	Findings     []Finding
	FindingsMore int
	Tidy         Tidy
	Well         []string
	Timeline     Timeline
	Reach        Reach
	Counted      Counted
	Holders      []Holder
	HoldersMore  int
	Issuers      []IssuerRow
	Trusted      []TrustedRow
	IssuersMore  int // of both kinds
	State        StateRow
	Since        *Moment // start of the configuration
}

// mostIssuers limits the issuers of each kind on the page.
const mostIssuers = 12

// New decides what the page says.
func New(f Facts, q Query) *Page {
	q = f.resolve(q)
	f.uses = f.collectUses()
	p := &Page{Query: q, AsOf: Moment{f.Now.UTC(), f.Now.UTC()}, Version: f.Version, Since: f.moment(f.Status.Since)}
	p.Findings, p.FindingsMore = bounded(f.findings(), mostFindings)
	p.Tidy = f.tidy(q)
	p.Well = f.well()
	p.Timeline = f.timeline()
	p.Reach = f.reach(q)
	p.Counted = f.counted(q)
	p.Holders, p.HoldersMore = f.holders(q)
	issuers, more := bounded(f.Status.Issuers, mostIssuers)
	for _, iss := range issuers {
		p.Issuers = append(p.Issuers, f.issuerRow(iss))
	}
	trusted, moreTrusted := bounded(f.Status.Trusted, mostIssuers)
	for _, t := range trusted {
		p.Trusted = append(p.Trusted, TrustedRow{t, t.Described(), f.moment(t.LastSuccess), f.usedUntil(t), f.moment(t.NextFetch)})
	}
	p.IssuersMore = more + moreTrusted
	p.State = StateRow{f.Status.State, f.moment(f.Status.State.LastSync)}
	return p
}

// Headline answers the first question.
func (p *Page) Headline() string {
	switch n := len(p.Findings) + p.FindingsMore; n {
	case 0:
		return "All in order"
	case 1:
		return "1 thing needs you"
	default:
		return number(n) + " things need you"
	}
}

// Bad reports whether callers are refused.
func (p *Page) Bad() bool { return len(p.Findings) > 0 && p.Findings[0].Severity == Now }

// well describes in a few words what is in order.
func (f *Facts) well() (all []string) {
	issuers, trusted, files := 0, 0, 0
	for _, iss := range f.Status.Issuers {
		if len(iss.Problems) == 0 {
			issuers++
		}
		for _, file := range iss.Files {
			if file.Problem == "" {
				files++
			}
		}
	}
	for _, t := range f.Status.Trusted {
		if t.Keys > 0 && !t.Expired && !t.Stale {
			trusted++
		}
	}
	for _, one := range []struct {
		n       int
		one, of string
	}{
		{issuers, "issuer", "issuers"},
		{len(f.Applications), "Application", "Applications"},
		{files, "file in force", "files in force"},
		{len(f.routeIDs()), "route behind verify", "routes behind verify"},
		{trusted, "trusted issuer", "trusted issuers"},
	} {
		if one.n > 0 {
			all = append(all, count(one.n, one.one, one.of))
		}
	}
	if len(f.Status.State.Problems) == 0 {
		all = append(all, "shared state current")
	}
	return all
}

// IssuerRow is an issuer of this server.
type IssuerRow struct {
	adminapi.IssuerStatus
	Files     []FileRow
	FilesMore int
	NextKey   *Moment // time of the next rotation
}

// FileRow is an applications file.
type FileRow struct {
	adminapi.FileStatus
	Loaded *Moment
}

// mostFiles limits the files of an issuer on the page.
const mostFiles = 3

func (f *Facts) issuerRow(iss adminapi.IssuerStatus) IssuerRow {
	row := IssuerRow{IssuerStatus: iss}
	files, more := bounded(iss.Files, mostFiles)
	for _, file := range files {
		row.Files = append(row.Files, FileRow{file, f.moment(file.LoadedAt)})
	}
	row.FilesMore = more
	for _, keys := range f.Keys {
		for _, k := range keys.Keys {
			if keys.Issuer == iss.Issuer && k.State == "active" {
				row.NextKey = f.moment(k.RetiresAt)
			}
		}
	}
	return row
}

// Described counts the Applications and their secrets.
func (r IssuerRow) Described() string {
	var parts []string
	for _, one := range []struct {
		counts map[string]int
		names  []string
		what   string
	}{
		{r.Applications, []string{"active", "inactive"}, "Applications"},
		{r.Secrets, []string{"valid", "expiring", "expired"}, "secrets"},
	} {
		var texts []string
		for _, name := range one.names {
			if n := one.counts[name]; n > 0 {
				texts = append(texts, number(n)+" "+name)
			}
		}
		if len(texts) > 0 {
			parts = append(parts, one.what+": "+strings.Join(texts, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// TrustedRow is a trusted issuer.
type TrustedRow struct {
	adminapi.TrustedIssuer
	Words     string
	Confirmed *Moment
	Used      *Moment // until then, or nil if they are too old
	Next      *Moment
}

func (f *Facts) usedUntil(t adminapi.TrustedIssuer) *Moment {
	if t.Expired {
		return nil
	}
	return f.moment(t.UsedUntil)
}

// StateRow is the shared state.
type StateRow struct {
	adminapi.StateStatus
	Synced *Moment
}

// Size returns the memory that the state uses.
func (s StateRow) Size() string {
	switch {
	case s.Bytes < 1<<20:
		return fmt.Sprintf("%d kB", s.Bytes>>10)
	default:
		return fmt.Sprintf("%d MB", s.Bytes>>20)
	}
}
