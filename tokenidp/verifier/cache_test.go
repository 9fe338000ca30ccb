package verifier

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
	"time"
)

// entryOf is one of that many bytes at least, that dies in an hour.
func entryOf(name string, bytes int) *entry {
	c := &Claims{all: map[string]any{"x": strings.Repeat("x", bytes)}}
	return &entry{id: sha256.Sum256([]byte(name)), claims: c, diesAt: now.Add(time.Hour)}
}

// wantSound counts again what the cache keeps account of.
func wantSound(t *testing.T, c *cache, size int) (entries int) {
	t.Helper()
	total := 0
	for i := range c.shards {
		s, weight := &c.shards[i], 0
		for place, e := range s.circle {
			if weight += e.weight; e.place != place || s.entries[e.id] != e || c.shard(e.id) != s {
				t.Fatalf("entry %d of shard %d is not where it says", place, i)
			}
		}
		if weight != s.weight || len(s.circle) != len(s.entries) {
			t.Fatalf("shard %d weighs %d, not %d; has %d entries, not %d", i, weight, s.weight, len(s.entries), len(s.circle))
		}
		entries += len(s.circle)
		total += weight
	}
	if entries > size || total > max(size*cacheBytesPerToken, minCacheBytes) {
		t.Fatalf("%d entries of %d bytes, in a cache for %d", entries, total, size)
	}
	return entries
}

func TestCacheIsBounded(t *testing.T) {
	for _, size := range []int{1, 10, 1024, 5000, DefaultCacheSize} {
		for _, bytes := range []int{0, 1, 3000, 20_000, 100_000} {
			c, added := newCache(size), min(2*size+100, 40_000_000/(bytes+2000))
			for i := range added {
				c.add(entryOf(strconv.Itoa(i), bytes), now)
				if i%7 == 0 {
					c.find(sha256.Sum256([]byte(strconv.Itoa(i / 2))))
				}
			}
			entries := wantSound(t, c, size)
			if room := max(size*cacheBytesPerToken, minCacheBytes) / len(c.shards); entries == 0 && weigh(entryOf("", bytes).claims) <= room {
				t.Errorf("size %d, %d bytes: nothing is kept", size, bytes)
			}
		}
	}
}

// Ten thousand tokens of the usual size fit, however they fall on the shards.
func TestCacheHoldsTenThousandTokens(t *testing.T) {
	c := newCache(DefaultCacheSize)
	for i := range manyTokens {
		c.add(entryOf(strconv.Itoa(i), 1000), now)
	}
	if entries := wantSound(t, c, DefaultCacheSize); entries != manyTokens {
		t.Errorf("%d are kept", entries)
	}
}

// A client with a flood of tokens of its own does not displace those in use.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	c := newCache(100)
	used := func(i int) *entry { return c.find(sha256.Sum256([]byte("used " + strconv.Itoa(i)))) }
	for i := range 50 {
		c.add(entryOf("used "+strconv.Itoa(i), 0), now)
	}
	for i := range 10_000 {
		c.add(entryOf(strconv.Itoa(i), 0), now)
		used(i % 50)
	}
	for i := range 50 {
		if used(i) == nil {
			t.Errorf("%d was displaced", i)
		}
	}
	wantSound(t, c, 100)
}

// An entry that nobody asks for dies with its token, as others are added.
func TestCacheDropsTheDead(t *testing.T) {
	c := newCache(1000)
	for i := range 400 {
		c.add(entryOf("dying "+strconv.Itoa(i), 0), now)
	}
	for i := range 200 {
		e := entryOf(strconv.Itoa(i), 0)
		e.diesAt = now.Add(3 * time.Hour)
		c.add(e, now.Add(2*time.Hour))
	}
	if entries := wantSound(t, c, 1000); entries >= 300 {
		t.Errorf("%d entries, of which 200 live", entries)
	}
}

// Two requests that verify one token at once leave one entry, and the first one's
// end does not take the second one's with it.
func TestCacheReplacesItsOwn(t *testing.T) {
	c, first, second := newCache(10), entryOf("a", 0), entryOf("a", 0)
	c.add(first, now)
	c.add(second, now)
	c.remove(first)
	if entries := wantSound(t, c, 10); entries != 1 || c.find(second.id) != second {
		t.Errorf("%d entries", entries)
	}
	c.remove(second)
	c.remove(second)
	if entries := wantSound(t, c, 10); entries != 0 || c.find(second.id) != nil {
		t.Errorf("%d entries", entries)
	}
}
