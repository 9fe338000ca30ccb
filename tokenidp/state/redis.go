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

// Redis shares all of the state through Redis: an identifier is used once among all
// nodes, quotas are counted together, and a revocation is pushed to every node.
//
// The revocations are streams, which every node reads from the beginning once, and
// then follows. What Redis may forget is decided there and by its clock: there is a
// stream for each of a few lifetimes, and what is older than that, and has expired at the
// node too, is trimmed when something is added. If what a node read last or wrote is no
// longer there, Redis has lost it, and maybe more: then the node reads all again, and
// adds what is missing.
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

	// Who holds reading uses these.
	inspected    time.Duration
	again, delay time.Duration // when Redis is asked again that refused a revocation
	ended        uint64        // states of this node, for endedSince

	mu        sync.Mutex
	lastSync  time.Time
	problem   string // with reading
	unwritten string // why Redis lacks something
	warnings  []string
}

// NewRedis makes a Redis, and connects to nothing yet.
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

// markDirty makes the next catchUp give Redis what it lacks.
func (r *Redis) markDirty() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// Close ends all connections.
func (r *Redis) Close() error { return r.client.Close() }

// Once is State's, and strict among all nodes. A node refuses what it has seen
// itself, even if Redis lost it.
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

// key names a key of its own. Each command has one key, so that a Cluster may have
// them anywhere.
func (r *Redis) key(kind string, k key) string {
	return fmt.Sprintf("%s%s%016x%016x", r.prefix, kind, k.high, k.low)
}

// Take is State's. While Redis is out of reach, this node counts alone, and asks
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

// takeScript is quotas.take by the clock of Redis, in microseconds, which a number
// of Lua holds exactly until the year 2255. If that clock is set back, nobody waits
// for it to catch up.
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

// Revoke is State's. It returns nil once Redis, and the replicas that are asked for,
// have the revocations. What Redis has already is not written again: a client that
// revokes one token over and over fills nothing.
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

// Ready is State's.
func (r *Redis) Ready() error {
	if r.synced.Load() {
		return nil
	}
	return ErrNotSynced
}

// Health is State's.
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

// Run is State's. A node that does not issue gives Redis what it lacks all the same:
// it may be the only one that knows.
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

// reconnectAfter is how long a node waits after Redis was out of reach.
const reconnectAfter = 500 * time.Millisecond

// report tells a problem once, not at every attempt.
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

// current notes that all revocations are known here.
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

// init keeps the client library from writing to standard error, past the log and at
// each connection that fails. What is wrong comes as an error, and is told once.
func init() { redis.SetLogger(quiet{}) }

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// Interface guard
var _ State = (*Redis)(nil)
