package live

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// mostChanges is the most lines in a log entry.
const mostChanges = 1000

// change is one side of the differences between two Sets.
type change struct {
	applications map[string]*application.Application
	resources    map[string]*application.Resource
	owners       map[string]*application.Resource // by scope
	descriptions map[string]string                // by scope
}

// changes returns a line for each difference in after: resources, scopes, and
// Applications, by name. It compares only files that differ.
func changes(before, after *application.Set) []string {
	forced := slices.Concat(before.Deactivated(), after.Deactivated())
	was, is := changeFrom(before, after, forced), changeFrom(after, before, forced)
	var c changeLog
	c.resources(was, is)
	c.scopes(was, is)
	for _, clientID := range names(was.applications, is.applications) {
		c.application(clientID, was.applications[clientID], is.applications[clientID])
	}
	if c.more > 0 {
		c.lines = append(c.lines, fmt.Sprintf("… and %d more", c.more))
	}
	return c.lines
}

// changeFrom returns what the Set has from files that differ in the other, and the given
// Applications.
func changeFrom(s, other *application.Set, clientIDs []string) change {
	c := change{
		applications: make(map[string]*application.Application),
		resources:    make(map[string]*application.Resource),
		owners:       make(map[string]*application.Resource),
		descriptions: make(map[string]string),
	}
	same := make(map[*application.Document]bool)
	for _, d := range other.Documents() {
		same[d] = true
	}
	for _, d := range s.Documents() {
		if same[d] {
			continue
		}
		for _, a := range d.Applications() {
			c.applications[a.ClientID], _ = s.Application(a.ClientID)
		}
		for _, r := range d.Resources() {
			c.resources[r.Name] = r
			for _, scope := range r.Scopes {
				c.owners[scope.Name], c.descriptions[scope.Name] = r, scope.Description
			}
		}
	}
	for _, clientID := range clientIDs {
		if a, ok := s.Application(clientID); ok {
			c.applications[clientID] = a
		}
	}
	return c
}

// names returns the keys of both maps, sorted.
func names[V any](was, is map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{was, is} {
			for name := range maps.Keys(m) {
				if !yield(name) {
					return
				}
			}
		}
	}))
}

// changeLog collects lines.
type changeLog struct {
	lines []string
	more  int
}

