package statuspage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Tidy is what was found in use that an operator may want to change.
type Tidy struct {
	Items []TidyItem
	More  int
	// Described counts the kinds.
	Described string
}

// TidyItem is one finding. Callers notice nothing of it.
type TidyItem struct {
	adminapi.Finding
	Kind     string
	Link     string
	Command  string
	Document Document
}

// mostTidy bounds what the page shows.
const mostTidy = 6

// tidyKinds are the kinds, the most urgent first.
var tidyKinds = []struct{ kind, mark, one, several string }{
	{adminapi.FindingStorm, "storm", "storm", "storms"},
	{adminapi.FindingSharedSecret, "shared secret", "shared secret", "shared secrets"},
	{adminapi.FindingUnusedSecret, "unused secret", "unused secret", "unused secrets"},
	{adminapi.FindingUnusedScopes, "unused scopes", "Application with unused scopes", "Applications with unused scopes"},
	{adminapi.FindingAsleep, "asleep", "Application asleep", "Applications asleep"},
}

func tidyRank(kind string) int {
	for i, k := range tidyKinds {
		if k.kind == kind {
			return i
		}
	}
	return len(tidyKinds)
}

// tidy shows the findings of the chosen Application, or of all.
func (f *Facts) tidy(q Query) (t Tidy) {
	if f.Usage == nil {
		return t
	}
	all := slices.DeleteFunc(slices.Clone(f.Usage.Findings), func(found adminapi.Finding) bool {
		return tidyRank(found.Kind) == len(tidyKinds) || q.ClientID != "" && q.ClientID != found.ClientID
	})
	slices.SortStableFunc(all, func(a, b adminapi.Finding) int { return cmp.Compare(tidyRank(a.Kind), tidyRank(b.Kind)) })
	counts := make([]int, len(tidyKinds))
	for _, found := range all {
		counts[tidyRank(found.Kind)]++
	}
	var parts []string
	for i, k := range tidyKinds {
		if counts[i] > 0 {
			parts = append(parts, count(counts[i], k.one, k.several))
		}
	}
	t.Described = strings.Join(parts, ", ")
	all, t.More = bounded(all, mostTidy)
	for _, found := range all {
		t.Items = append(t.Items, tidyItem(found))
	}
	return t
}

// tidyItem says what to do about a finding.
func tidyItem(found adminapi.Finding) TidyItem {
	item := TidyItem{
		Finding: found, Kind: tidyKinds[tidyRank(found.Kind)].mark, Link: clientLink(found.ClientID),
		Command: "caddy tokenidp usage --client " + word(found.ClientID), Document: Document{"What nobody uses", "usage.md#what-nobody-uses"},
	}
	item.Old, _ = bounded(found.Old, named)
	item.New, _ = bounded(found.New, named)
	switch found.Kind {
	case adminapi.FindingStorm:
		item.Command, item.Document = "caddy tokenidp usage --storms", Document{"Storms", "usage.md#storms"}
	case adminapi.FindingUnusedSecret:
		item.Text = "nobody needs the secret " + found.SecretID + " of " + found.ClientID
		item.Command = "caddy tokenidp secrets --retire --client " + word(found.ClientID) + " --id " + word(found.SecretID)
	}
	return item
}
