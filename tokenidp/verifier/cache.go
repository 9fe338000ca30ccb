package verifier

import (
	"strings"
	"unique"

	"github.com/maypok86/otter/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// DefaultCacheSize is how many verified tokens of the usual size the cache of an issuer
// holds. They take about 32 MiB.
const DefaultCacheSize = 16 << 10

const (
	cacheBytesPerToken = 2 << 10  // on average; a heavier token displaces several
	minCacheBytes      = 64 << 10 // so that a small cache holds a large token
)

// cache holds verified tokens. It is bounded in bytes. Only verified tokens are added, so
// only clients of the issuer can fill it, and many tokens that are used once do not
// displace those in use (W-TinyLFU). It has no goroutine: maintenance is done when a token
// is added.
type cache struct {
	tokens *otter.Cache[tokenID, *entry]
}

// entry is a cached token: the key that verified it, and its claims. An expired token
// stays until it is looked up or displaced; recall checks the times.
type entry struct {
	key    *jws.Key
	claims Claims
	all    claimSet              // the claims'
	client unique.Handle[string] // the claims' ClientID
	id     tokenID
}

// newCache returns a cache for that many tokens of the usual size, or nil for less than
// one.
func newCache(size int) *cache {
	if size < 1 {
		return nil
	}
	return &cache{otter.Must(&otter.Options[tokenID, *entry]{ // fails for contradictory options only
		MaximumWeight: uint64(max(size*cacheBytesPerToken, minCacheBytes)),
		Weigher:       func(_ tokenID, e *entry) uint32 { return uint32(weigh(&e.claims)) }, //nolint:gosec // a token has 16 KiB at most
		Executor:      func(task func()) { task() },
	})}
}

func (c *cache) find(id tokenID) *entry {
	e, _ := c.tokens.GetIfPresent(id)
	return e
}

func (c *cache) add(e *entry) { c.tokens.Set(e.id, e) }

// remove does nothing if the token has been verified again meanwhile.
func (c *cache) remove(e *entry) {
	c.tokens.ComputeIfPresent(e.id, func(known *entry) (*entry, otter.ComputeOp) {
		if known == e {
			return nil, otter.InvalidateOp
		}
		return known, otter.CancelOp
	})
}

// weigh estimates the memory of an entry with these claims, in bytes. The estimate is
// rather too high: the entry itself, the text of the claims twice, and for each list,
// object and member the most that Go needs for one.
func weigh(c *Claims) int {
	count := func(what string) int { return strings.Count(c.all.text, what) }
	return 512 + 2*len(c.all.text) + 16*(len(c.Audience)+len(c.Scope)) + 336*count("{") + 40*count("[") + 48*count(":") + 40*count(",")
}