func (c *changeLog) add(format string, args ...any) {
	if len(c.lines) == mostChanges {
		c.more++
		return
	}
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

// instead adds a line if the values differ.
func (c *changeLog) instead(what, field, was, is string) {
	if was != is {
		c.add("%s %s %s instead of %s", what, field, is, was)
	}
}

func (c *changeLog) resources(was, is change) {
	for _, name := range names(was.resources, is.resources) {
		before, after := was.resources[name], is.resources[name]
		switch {
		case before == nil:
			c.add("resource %q added (scopes %s)", name, listed(scopeNames(after)))
		case after == nil:
			c.add("resource %q removed", name)
		default:
			what := fmt.Sprintf("resource %q", name)
			c.instead(what, "audience", before.Audience(), after.Audience())
			c.difference(after.Introspection, before.Introspection, what+" may be asked about by")
			c.difference(before.Introspection, after.Introspection, what+" may no longer be asked about by")
		}
	}
}

// scopes omits scopes of added and removed resources.
func (c *changeLog) scopes(was, is change) {
	for _, scope := range names(was.owners, is.owners) {
		before, after := was.owners[scope], is.owners[scope]
		switch {
		case before == nil:
			if was.resources[after.Name] != nil {
				c.add("scope %s added to resource %q", scope, after.Name)
			}
		case after == nil:
			if is.resources[before.Name] != nil {
				c.add("scope %s removed from resource %q", scope, before.Name)
			}
		case before.Name != after.Name:
			c.add("scope %s moved from resource %q to %q", scope, before.Name, after.Name)
		case was.descriptions[scope] != is.descriptions[scope]:
			c.add("scope %s described otherwise", scope)
		}
	}
}

func scopeNames(r *application.Resource) []string {
	names := make([]string, len(r.Scopes))
	for i, scope := range r.Scopes {
		names[i] = scope.Name
	}
	return names
}

func (c *changeLog) application(clientID string, was, is *application.Application) {
	what := fmt.Sprintf("application %q", clientID)
	switch {
	case was == nil && is.Active:
		c.add("%s added (scopes %s)", what, listed(is.Scopes))
		return
	case was == nil:
		c.add("%s added, inactive (scopes %s)", what, listed(is.Scopes))
		return
	case is == nil:
		c.add("%s removed", what)
		return
	case was.Active && !is.Active:
		c.add("%s deactivated", what)
	case !was.Active && is.Active:
		c.add("%s activated", what)
	}
	c.instead(what, "client_name", strconv.Quote(was.ClientName), strconv.Quote(is.ClientName))
	c.difference(is.Scopes, was.Scopes, what+" gained scope")
	c.difference(was.Scopes, is.Scopes, what+" lost scope")
	if !slices.Equal(was.DefaultScopes, is.DefaultScopes) {
		c.add("%s default_scopes %s instead of %s", what, listed(is.DefaultScopes), listed(was.DefaultScopes))
	}
	c.instead(what, "token_endpoint_auth_method", cmp.Or(was.TokenEndpointAuthMethod, "any"), cmp.Or(is.TokenEndpointAuthMethod, "any"))
	c.instead(what, "certificate", was.Certificate.String(), is.Certificate.String())
	c.instead(what, "tls_client_certificate_bound_access_tokens", strconv.FormatBool(was.CertificateBound), strconv.FormatBool(is.CertificateBound))
	c.instead(what, "dpop_bound_access_tokens", strconv.FormatBool(was.DPoPBound), strconv.FormatBool(is.DPoPBound))
	if !bytes.Equal(was.Claims, is.Claims) {
		c.add("%s claims changed: %s instead of %s", what, listed(is.ClaimNames), listed(was.ClaimNames))
	}
	c.instead(what, "token_lifetime", lifetime(was), lifetime(is))
	c.instead(what, "quota", quota(was.Quota), quota(is.Quota))
	c.instead(what, "introspection", strconv.FormatBool(was.Introspection), strconv.FormatBool(is.Introspection))
	c.secrets(what, was.Secrets, is.Secrets)
	c.difference(keyNames(is.Keys), keyNames(was.Keys), what+" gained key")
	c.difference(keyNames(was.Keys), keyNames(is.Keys), what+" lost key")
	c.keysURL(what, was.PublishedKeys.URL, is.PublishedKeys.URL)
	if was.PublishedKeys.URL != "" && is.PublishedKeys.URL != "" {
		c.instead(what, "token_endpoint_auth_signing_alg", cmp.Or(was.PublishedKeys.Algorithm, "none"), cmp.Or(is.PublishedKeys.Algorithm, "none"))
	}
	c.difference(federations(is.Federated), federations(was.Federated), what+" trusts")
	c.difference(federations(was.Federated), federations(is.Federated), what+" trusts no more")
}

// keysURL returns the URL without its query, which may be a credential.
func (c *changeLog) keysURL(what, was, is string) {
	shown := func(url string) string {
		if url == "" {
			return "none"
		}
		return weburl.Display(url)
	}
	if was != is && shown(was) == shown(is) {
		c.add("%s jwks_uri %s with another query", what, shown(is))
		return
	}
	c.instead(what, "jwks_uri", shown(was), shown(is))
}

// federations returns a description of each.
func federations(federated []*application.Federation) []string {
	texts := make([]string, len(federated))
	for i, f := range federated {
		texts[i] = f.String()
	}
	return texts
}

// keyNames returns a different name for each key, also if kid or algorithm are equal.
func keyNames(keys []*jws.Key) []string {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = fmt.Sprintf("%s (%s)", cmp.Or(key.ID, "without kid"), key.Algorithm+" "+key.Thumbprint())
	}
	return names
}

// difference adds a line for each element of a that is not in b.
func (c *changeLog) difference(a, b []string, what string) {
	for _, scope := range a {
		if !slices.Contains(b, scope) {
			c.add("%s %s", what, scope)
		}
	}
}

func (c *changeLog) secrets(what string, was, is secret.List) {
	for _, s := range is {
		item := fmt.Sprintf("%s secret %q", what, s.ID)
		before := withID(was, s.ID)
		if before == nil {
			c.add("%s added, expires %s", item, expiry(s))
			continue
		}
		if before.Stored() != s.Stored() {
			c.add("%s replaced", item)
		}
		c.instead(item, "expires", expiry(before), expiry(s))
	}
	for _, s := range was {
		if withID(is, s.ID) == nil {
			c.add("%s secret %q removed", what, s.ID)
		}
	}
}

func withID(secrets secret.List, id string) *secret.Secret {
	if i := slices.IndexFunc(secrets, func(s *secret.Secret) bool { return s.ID == id }); i >= 0 {
		return secrets[i]
	}
	return nil
}

// expiry returns the expiry as in the file: a day means its end.
func expiry(s *secret.Secret) string {
	switch day := s.Expires.UTC().Truncate(24 * time.Hour); {
	case s.Expires.IsZero():
		return "never"
	case day.Equal(s.Expires):
		return day.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return s.Expires.UTC().Format(time.RFC3339Nano)
}

func lifetime(a *application.Application) string {
	if a.TokenLifetime == 0 {
		return "the default"
	}
	return a.TokenLifetime.String()
}

func quota(q application.Quota) string {
	if q == (application.Quota{}) {
		return "none"
	}
	return fmt.Sprintf("%d per %s", q.Tokens, q.Per)
}

// listed lists names in a line of limited length.
func listed(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], " "), len(names)-most)
	}
	return strings.Join(names, " ")
}
