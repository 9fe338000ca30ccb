package tokenidp

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// mostGroups bounds the memory for one route. The clients of this server are its
// Applications; the number of clients of other issuers is not known.
const mostGroups = 1000

// reportCounter counts what a route with report_only would refuse, by client and reason. It
// counts from the first load of the route, and outlives reloads.
type reportCounter struct {
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

func newReportCounter() *reportCounter {
	return &reportCounter{since: time.Now(), groups: make(map[group]*count)}
}

// allowed counts a request that passed.
func (c *reportCounter) allowed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed++
}

// refused counts a request that enforcement would refuse.
func (c *reportCounter) refused(s sighting) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := group{s.clientID, s.reason}
	counted := c.groups[key]
	if counted == nil {
		if len(c.groups) >= mostGroups {
			c.others++
			return
		}
		counted = &count{first: now}
		c.groups[key] = counted
	}
	counted.times++
	counted.last, counted.example = now, s
}

// report returns the counts, the most frequent first.
func (c *reportCounter) report(route, source string) adminapi.RouteReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := adminapi.RouteReport{Route: route, Source: source, Since: *moment(c.since), Passed: c.passed, WouldRefuse: []adminapi.RefusedGroup{}, Others: c.others}
	for key, counted := range c.groups {
		r.WouldRefuse = append(r.WouldRefuse, adminapi.RefusedGroup{
			ClientID: key.clientID, Reason: string(key.reason), Times: counted.times, First: *moment(counted.first), Last: *moment(counted.last),
			Method: counted.example.method, Path: counted.example.path, ClientIP: counted.example.clientIP,
		})
	}
	slices.SortFunc(r.WouldRefuse, func(a, b adminapi.RefusedGroup) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Reason, b.Reason))
	})
	return r
}
