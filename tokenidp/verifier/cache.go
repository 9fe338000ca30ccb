package verifier

import (
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// DefaultCacheSize is how many tokens of the usual size an issuer remembers, in
// 32 MiB.
const DefaultCacheSize = 16 << 10

const (
	cacheBytesPerToken = 2 << 10  // on average; a heavier token displaces several
	minCacheBytes      = 64 << 10 // so that a small cache holds a large token
)

// cache is bounded in bytes, and so in tokens, whatever is added: none weighs
// nothing. Only verified tokens are added, so that filling it takes somebody whom
// the issuer gave them, and a flood of tokens that are used once does not displace
// those in use (W-TinyLFU). It has no goroutine that could outlive it: what it has
// to do is done when something is added.
type cache struct {
	tokens *otter.Cache[tokenID, *entry]
}

// entry is what is remembered of a token: that this key verified it, under the
// configuration of the issuer that remembers it, and what it says. It is not told
// when its token dies: whoever asks for it checks that, and those that nobody asks
// for are displaced.
type entry struct {
	key    *jws.Key
	claims Claims
	all    claimSet // the claims'
	id     tokenID
}

// newCache makes one for that many tokens; for less than one it is nil.
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

// remove does nothing when the token was verified anew meanwhile.
func (c *cache) remove(e *entry) {
	c.tokens.ComputeIfPresent(e.id, func(known *entry) (*entry, otter.ComputeOp) {
		if known == e {
			return nil, otter.InvalidateOp
		}
		return known, otter.CancelOp
	})
}

// weigh estimates the memory that an entry with these claims keeps from being freed,
// in bytes, and rather too high: the entry itself, the text of the claims twice, and for
// each list, object and member in it the most that Go takes for one.
func weigh(c *Claims) int {
	count := func(what string) int { return strings.Count(c.all.text, what) }
	return 512 + 2*len(c.all.text) + 16*(len(c.Audience)+len(c.Scope)) + 336*count("{") + 40*count("[") + 48*count(":") + 40*count(",")
}
