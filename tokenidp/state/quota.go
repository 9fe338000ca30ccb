package state

import (
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// mostQuotas bounds the memory. The least recently used quota is removed.
const mostQuotas = 1 << 16

// quotas are counted in this node, each as the time at which it is full again (the generic
// cell rate algorithm, ITU-T I.371).
type quotas struct {
	clock clock
	mu    sync.Mutex
	full  *lru.Cache[string, time.Duration]
}

func newQuotas(c clock) *quotas {
	full, err := lru.New[string, time.Duration](mostQuotas)
	if err != nil {
		panic(err) // a constant size that is positive
	}
	return &quotas{clock: c, full: full}
}

func (q *quotas) take(name string, limit int, window time.Duration) (wait time.Duration) {
	if limit <= 0 {
		return window
	}
	each := max(window/time.Duration(limit), 1)
	now := q.clock.elapsed()
	q.mu.Lock()
	defer q.mu.Unlock()
	full, _ := q.full.Get(name)
	// What was counted by a quota that is no more delays no longer than all of this one.
	next := min(max(full, now), now+each*time.Duration(limit)) + each
	if wait := next - now - each*time.Duration(limit); wait > 0 {
		return wait
	}
	q.full.Add(strings.Clone(name), next)
	return 0
}
