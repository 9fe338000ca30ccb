package reach

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// Class has the clients of one issuer that get the same answer.
type Class struct {
	Issuer string
	// Holders: the clients of the issuer are not known here. The class is every client with
	// a token of the issuer that has the Scope and meets the Conditions.
	Holders bool

	// Allowed: they get through, with this least Scope, for this Audience. AnyScope: any
	// one scope of that audience is enough, and Scope is empty.
	Allowed  bool
	Scope    []string
	AnyScope bool
	Audience string
	// Conditions are what else must hold, in words.
	Conditions []string

	// Reason is why they do not get through: a code of verify, of the token endpoint, or of
	// the probe. Cause says it in words. Missing are the scopes that they lack. By is the
	// verify that decides, or nil.
	Reason, Cause string
	Missing       []string
	By            *probe.Step

	// Verdict is the verdict on a request of one of them, or nil.
	Verdict *probe.Verdict

	issuer  *issuer
	members []int32
}

// Len returns the number of Applications in the class.
func (c *Class) Len() int { return len(c.members) }

// Clients returns the client_ids of the Applications, sorted.
func (c *Class) Clients() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, i := range c.members {
			if !yield(c.issuer.applications[i].ClientID) {
				return
			}
		}
	}
}

// Has reports whether the class has the Application.
func (c *Class) Has(clientID string) bool {
	if c.issuer == nil {
		return false
	}
	i, found := c.issuer.index(clientID)
	if found {
		_, found = slices.BinarySearch(c.members, i)
	}
	return found
}

// Mark sets the element of each Application of the class. The elements are those of all
// Applications of the issuer, by client_id.
func (c *Class) Mark(all []uint16, as uint16) {
	for _, i := range c.members {
		all[i] = as
	}
}

// ScopeOf returns the least scope with which an Application of the class gets through.
func (c *Class) ScopeOf(clientID string) []string {
	if !c.AnyScope || c.issuer == nil {
		return c.Scope
	}
	i, found := c.issuer.index(clientID)
	if !found {
		return nil
	}
	return c.issuer.anyScope(i, c.Audience)
}

// merge adds a class, or adds its Applications to the class with the same answer.
func (found *classes) merge(c *Class) {
	key := c.answer()
	if other := found.byAnswer[key]; other != nil {
		other.members = append(other.members, c.members...)
		return
	}
	found.byAnswer[key] = c
	found.all = append(found.all, c)
}

// classes are the classes of one issuer.
type classes struct {
	all      []*Class
	byAnswer map[string]*Class
}

func (found *classes) sorted() []*Class {
	for _, c := range found.all {
		slices.Sort(c.members)
	}
	slices.SortStableFunc(found.all, compareClasses)
	return found.all
}

// answer returns the same text for classes that differ only in their Applications.
func (c *Class) answer() string {
	return fmt.Sprintf("%t %t %q %q %q %q %q %q %q %q", c.Allowed, c.AnyScope, c.Scope, c.Audience, c.Conditions, c.Reason, c.Cause,
		c.Missing, placeOf(c.By), handlerOf(c.Verdict))
}

func (c *Class) equal(d *Class) bool {
	return c.Issuer == d.Issuer && c.answer() == d.answer() && slices.Equal(c.members, d.members)
}

func placeOf(s *probe.Step) string {
	switch {
	case s == nil:
		return ""
	case s.Route == nil:
		return s.Source
	}
	return s.Source + " " + s.Route.ID
}

func handlerOf(v *probe.Verdict) string {
	if v == nil {
		return ""
	}
	return v.Handler
}

func compareClasses(a, b *Class) int {
	if a.Allowed != b.Allowed {
		if a.Allowed {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.members[0], b.members[0])
}
