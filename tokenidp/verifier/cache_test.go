package verifier

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// entryOf returns an entry of at least that many bytes.
func entryOf(name string, bytes int) *entry {
	e := &entry{id: sha256.Sum256([]byte(name))}
	if err := e.all.decode(fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", bytes))); err != nil {
		panic(err)
	}
	e.claims.all = &e.all
	return e
}

// wantBounded counts the entries of the cache.
func wantBounded(t *testing.T, c *cache, size int) (entries int) {
	t.Helper()
	weight := 0
	for _, e := range c.tokens.All() {
		weight += weigh(&e.claims)
		entries++
	}
	if limit := max(size*cacheBytesPerToken, minCacheBytes); weight > limit {
		t.Fatalf("%d entries of %d bytes, in a cache for %d", entries, weight, limit)
	}
	return entries
}

func TestCacheIsBounded(t *testing.T) {
	for _, size := range []int{1, 10, 1024, 5000, DefaultCacheSize} {
		for _, bytes := range []int{0, 1, 3000, 20_000, 100_000} {
			c, added := newCache(size), min(2*size+100, 40_000_000/(bytes+2000))
			for i := range added {
				c.add(entryOf(strconv.Itoa(i), bytes))
				if i%7 == 0 {
					c.find(sha256.Sum256([]byte(strconv.Itoa(i / 2))))
				}
			}
			if entries := wantBounded(t, c, size); entries == 0 && 4*weigh(&entryOf("", bytes).claims) <= max(size*cacheBytesPerToken, minCacheBytes) {
				t.Errorf("size %d, %d bytes: nothing is kept", size, bytes)
			}
		}
	}
}

// Ten thousand tokens of the usual size fit.
func TestCacheHoldsTenThousandTokens(t *testing.T) {
	c := newCache(DefaultCacheSize)
	for i := range manyTokens {
		c.add(entryOf(strconv.Itoa(i), 1000))
	}
	if entries := wantBounded(t, c, DefaultCacheSize); entries != manyTokens {
		t.Errorf("%d are kept", entries)
	}
}

// A client with a flood of its own tokens does not displace those in use.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	const size = 1000
	c := newCache(size)
	used := func(i int) *entry { return c.find(sha256.Sum256([]byte("used " + strconv.Itoa(i)))) }
	for i := range 50 {
		c.add(entryOf("used "+strconv.Itoa(i), 0))
	}
	for i := range 20_000 {
		c.add(entryOf(strconv.Itoa(i), 0))
		used(i % 50)
	}
	kept := 0
	for i := range 50 {
		if used(i) != nil {
			kept++
		}
	}
	if kept < 45 {
		t.Errorf("%d of 50 are kept", kept)
	}
	wantBounded(t, c, size)
}

// Two requests that verify one token at once leave one entry. The removal of the first one
// does not remove the second one.
func TestCacheReplacesItsOwn(t *testing.T) {
	c, first, second := newCache(10), entryOf("a", 0), entryOf("a", 0)
	c.add(first)
	c.add(second)
	c.remove(first)
	if entries := wantBounded(t, c, 10); entries != 1 || c.find(second.id) != second {
		t.Errorf("%d entries", entries)
	}
	c.remove(second)
	c.remove(second)
	if entries := wantBounded(t, c, 10); entries != 0 || c.find(second.id) != nil {
		t.Errorf("%d entries", entries)
	}
}

// A removed configuration leaves nothing running.
func TestCacheHasNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := newCache(100)
	for i := range 10_000 {
		c.add(entryOf(strconv.Itoa(i), 0))
		c.find(entryOf(strconv.Itoa(i/2), 0).id)
	}
	goleak.VerifyNone(t, before)
}
