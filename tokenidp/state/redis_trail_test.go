package state

import (
	"fmt"
	"testing"
	"time"
)

// However many entries a stream has, what is known of when they expire takes little
// memory, and forgets none of them early.
func TestTrailOfManyEntries(t *testing.T) {
	const keep, hour = 26 * time.Hour, time.Hour
	c := newClocks()
	clock := newClock(optionsWith(c))
	start := c.Now()
	var trail trail
	trail.restart()
	var expiry []time.Time        // of each entry, with that of those before
	for n := range 20 * 26 * 60 { // for twenty lifetimes, each minute
		life := time.Duration(n*7919%25) * hour
		until := c.Now().Add(life)
		trail.read(fmt.Sprintf("%d-0", c.Now().UnixMilli()), clock.moment().term(seconds(until), leastRemembered), keep/spansKept, nil)
		expiry = append(expiry, until)
		c.Advance(time.Minute)
		expired := time.UnixMilli(trail.expired(clock.moment()))
		for i := int(expired.Sub(start)/time.Minute) - 1; i >= 0 && i > n-26*60; i-- {
			if !expiry[i].Before(c.Now()) {
				t.Fatalf("entry %d is expired at %d, and lives until %s", i, n, expiry[i])
			}
		}
		if len(trail.spans) > spansKept+1 {
			t.Fatalf("%d spans at %d", len(trail.spans), n)
		}
		if behind := c.Now().Sub(expired); behind > keep {
			t.Fatalf("at %d, nothing is trimmed since %s", n, behind)
		}
	}
}

// The times in the names of entries are of a clock that may be set.
func TestTrailOfAClockThatJumps(t *testing.T) {
	c := newClocks()
	clock := newClock(optionsWith(c))
	var trail trail
	trail.restart()
	const width = time.Second
	for n := range 10 * spansKept {
		trail.read(fmt.Sprintf("%d-0", n*10_000), clock.moment().term(seconds(c.Now().Add(time.Hour)), 0), width, nil)
	}
	if len(trail.spans) > 2*spansKept {
		t.Errorf("%d spans", len(trail.spans))
	}
	if at := trail.expired(clock.moment()); at != 0 {
		t.Errorf("expired up to %d", at)
	}
}
