package reachdiff

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// requests returns the requests to ask about: the examples of both sides, and requests at
// the boundaries of routes. Requests that both sides judge alike are in one group, which
// needs one answer.
func (c *comparison) requests() (all [][]probe.Request) {
	candidates := c.candidates()
	seen := make(map[string]int)
	for i, way := range inParallel(candidates, c.way) {
		at, known := seen[way]
		if !known {
			at = len(all)
			seen[way] = at
			all = append(all, nil)
		}
		all[at] = append(all[at], candidates[i])
	}
	return all
}

func (c *comparison) candidates() (all []probe.Request) {
	seen := make(map[string]bool)
	add := func(requests []probe.Request) {
		for _, r := range requests {
			if key := fmt.Sprint(r); !seen[key] {
				seen[key] = true
				all = append(all, r)
			}
		}
	}
	for _, s := range []*side{c.newer, c.older} {
		for _, e := range s.examples {
			add(e.Requests)
		}
	}
	for _, s := range []*side{c.newer, c.older} {
		for _, e := range s.examples {
			add(s.probe.Boundaries(e.Route))
		}
	}
	return all
}

// way returns equal keys for requests that both sides judge alike.
func (c *comparison) way(r probe.Request) string {
	older, sure := c.older.way(r)
	newer, alsoSure := c.newer.way(r)
	if !sure || !alsoSure {
		return fmt.Sprint(r)
	}
	scheme, rest, _ := strings.Cut(r.URL, "://")
	host, _, _ := strings.Cut(rest, "/") // a DPoP proof may depend on it
	return fmt.Sprintf("%s %s %s, %s", scheme, host, older, newer)
}

// inParallel calls the function for each element, on all processors, and returns the
// results in the same order.
func inParallel[A, B any](all []A, do func(A) B) []B {
	done := make([]B, len(all))
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(all); i = next.Add(1) - 1 {
				done[i] = do(all[i])
			}
		})
	}
	group.Wait()
	return done
}
