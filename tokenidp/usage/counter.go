package usage

import (
	"iter"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Counter counts for one [Key] in this process. Its times come from the clock that cannot
// be set, so that they stay right when the wall clock is corrected.
type Counter struct {
	count       atomic.Int64
	dropped     atomic.Bool  // it is not among the counters any more
	shared      bool         // by the keys that have none of their own
	first       atomic.Int64 // nanoseconds; 0: never
	last        atomic.Int64
	exampleAt   atomic.Int64
	example     atomic.Pointer[Example]
	declared    atomic.Int64 // the last call of Observe that had it
	mu          sync.Mutex
	hours, days Series
}

// counters are the counters of this process. A map that never changes has most of them, so
// that requests find theirs without a lock.
type counters struct {
	found atomic.Pointer[map[Key]*Counter]

	mu      sync.Mutex
	fresh   map[Key]*Counter // not in found yet
	groups  map[group]int    // how many of a group there are
	bound   int              // of limited, see mostCounters
	limited int              // how many keys requests have caused
	called  int64            // the calls of observe
	issuer  map[string]int64 // the last call for each issuer
}

// group has the keys that share a limit.
type group struct {
	kind         Kind
	issuer, name string
	client       string
}

func (c *counters) init() {
	c.found.Store(new(map[Key]*Counter))
	c.fresh, c.groups, c.issuer, c.bound = make(map[Key]*Counter), make(map[group]int), make(map[string]int64), mostCounters
}

// Count adds one. It does not allocate if the key was counted before. It returns the Counter
// for [Store.CountAgain].
func (s *Store) Count(k Key) *Counter {
	if s == nil {
		return nil
	}
	c := s.counters.counter(k)
	c.mark(s.clock.elapsed())
	return c
}

// CountAgain adds one for the key for which [Store.Count] has returned the Counter. That is
// quicker than to find it again. The time is a recent one of time.Now. It returns false, and
// has not counted, if the Counter is shared by several keys, or if the Store has dropped it
// because it was not used.
func (s *Store) CountAgain(c *Counter, now time.Time) bool {
	if c == nil || c.shared || c.dropped.Load() {
		return false
	}
	c.mark(s.clock.at(now))
	return true
}

// CountExample adds one, and keeps the request at most once a second.
func (s *Store) CountExample(k Key, example func() Example) {
	if s == nil {
		return
	}
	now := s.clock.elapsed()
	c := s.counters.counter(k)
	if before := c.exampleAt.Load(); before == 0 || int64(now)-before >= int64(time.Second) {
		c.exampleAt.Store(max(1, int64(now)))
		c.example.Store(new(example().bounded()))
	}
	c.mark(now)
}

// CountHourly adds one, also to the hour and the day. In the same hour, it does not
// allocate.
func (s *Store) CountHourly(k Key) {
	if s == nil {
		return
	}
	at := s.clock.moment()
	c := s.counters.counter(k)
	c.mu.Lock()
	c.hours.count(at.seconds() / Hour)
	c.days.count(at.seconds() / Day)
	c.hours = c.hours.after(at.seconds()/Hour - mostHours)
	c.mu.Unlock()
	c.mark(at.elapsed)
}

// CountSecret adds a use of a secret from the address, which may be the zero one.
func (s *Store) CountSecret(issuer, client, secret string, from netip.Addr) {
	s.Count(Key{Kind: Secret, Issuer: issuer, Client: client, Name: secret})
	s.CountSource(issuer, client, secret, from)
}

// CountSource adds a use from the network of an address, which may be the zero address.
func (s *Store) CountSource(issuer, client, secret string, from netip.Addr) {
	if s == nil {
		return
	}
	if network := networkOf(from); network != "" {
		s.Count(Key{Kind: Network, Issuer: issuer, Client: client, Name: secret, Detail: network})
	}
}

// networkOf returns the /24 or /48 of an address, or "".
func networkOf(from netip.Addr) string {
	bits := 48
	if from = from.Unmap(); from.Is4() {
		bits = 24
	}
	network, err := from.WithZone("").Prefix(bits)
	if err != nil || !from.IsValid() {
		return ""
	}
	return network.String()
}

func (c *Counter) mark(now time.Duration) {
	at := max(1, int64(now))
	if c.first.Load() == 0 {
		c.first.CompareAndSwap(0, at)
	}
	// Once a second is enough. Processors would contend for it.
	for last := c.last.Load(); last == 0 || at-last >= int64(time.Second); last = c.last.Load() {
		if c.last.CompareAndSwap(last, at) {
			break
		}
	}
	c.count.Add(1)
}

// counter returns the Counter of a key. If the key is new and there are too many, it
// returns a shared Counter.
func (c *counters) counter(k Key) *Counter {
	if found := (*c.found.Load())[k]; found != nil {
		return found
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(k)
}

// add returns the Counter of a key, which it adds if it is new. The caller holds c.mu.
func (c *counters) add(k Key) *Counter {
	if found := c.lookup(k); found != nil {
		return found
	}
	if !c.fits(k) {
		c.add(Key{Kind: Dropped, Name: k.Kind.String()}).count.Add(1)
		k = k.shared()
		if found := c.lookup(k); found != nil {
			return found
		}
	}
	found := &Counter{shared: k.Issuer == Others}
	k = k.clone()
	c.fresh[k] = found
	c.note(k)
	if len(c.fresh) > 64+len(*c.found.Load())/4 {
		c.merge()
	}
	return found
}

// note counts a key for the limits.
func (c *counters) note(k Key) {
	c.groups[k.group()]++
	if _, limited := most[k.Kind]; limited {
		c.limited++
	}
}

func (c *counters) lookup(k Key) *Counter {
	if found := (*c.found.Load())[k]; found != nil {
		return found
	}
	return c.fresh[k]
}

// merge moves the fresh counters to the map that needs no lock. The caller holds c.mu.
func (c *counters) merge() {
	if len(c.fresh) == 0 {
		return
	}
	found := maps.Clone(*c.found.Load())
	if found == nil {
		found = make(map[Key]*Counter)
	}
	maps.Copy(found, c.fresh)
	c.found.Store(&found)
	clear(c.fresh)
}

// most is the limit of keys in a group. The operator declares secrets and grants, so these
// have no limit.
var most = map[Kind]int{
	Network: 8, Issued: 25_000, Asked: 256, Denied: 64, Passed: 10_000, Refused: 1000, Reported: 1000, Read: 256, Dropped: int(lastKind),
	RouteRefusals: 4096, RouteReports: 4096, TokenRefusals: 256,
}

// mostCounters bounds how many keys requests can cause; what the operator declares does not
// count. longestName, in bytes, is more than a name of an operator has.
const (
	mostCounters = 500_000
	longestName  = 1024
)

// clone copies the texts. A text of a caller may keep its whole token in memory.
func (k Key) clone() Key {
	return Key{k.Kind, strings.Clone(k.Issuer), strings.Clone(k.Client), strings.Clone(k.Name), strings.Clone(k.Detail)}
}

func (k Key) group() group {
	switch k.Kind {
	case Passed, Refused, Reported:
		return group{kind: k.Kind, name: k.Name}
	case Network:
		return group{k.Kind, k.Issuer, k.Name, k.Client}
	case Asked, Denied, Read:
		return group{kind: k.Kind, issuer: k.Issuer, client: k.Client}
	case Secret, Issued, Granted, Dropped, RouteRefusals, RouteReports, TokenRefusals:
	}
	return group{kind: k.Kind, issuer: k.Issuer}
}

// fits reports whether a new key may have its own Counter. The caller holds c.mu.
func (c *counters) fits(k Key) bool {
	for _, name := range []string{k.Issuer, k.Client, k.Name, k.Detail} {
		if len(name) > longestName || !utf8.ValidString(name) {
			return false
		}
	}
	limit, limited := most[k.Kind]
	return !limited || k.Kind == Dropped || k.Issuer == Others || c.groups[k.group()] < limit && c.limited < c.bound
}

// shared returns the key for keys without their own Counter.
func (k Key) shared() Key {
	k.Issuer, k.Client = Others, ""
	switch k.Kind {
	case Passed, Refused, Reported:
		k.Name, k.Detail = bounded(k.Name), bounded(k.Detail)
	case RouteRefusals, RouteReports, TokenRefusals:
		k.Name, k.Detail = "", bounded(k.Detail)
	case Secret, Network, Issued, Asked, Denied, Granted, Read, Dropped:
		k.Name, k.Detail = "", ""
	}
	return k
}

func bounded(name string) string {
	if len(name) > longestName || !utf8.ValidString(name) {
		return ""
	}
	return name
}

const longestExample = 255 // of each text, in bytes

func (e Example) bounded() Example {
	for _, text := range []*string{&e.Method, &e.Path, &e.ClientIP} {
		*text = (*text)[:min(len(*text), longestExample)]
		for !utf8.ValidString(*text) {
			*text = (*text)[:len(*text)-1]
		}
	}
	return e
}

// value returns the counts of this process.
func (c *counters) value(k Key, at moment) Value {
	if found := (*c.found.Load())[k]; found != nil {
		return found.value(at)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.fresh[k]; found != nil {
		return found.value(at)
	}
	return Value{}
}

func (c *counters) all() iter.Seq2[Key, *Counter] {
	c.mu.Lock()
	c.merge()
	c.mu.Unlock()
	return maps.All(*c.found.Load())
}

// Counted returns the counts of this process since it began its entry: the counters of its
// metrics, which begin anew once a day.
func (s *Store) Counted() iter.Seq2[Key, int64] {
	return func(yield func(Key, int64) bool) {
		if s == nil {
			return
		}
		for k, counter := range s.counters.all() {
			if !yield(k, max(0, counter.count.Load())) {
				return
			}
		}
	}
}

func (c *counters) values(at moment) map[Key]Value {
	values := make(map[Key]Value)
	for k, counter := range c.all() {
		if v := counter.value(at); !v.isZero() {
			values[k] = v
		}
	}
	return values
}

func (c *counters) total() (total int64) {
	for _, counter := range c.all() {
		total += counter.count.Load()
	}
	return total
}

func (c *Counter) value(at moment) Value {
	v := Value{Count: max(0, c.count.Load()), First: at.secondsOf(c.first.Load()), Last: at.secondsOf(c.last.Load()), Example: c.example.Load()}
	c.mu.Lock()
	defer c.mu.Unlock()
	v.Hours, v.Days = c.hours.clone(), c.days.clone()
	return v
}

// String returns the name of the kind in the key of what was dropped.
func (k Kind) String() string {
	names := [...]string{"", "secret", "network", "issued", "asked", "denied", "granted", "passed", "refused", "reported", "read", "dropped", "route_refusals", "route_reports", "token_refusals"}
	if k < 0 || int(k) >= len(names) {
		return ""
	}
	return names[k]
}
