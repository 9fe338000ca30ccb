package oauth

import (
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// pair is a client id and the source that sent it.
type pair struct {
	clientID string
	source   netip.Prefix
}

// ledger counts by client and source, and by source over all clients. Its memory is
// bounded: the least recently used count is removed.
type ledger struct {
	pairs   *lru.Cache[pair, *bucket]
	sources *lru.Cache[netip.Prefix, *bucket]
}

func newLedger() ledger {
	return ledger{newCache[pair, *bucket](), newCache[netip.Prefix, *bucket]()}
}

func newCache[K comparable, V any]() *lru.Cache[K, V] {
	cache, err := lru.New[K, V](maxTracked)
	if err != nil {
		panic(err) // a constant size that is positive
	}
	return cache
}

// waits returns how long to wait until one more is within the limits, or zero.
func (l *ledger) waits(p pair, now time.Time) (byClient, bySource time.Duration) {
	if b, found := l.pairs.Get(p); found {
		byClient = b.wait(now)
	}
	if b, found := l.sources.Get(p.source); found {
		bySource = b.wait(now)
	}
	return byClient, bySource
}

func (l *ledger) spend(p pair, now time.Time) {
	l.spendPair(p, now)
	b, found := l.sources.Get(p.source)
	if !found {
		b = &bucket{most: failuresPerSource}
		l.sources.Add(p.source, b)
	}
	b.add(1, now)
}

func (l *ledger) spendPair(p pair, now time.Time) {
	b, found := l.pairs.Get(p)
	if !found {
		b = &bucket{most: failuresPerClient}
		l.pairs.Add(p, b)
	}
	b.add(1, now)
}

// spendSpare is spendPair, but never removes another pair.
func (l *ledger) spendSpare(p pair, now time.Time) {
	if l.pairs.Len() < maxTracked || l.pairs.Contains(p) {
		l.spendPair(p, now)
	}
}

// giveBack undoes a spend.
func (l *ledger) giveBack(p pair, now time.Time) {
	if b, found := l.pairs.Get(p); found {
		b.add(-1, now)
	}
	if b, found := l.sources.Get(p.source); found {
		b.add(-1, now)
	}
}

// bucket is a leaky bucket. It holds as many as the limit, and empties evenly within the
// window. It also counts what is spent beyond the limit.
type bucket struct {
	most float64
	owed float64
	at   time.Time
}

func (b *bucket) add(n float64, now time.Time) {
	b.owed = max(0, b.owedAt(now)+n)
	b.at = now
}

func (b *bucket) owedAt(now time.Time) float64 {
	return max(0, b.owed-max(0, now.Sub(b.at).Seconds())*b.perSecond())
}

func (b *bucket) perSecond() float64 { return b.most / failureWindow.Seconds() }

// wait returns the time until one more fits.
func (b *bucket) wait(now time.Time) time.Duration {
	excess := b.owedAt(now) + 1 - b.most
	if excess <= 0 {
		return 0
	}
	return time.Duration(excess / b.perSecond() * float64(time.Second))
}
