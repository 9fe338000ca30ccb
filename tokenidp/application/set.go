package application

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// Set is the union of all loaded files. It never changes, and may be used concurrently. A
// change of the files makes another Set.
type Set struct {
	byClientID  map[string]*Application
	sorted      func() []*Application
	resources   []*Resource
	byScope     map[string]*Resource
	byAudience  map[string]*Resource // names and identifiers, [weburl.WithPath]
	warnings    []strictyaml.Problem
	hashingTime time.Duration

	documents []*Document
	// deactivated are the client_ids that a version of their file newer than the one in
	// documents deactivates.
	deactivated []string
}

// Resource is an API that accepts tokens. Never change it.
type Resource struct {
	// Name is 1 to 255 bytes of the characters a scope may have.
	Name string
	// Identifier is the absolute URI of the `resource` field (RFC 8707 section 2), or "".
	Identifier string
	// Scopes has at least one entry. No other Resource owns any of them.
	Scopes []Scope
	// Introspection are the client_ids of the Applications that may introspect its tokens
	// (RFC 7662).
	Introspection []string
	// Source is the "file:line" of its definition.
	Source string
}

// Scope is one permission at a Resource.
type Scope struct {
	// Name is a scope-token of RFC 6749 section 3.3.
	Name        string
	Description string
}

// Audience returns the `aud` of the Resource's tokens: its Identifier, or its Name if it
// has none.
func (r *Resource) Audience() string {
	if r.Identifier != "" {
		return r.Identifier
	}
	return r.Name
}

// Application returns the Application with this client_id, compared byte for byte.
func (s *Set) Application(clientID string) (*Application, bool) {
	a, ok := s.byClientID[clientID]
	return a, ok
}

// Applications returns all Applications, sorted by ClientID.
func (s *Set) Applications() []*Application { return slices.Clone(s.sorted()) }

// PublishedKeys returns the URLs and algorithms of the keys that active Applications
// publish, sorted.
func (s *Set) PublishedKeys() (all []PublishedKeys) {
	for _, a := range s.byClientID {
		if a.Active && a.PublishedKeys.URL != "" {
			all = append(all, a.PublishedKeys)
		}
	}
	slices.SortFunc(all, func(a, b PublishedKeys) int {
		return cmp.Or(strings.Compare(a.URL, b.URL), strings.Compare(a.Algorithm, b.Algorithm))
	})
	return slices.Compact(all)
}

// Resource returns the resource that owns a scope.
func (s *Set) Resource(scope string) (*Resource, bool) {
	r, ok := s.byScope[scope]
	return r, ok
}

// AnyScope returns one scope of the Application for the audience, or "".
func (s *Set) AnyScope(a *Application, audience string) string {
	for _, scope := range a.Scopes {
		if owner, ok := s.Resource(scope); ok && owner.Audience() == audience {
			return scope
		}
	}
	return ""
}

// Resources returns all resources, in order of definition.
func (s *Set) Resources() []*Resource { return slices.Clone(s.resources) }

// Files returns the paths of the files, in the order in which they were read.
func (s *Set) Files() []string {
	files := make([]string, len(s.documents))
	for i, d := range s.documents {
		files[i] = d.file
	}
	return files
}

// PlacedSecret is a secret of a loaded Application, with its place.
type PlacedSecret struct {
	*secret.Secret
	Application *Application
	// File is the path of the file. Line of the Secret is the line in it.
	File string
}

// Secrets returns the secrets of all Applications, sorted by ClientID, and for each
// Application in its order.
func (s *Set) Secrets() iter.Seq[PlacedSecret] {
	return func(yield func(PlacedSecret) bool) {
		for _, a := range s.sorted() {
			for _, s := range a.Secrets {
				if !yield(PlacedSecret{s, a, a.at.File}) {
					return
				}
			}
		}
	}
}

// SecretsAfter returns the secrets after a key of ClientID and ID, sorted by these.
func (s *Set) SecretsAfter(clientID, secretID string) iter.Seq[PlacedSecret] {
	return func(yield func(PlacedSecret) bool) {
		all := s.sorted()
		first, _ := slices.BinarySearchFunc(all, clientID, func(a *Application, id string) int { return strings.Compare(a.ClientID, id) })
		for _, a := range all[first:] {
			for _, found := range slices.SortedFunc(slices.Values(a.Secrets), bySecretID) {
				if a.ClientID == clientID && found.ID <= secretID {
					continue
				}
				if !yield(PlacedSecret{found, a, a.at.File}) {
					return
				}
			}
		}
	}
}

func bySecretID(a, b *secret.Secret) int { return strings.Compare(a.ID, b.ID) }

// CountActive returns how many Applications are active, and how many are not.
func (s *Set) CountActive() (active, inactive int) {
	for _, a := range s.byClientID {
		if a.Active {
			active++
		}
	}
	return active, len(s.byClientID) - active
}

// CountSecrets counts the secrets of active Applications by validity. Every validity has
// a count.
func (s *Set) CountSecrets(now time.Time) map[secret.Validity]int {
	count := map[secret.Validity]int{secret.Valid: 0, secret.Expiring: 0, secret.Expired: 0}
	for one := range s.Secrets() {
		if one.Application.Active {
			count[one.ValidityAt(now)]++
		}
	}
	return count
}

// Documents returns the Document of each file, in the order in which the files were read.
func (s *Set) Documents() []*Document { return slices.Clone(s.documents) }

// Deactivated returns the client_ids that a version of their file newer than the one in
// Documents deactivates.
func (s *Set) Deactivated() []string { return slices.Clone(s.deactivated) }

// Warnings returns what is allowed but not recommended, in the order of files and lines.
// Each has an ID of package warning. They are about expired secrets, secret files that
// other users may read, long-lived tokens, a secret that several Applications share, very
// slow hashes.
func (s *Set) Warnings() []strictyaml.Problem { return slices.Clone(s.warnings) }

const (
	leastAuthenticationFloor = 250 * time.Millisecond
	slowAuthenticationFloor  = time.Second // a longer floor lets one Application slow down all others
	mostHashingTime          = 5 * time.Second
)

// HashingTime returns a time in which the slow hashes of every Application can be
// computed: twice the estimate for the slowest Application, at most 5 s, and zero without
// slow hashes. The estimate depends on the parameters of the hashes only, so nodes with
// the same files agree on it.
func (s *Set) HashingTime() time.Duration { return s.hashingTime }

// AuthenticationFloor returns the minimum time of every failed authentication: the
// HashingTime, and at least 250 ms. Without it, the time of the answer would reveal
// whether a client_id exists, the kind of its hashes, and the number of its secrets.
func (s *Set) AuthenticationFloor() time.Duration {
	return max(s.hashingTime, leastAuthenticationFloor)
}

// Remember copies from an earlier Set which secrets were verified, so that unchanged
// secrets need no slow hash again.
func (s *Set) Remember(earlier *Set) {
	for _, a := range s.byClientID {
		a.remember(earlier)
	}
}

func (a *Application) remember(earlier *Set) {
	before := earlier.byClientID[a.ClientID]
	if before == nil || before == a {
		return
	}
	a.Secrets.Remember(before.Secrets)
}
