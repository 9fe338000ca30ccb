package adminendpoint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// manyNetworks is how many networks a secret may be used from without being a finding.
const manyNetworks = 3

// findings returns what an operator may want to change about an Application. What is not
// known counts as a use.
func (c *counts) findings(iss *tokenidp.Issuer, set *application.Set, a *application.Application, u adminapi.ApplicationUsage, decides map[string]bool, q usageQuery) (found []adminapi.Finding) {
	if !a.Active {
		return nil
	}
	finding := func(kind, text string) adminapi.Finding {
		return adminapi.Finding{Kind: kind, Issuer: iss.Issuer, ClientID: a.ClientID, Text: text, Source: a.Source}
	}
	if synced := c.store.SyncedAt(); !synced.IsZero() && c.now.Sub(synced) <= syncedWithin {
		if c.isAsleep(u, q.unusedFor) {
			f := finding(adminapi.FindingAsleep, asleepText(u, q.unusedFor))
			f.Old, f.New = []string{"active: true"}, []string{"active: false"}
			return []adminapi.Finding{f}
		}
		if unused := c.unusedScopes(u, decides, q.unusedFor); len(unused) > 0 {
			f := finding(adminapi.FindingUnusedScopes, fmt.Sprintf("%s has not used %s for %s", a.ClientID, strings.Join(unused, ", "), days(q.unusedFor)))
			f.Scopes = unused
			f.Old, f.New = withoutScopes(a, unused)
			found = append(found, f)
		}
	}
	for s := range set.SecretsAfter(a.ClientID, "") {
		if s.Application != a {
			break
		}
		if reported := reportSecret(c.store, iss.Issuer, s, q.unusedFor, c.now); reported.Removable && len(a.Secrets) > 1 {
			f := finding(adminapi.FindingUnusedSecret, fmt.Sprintf("nobody needs the secret %s of %s; `caddy tokenidp secrets --retire --client %s --id %s` says why", s.ID, a.ClientID, a.ClientID, s.ID))
			f.SecretID, f.Source = s.ID, fmt.Sprintf("%s:%d", s.File, s.Line)
			found = append(found, f)
		}
	}
	for _, s := range u.Secrets {
		if recent := recentNetworks(s, c.now.Add(-q.unusedFor)); recent > manyNetworks && s.SecretID != "" {
			f := finding(adminapi.FindingSharedSecret, fmt.Sprintf("the secret %s of %s is used from %d networks or more; give each workload an Application of its own", s.SecretID, a.ClientID, recent))
			f.SecretID = s.SecretID
			found = append(found, f)
		}
	}
	if u.Storm != nil && u.Storm.Excessive() {
		found = append(found, finding(adminapi.FindingStorm, fmt.Sprintf("%s got %d tokens in 24 hours, and needs about %d; it should keep a token until shortly before it expires", a.ClientID, u.Storm.Tokens, u.Storm.Needed)))
	}
	return found
}

// isAsleep reports whether the Application got no token for so long, though it could.
func (c *counts) isAsleep(u adminapi.ApplicationUsage, unusedFor time.Duration) bool {
	before := c.now.Add(-unusedFor)
	if u.LastToken != nil && u.LastToken.After(before) || len(u.Scopes) == 0 || c.dropped[usage.Issued.String()] > 0 {
		return false
	}
	for _, s := range u.Scopes {
		if !unusedSince(s.LastUsed, before) {
			return false
		}
	}
	return slices.ContainsFunc(u.Scopes, func(s adminapi.ScopeUsage) bool { return s.GrantedSince != nil && s.GrantedSince.Before(before) })
}

func asleepText(u adminapi.ApplicationUsage, unusedFor time.Duration) string {
	if u.LastToken == nil {
		return fmt.Sprintf("%s got no token for %s; no token of it is known", u.ClientID, days(unusedFor))
	}
	return fmt.Sprintf("%s got no token for %s; the last one was of %s", u.ClientID, days(unusedFor), u.LastToken.Format(time.DateOnly))
}

// unusedScopes returns the scopes that the Application was granted before the time, and has
// not used since: it got no token with them, or no request passed a route of this server by
// them. A scope that no route here asks for may be used elsewhere.
func (c *counts) unusedScopes(u adminapi.ApplicationUsage, decides map[string]bool, unusedFor time.Duration) (unused []string) {
	before := c.now.Add(-unusedFor)
	for _, s := range u.Scopes {
		asked := !unusedSince(s.LastAsked, before)
		if !s.Granted || s.GrantedSince == nil || s.GrantedSince.After(before) || !unusedSince(s.LastUsed, before) {
			continue
		}
		if asked && (!decides[s.Scope] || c.dropped[usage.Passed.String()]+c.dropped[usage.Read.String()] > 0) {
			continue
		}
		if !asked && c.dropped[usage.Asked.String()] > 0 {
			continue
		}
		unused = append(unused, s.Scope)
	}
	return unused
}

func unusedSince(last *time.Time, before time.Time) bool { return last == nil || last.Before(before) }

// withoutScopes returns the lines of the Application that name the scopes, and what they
// are without them.
func withoutScopes(a *application.Application, unused []string) (before, after []string) {
	left := remaining(a.Scopes, unused)
	if len(left) == 0 {
		return []string{"active: true"}, []string{"active: false"}
	}
	before, after = []string{yamlList("scopes", a.Scopes)}, []string{yamlList("scopes", left)}
	if defaults := remaining(a.DefaultScopes, unused); len(defaults) < len(a.DefaultScopes) {
		before = append(before, yamlList("default_scopes", a.DefaultScopes))
		after = append(after, "")
		if len(defaults) > 0 {
			after[1] = yamlList("default_scopes", defaults)
		}
	}
	return before, after
}

func remaining(scopes, unused []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(unused, scope) })
}

func yamlList(field string, scopes []string) string {
	quoted := make([]string, len(scopes))
	for i, scope := range scopes {
		if quoted[i] = scope; strings.ContainsAny(scope, `:,[]{}#&*!|>'%@`+"`") {
			quoted[i] = fmt.Sprintf("%q", scope)
		}
	}
	return field + ": [" + strings.Join(quoted, ", ") + "]"
}

func recentNetworks(s adminapi.SecretUsage, after time.Time) (recent int) {
	for _, n := range s.Networks {
		if !unusedSince(n.LastUsed, after) {
			recent++
		}
	}
	return recent
}

// days is a duration in the unit that a person would use.
func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return fmt.Sprintf("%d hours", int(d.Hours()))
}
