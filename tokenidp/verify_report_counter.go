package tokenidp

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// mostGroups bounds what is remembered of one route. Clients of this server are as
// many as there are Applications; those of others are as many as they say.
const mostGroups = 1000

// tally counts what a route that reports only would have refused: by client and
// reason, since it was first loaded, over reloads.
type tally struct {
	mu     sync.Mutex
	since  time.Time
	passed uint64
	groups map[group]*count
	others uint64 // refusals of more groups than are remembered
}

type group struct {
	clientID string // "": there was no valid token to tell it by
	reason   verifier.Reason
}

type count struct {
	times       uint64
	first, last time.Time
	example     sighting // the last
}

// sighting is one request that would have been refused.
type sighting struct {
	clientID               string
	reason                 verifier.Reason
	method, path, clientIP string
}

func newTally() *tally { return &tally{since: time.Now(), groups: make(map[group]*count)} }

func (t *tally) allowed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed++
}

func (t *tally) refused(s sighting) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	g := group{s.clientID, s.reason}
	c := t.groups[g]
	if c == nil {
		if len(t.groups) >= mostGroups {
			t.others++
			return
		}
		c = &count{first: now}
		t.groups[g] = c
	}
	c.times++
	c.last, c.example = now, s
}

func (t *tally) report(source string) adminapi.RouteReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := adminapi.RouteReport{Route: source, Since: *moment(t.since), Passed: t.passed, WouldRefuse: []adminapi.RefusedGroup{}, Others: t.others}
	for g, c := range t.groups {
		r.WouldRefuse = append(r.WouldRefuse, adminapi.RefusedGroup{
			ClientID: g.clientID, Reason: string(g.reason), Times: c.times, First: *moment(c.first), Last: *moment(c.last),
			Method: c.example.method, Path: c.example.path, ClientIP: c.example.clientIP,
		})
	}
	slices.SortFunc(r.WouldRefuse, func(a, b adminapi.RefusedGroup) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Reason, b.Reason))
	})
	return r
}
