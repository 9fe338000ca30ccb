package accessmap

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/reach"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// These limit the memory of a map, to about 100 MB.
const (
	mostPairs   = 25 << 20 // of an Application and an answer; 2 bytes each
	mostClasses = 100_000
)

// builder makes the answers of a Map. It keeps nothing of the probe, which is large.
type builder struct {
	*Map

	seed    maphash.Seed
	shared  map[uint64][]uint16 // the classes of all Applications, by their hash
	pairs   int
	classes int
}

func newBuilder(m *Map) *builder {
	return &builder{Map: m, seed: maphash.MakeSeed(), shared: make(map[uint64][]uint16)}
}

// finish puts the answers in the order of the configuration.
func (b *builder) finish() {
	slices.SortStableFunc(b.answers, func(x, y answer) int { return route.CompareSources(x.frame.Source, y.frame.Source) })
}

// add adds the answers for the requests that take the route to a verify, for each issuer
// whose tokens it accepts.
func (b *builder) add(r *route.Route, v *tokenidp.Verify, groups []reach.Group) error {
	frame := statuspage.RouteAccess{Route: r.ID, Source: r.Handler.Source, ReportOnly: r.Handler.ReportOnly()}
	if len(groups) == 0 {
		for _, frame.Issuer = range v.AcceptedIssuers() {
			b.addForAll(frame, statuspage.ClientAccess{Reason: statuspage.Unjudged, Cause: "no request is found that takes the route"})
		}
	}
	for _, g := range groups {
		if frame.Request = ""; len(groups) > 1 {
			frame.Request = g.Requests[0].Shown()
		}
		for _, frame.Issuer = range v.AcceptedIssuers() {
			if err := b.addGroup(frame, g.Answer); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *builder) addGroup(frame statuspage.RouteAccess, from *reach.Answer) error {
	switch nobody := from.Anonymous; {
	case from.Open():
		b.addForAll(frame, statuspage.ClientAccess{Allowed: true, Conditions: []string{"also without a token: " + nobody.Handler}})
	case from.First == nil:
		b.addForAll(frame, statuspage.ClientAccess{Reason: nobody.Reason, Cause: nobody.Cause})
	default:
		return b.addClasses(frame, from)
	}
	return nil
}

func (b *builder) newAnswer(frame statuspage.RouteAccess) answer {
	return answer{frame: frame, set: b.sets[frame.Issuer], clients: b.clients[frame.Issuer]}
}

func (b *builder) addForAll(frame statuspage.RouteAccess, c statuspage.ClientAccess) {
	a := b.newAnswer(frame)
	a.all = &class{ClientAccess: c}
	if a.set == nil {
		a.frame.Holders = &c
	}
	b.answers = append(b.answers, a)
}

func (b *builder) addClasses(frame statuspage.RouteAccess, from *reach.Answer) error {
	a := b.newAnswer(frame)
	of := make([]uint16, len(a.clients))
	for _, c := range from.Classes {
		switch one := newClass(c, frame.Source); {
		case c.Issuer != frame.Issuer:
		case c.Holders:
			a.frame.Holders = &one.ClientAccess
		default:
			if len(a.classes) == math.MaxUint16 {
				return fmt.Errorf("there are more than %d different answers for one route", math.MaxUint16)
			}
			if b.classes++; b.classes > mostClasses {
				return fmt.Errorf("there are more than %d different answers", mostClasses)
			}
			c.Mark(of, uint16(len(a.classes))) //nolint:gosec // there are fewer
			a.classes = append(a.classes, one)
		}
	}
	var err error
	if a.of, err = b.share(of); err != nil {
		return err
	}
	b.answers = append(b.answers, a)
	return nil
}

func newClass(c *reach.Class, source string) class {
	one := class{anyScope: c.AnyScope && !c.Holders, ClientAccess: statuspage.ClientAccess{
		Allowed: c.Allowed, Scope: strings.Join(c.Scope, " "), Audience: c.Audience, Conditions: c.Conditions, Reason: c.Reason, Cause: c.Cause,
	}}
	if c.By != nil && c.By.Source != source {
		one.By = c.By.Source
	}
	return one
}

// share returns an equal slice that another answer has, or this one.
func (b *builder) share(of []uint16) ([]uint16, error) {
	var h maphash.Hash
	h.SetSeed(b.seed)
	if err := binary.Write(&h, binary.NativeEndian, of); err != nil {
		return nil, err
	}
	sum := h.Sum64()
	if other, ok := b.shared[sum]; ok && slices.Equal(other, of) {
		return other, nil
	}
	if b.pairs += len(of); b.pairs > mostPairs {
		return nil, fmt.Errorf("there are more than %d pairs of an Application and a route", mostPairs)
	}
	b.shared[sum] = of
	return of, nil
}
