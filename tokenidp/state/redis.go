package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// Redis shares the whole state through Redis. An identifier is used once among all nodes,
// quotas are counted together, and a revocation is pushed to every node.
//
// The revocations are in streams. Every node reads them once from the beginning, and then
// follows them. There is a stream for each of a few lifetimes. When an entry is added,
// older entries are trimmed if they have expired both by the clock of Redis and by that of
// the node. If an entry that a node read last or wrote is gone, Redis has lost it, and
// perhaps others. Then the node reads everything again, and adds what is missing.
type Redis struct {
	*Node
	client redis.UniversalClient
	prefix string
	wait   int
	logger *zap.Logger

	running chan struct{} // held by the one Run that works
	reading chan struct{} // held by who reads the streams
	dirty   chan struct{} // has one while Redis may lack what is known here
	store   atomic.Uint32 // what Redis is to revocations, since it lost something
	trails  []trail       // of each stream
	synced  atomic.Bool
	local   atomic.Int64 // until when quotas are counted here, by the clock that nobody sets

	// The following are used only while reading is held.
	inspected    time.Duration
	again, delay time.Duration // when Redis is asked again that refused a revocation
	ended        uint64        // states of this node, for endedSince

	mu        sync.Mutex
	lastSync  time.Time
	problem   string // with reading
	unwritten string // why Redis lacks something
	warnings  []string
}

// NewRedis returns a Redis. It does not connect. The error is about the options.
func NewRedis(n *Node, o RedisOptions) (*Redis, error) {
	options, err := o.universal()
	if err != nil {
		return nil, err
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	r := &Redis{
		Node: n, client: redis.NewUniversalClient(options), prefix: o.Prefix, wait: o.WaitReplicas, logger: o.Logger,
		running: make(chan struct{}, 1), reading: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		trails: make([]trail, len(streams)), ended: n.released.Load(),
	}
	r.restart() // also to give Redis what is known here already, under a state before
	return r, nil
}

// markDirty makes the next catchUp write what Redis lacks.
func (r *Redis) markDirty() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// Close closes all connections.
func (r *Redis) Close() error { return r.client.Close() }

// Once implements [State], for all nodes together. A node refuses an identifier that it
// has seen itself, even if Redis has lost it.
func (r *Redis) Once(ctx context.Context, owner, id string, until time.Time) (first bool, err error) {
	if r.identifiers.known(id) {
		r.identifiers.replayed.Add(1)
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	life := max(until.Sub(r.clock.now()), 0) + leeway
	err = r.client.SetArgs(ctx, r.key("once:", newKey(onceKind, "", id)), 1, redis.SetArgs{Mode: "NX", TTL: life}).Err()
	switch {
	case err == nil:
		r.identifiers.remember(owner, id, until)
		return true, nil
	case errors.Is(err, redis.Nil):
		r.identifiers.replayed.Add(1)
		return false, nil
	default:
		r.identifiers.unavailable.Add(1)
		return false, unavailable(err)
	}
}

// key returns the name of a key in Redis. Each command uses one key, so a Cluster may have
// the keys on any node.
func (r *Redis) key(kind string, k key) string {
	return fmt.Sprintf("%s%s%016x%016x", r.prefix, kind, k.high, k.low)
}

// Take implements [State]. While Redis cannot be reached, this node counts alone, and asks
// Redis again after a second.
func (r *Redis) Take(ctx context.Context, name string, limit int, window time.Duration) (wait time.Duration) {
	if limit <= 0 {
		return window
	}
	if r.clock.elapsed() < time.Duration(r.local.Load()) {
		return r.quotas.take(name, limit, window)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	each := max(window/time.Duration(limit), time.Microsecond)
	micros, err := takeScript.Run(ctx, r.client, []string{r.key("quota:", newKey(onceKind, "quota", name))}, each.Microseconds(), limit).Int64()
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			r.local.Store(int64(r.clock.elapsed() + time.Second))
		}
		return r.quotas.take(name, limit, window)
	}
	return time.Duration(micros) * time.Microsecond
}

// takeScript does the same as quotas.take, by the clock of Redis. Times are in
// microseconds; a number of Lua is exact until the year 2255. If that clock is set back,
// no client waits for it to catch up.
var takeScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
full = math.min(full, now + each * limit) + each
local wait = full - now - each * limit
if wait > 0 then
	return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0
`)

// Revoke implements [State]. It returns nil when Redis and the configured number of
// replicas have the revocations. It does not write again what Redis already has, so a
// client cannot fill Redis with one token.
func (r *Redis) Revoke(ctx context.Context, revocations ...Revocation) error {
	if err := check(revocations); err != nil {
		return err
	}
	records := newRecords(revocations)
	if err := r.revocations.room(records); err != nil {
		return err
	}
	r.revocations.add(0, records...)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := r.secure(ctx, records); err != nil {
		r.markDirty()
		return unavailable(err)
	}
	return nil
}

// Ready implements [State].
func (r *Redis) Ready() error {
	if r.synced.Load() {
		return nil
	}
	return ErrNotSynced
}

// Health implements [State].
func (r *Redis) Health() Health {
	h := r.health("redis")
	r.mu.Lock()
	defer r.mu.Unlock()
	h.Synced, h.LastSync, h.Problem, h.Warnings = r.synced.Load(), r.lastSync, r.problem, slices.Clone(r.warnings)
	if r.unwritten != "" && h.Problem == "" {
		h.Problem = "revocations of this node are not in Redis yet: " + r.unwritten
	}
	for i := range r.trails {
		if warning := r.trails[i].warning(r.streamKey(i)); warning != "" {
			h.Warnings = append(h.Warnings, warning)
		}
	}
	return h
}

// Run implements [State]. A node that does not issue also writes what Redis lacks: it may
// be the only one that has it.
func (r *Redis) Run(ctx context.Context, _ bool) {
	runAlone(ctx, r.running, func() {
		var tidying sync.WaitGroup
		tidying.Go(func() { background.Every(ctx, sweepInterval, r.sweep) })
		defer tidying.Wait()
		for ctx.Err() == nil {
			r.report(ctx, r.follow(ctx))
			select {
			case <-ctx.Done():
			case <-time.After(reconnectAfter):
			}
		}
	})
}

// reconnectAfter is how long a node waits before it connects to Redis again.
const reconnectAfter = 500 * time.Millisecond

// report logs a problem once, not at every attempt.
func (r *Redis) report(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	before := r.problem
	r.problem = err.Error()
	r.mu.Unlock()
	if before == "" {
		r.logger.Error("Redis is out of reach; the revocations that are known here stay in force, and whoever uses a single-use identifier is answered 503", zap.Error(err))
	}
}

// current records that this node knows all revocations now.
func (r *Redis) current() {
	r.mu.Lock()
	before := r.problem
	r.problem, r.lastSync = "", r.clock.now()
	r.mu.Unlock()
	r.synced.Store(true)
	if before != "" {
		r.logger.Info("Redis is within reach again")
	}
}

// The client library would write to standard error at each failed connection. Its errors
// are returned, and logged once.
func init() { redis.SetLogger(quiet{}) }

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// Interface guard
var _ State = (*Redis)(nil)
