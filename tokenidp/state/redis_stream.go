package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// streams hold the revocations, one for each time that entries are kept. Nothing is
// trimmed from the last one.
var streams = []struct {
	name string
	keep time.Duration
}{
	{"26h", 26 * time.Hour}, // a token of an issuer here lives for a day at most
	{"32d", 32 * 24 * time.Hour},
	{"ever", 0},
}

const (
	beginning = "0-0"
	// entryField is the one field of an entry. It holds records.
	entryField = "revocations"
	// mostPerEntry, of records, bounds an entry.
	mostPerEntry = 4096
)

// streamKey returns the key of a stream. The part in braces keeps all streams on one node
// of a Cluster.
func (r *Redis) streamKey(i int) string { return r.prefix + "{revocations}:" + streams[i].name }

func (r *Redis) streamKeys() []string {
	keys := make([]string, len(streams))
	for i := range streams {
		keys[i] = r.streamKey(i)
	}
	return keys
}

// addScript adds an entry to the first stream that keeps it for long enough, by the clock
// of Redis. It trims older entries that have also expired at the node that adds, so a
// wrong clock alone cannot remove a revocation. It returns the number of the stream, from
// 1 on, and the ID of the entry.
var addScript = redis.NewScript(`
local now = tonumber(redis.call('TIME')[1])
local left = tonumber(ARGV[1]) - now
for i, key in ipairs(KEYS) do
	local keep, expired = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
	if keep == 0 then
		return {i, redis.call('XADD', key, '*', 'revocations', ARGV[2])}
	elseif left < keep then
		local old = math.min(math.max(now - keep, 0) * 1000, expired)
		return {i, redis.call('XADD', key, 'MINID', '~', string.format('%.0f-0', old), '*', 'revocations', ARGV[2])}
	end
end
`)

// add writes those of the records that are not known to be in Redis, and returns their
// number.
func (r *Redis) add(ctx context.Context, to redis.Scripter, records []record) (added int, err error) {
	store := r.store.Load()
	for part := range slices.Chunk(r.revocations.news(store, records), mostPerEntry) {
		if err := r.addEntry(ctx, to, part); err != nil {
			return added, err
		}
		r.revocations.stored(store, part)
		added += len(part)
	}
	return added, nil
}

func (r *Redis) addEntry(ctx context.Context, to redis.Scripter, records []record) error {
	// Entries are kept for an hour longer, as revocations are in a node.
	until := add(add(latest(records), leeway), leastRemembered)
	args := []any{until, appendRecords(nil, records)}
	now := r.clock.moment()
	for i, s := range streams {
		args = append(args, int64(s.keep/time.Second), r.trails[i].expired(now))
	}
	answer, err := addScript.Run(ctx, to, r.streamKeys(), args...).Slice()
	if err != nil {
		return err
	}
	if len(answer) == 2 {
		number, _ := answer[0].(int64)
		id, ok := answer[1].(string)
		if ok && number >= 1 && number <= int64(len(r.trails)) {
			r.trails[number-1].wrote(id)
			return nil
		}
	}
	return fmt.Errorf("an answer of Redis that is none, %v", answer)
}

// secure writes what Redis lacks of the records, and waits until the configured number of
// replicas has all of them.
func (r *Redis) secure(ctx context.Context, records []record) error {
	if r.wait == 0 {
		_, err := r.add(ctx, r.client, records)
		return err
	}
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	conn := node.Conn()
	defer func() { _ = conn.Close() }()
	added, err := r.add(ctx, conn, records)
	if err == nil && added == 0 {
		// WAIT waits for what this connection wrote, and for everything before that.
		err = conn.Set(ctx, r.prefix+"{revocations}:waited", 1, time.Minute).Err()
	}
	if err != nil {
		return err
	}
	const patience = 2 * time.Second
	got, err := conn.Wait(ctx, r.wait, patience).Result()
	if err == nil && got < int64(r.wait) {
		err = fmt.Errorf("%d of the %d replicas that wait_replicas asks for have it", got, r.wait)
	}
	return err
}

// node returns a client for the Redis that has the streams.
func (r *Redis) node(ctx context.Context) (*redis.Client, error) {
	switch c := r.client.(type) {
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, r.streamKey(0))
	case *redis.Client:
		return c, nil
	default:
		return nil, fmt.Errorf("an unknown kind of client, %T", c)
	}
}

// entryRecords returns the records of an entry that this version knows. The error
// describes the others.
func entryRecords(entry redis.XMessage) ([]record, error) {
	data, ok := entry.Values[entryField].(string)
	if !ok {
		return nil, errRecords
	}
	records, err := knownRecords([]byte(data))
	if err == nil && len(entry.Values) != 1 {
		err = errors.New("holds more than revocations")
	}
	return records, err
}
