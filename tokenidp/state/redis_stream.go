package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// streams are those that hold the revocations, by how long their entries are kept.
// Nothing is trimmed from the last one.
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
	// mostPerEntry, of records, and mostPerRead, of entries, bound one answer of Redis.
	mostPerEntry = 4096
	mostPerRead  = 64
	// pushWait is how long Redis holds back an answer while there is nothing new.
	pushWait = 2 * time.Second
	// pageTimeout bounds any other answer, for which no request waits.
	pageTimeout = 5 * time.Second
	// checkInterval is how often it is looked whether Redis lost something.
	checkInterval = 2 * time.Second
)

// streamKey names a stream. What is in braces keeps all of them on one node of a
// Cluster.
func (r *Redis) streamKey(i int) string { return r.prefix + "{revocations}:" + streams[i].name }

func (r *Redis) streamKeys() []string {
	keys := make([]string, len(streams))
	for i := range streams {
		keys[i] = r.streamKey(i)
	}
	return keys
}

// addScript adds an entry to the first stream that keeps it for long enough, by the
// clock of Redis, and trims what is older than that.
var addScript = redis.NewScript(`
local now = tonumber(redis.call('TIME')[1])
local left = tonumber(ARGV[1]) - now
for i, key in ipairs(KEYS) do
	local keep = tonumber(ARGV[i + 2])
	if keep == 0 then
		return redis.call('XADD', key, '*', 'revocations', ARGV[2])
	elseif left < keep then
		return redis.call('XADD', key, 'MINID', '~', string.format('%.0f-0', math.max(now - keep, 0) * 1000), '*', 'revocations', ARGV[2])
	end
end
`)

// add gives the records to Redis, and waits for the replicas that are asked for.
func (r *Redis) add(ctx context.Context, records []record) error {
	for part := range slices.Chunk(records, mostPerEntry) {
		// Entries are kept for an hour longer, as revocations are in a node.
		until := add(add(latest(part), leeway), leastRemembered)
		args := []any{until, appendRecords(nil, part)}
		for _, s := range streams {
			args = append(args, int64(s.keep/time.Second))
		}
		if err := r.addEntry(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

func (r *Redis) addEntry(ctx context.Context, args []any) error {
	if r.wait == 0 {
		return addScript.Run(ctx, r.client, r.streamKeys(), args...).Err()
	}
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	conn := node.Conn() // WAIT is for what this connection wrote
	defer func() { _ = conn.Close() }()
	if err := addScript.Run(ctx, conn, r.streamKeys(), args...).Err(); err != nil {
		return err
	}
	const patience = 2 * time.Second
	got, err := conn.Wait(ctx, r.wait, patience).Result()
	if err == nil && got < int64(r.wait) {
		err = fmt.Errorf("%d of the %d replicas that wait_replicas asks for have it", got, r.wait)
	}
	return err
}

// node is the Redis that has the streams.
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

// Load is State's: it reads what is new.
func (r *Redis) Load(ctx context.Context) error {
	return unavailable(r.alone(ctx, func() error { return r.catchUp(ctx) }))
}

// alone keeps others from reading.
func (r *Redis) alone(ctx context.Context, read func() error) error {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
		return read()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow reads what is new as soon as it is there, until Redis is out of reach.
func (r *Redis) follow(ctx context.Context) error {
	if err := r.alone(ctx, func() error { return r.catchUp(ctx) }); err != nil {
		return err
	}
	for ctx.Err() == nil {
		err := r.alone(ctx, func() error { return r.followOnce(ctx) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Redis) followOnce(ctx context.Context) error {
	if _, err := r.read(ctx, pushWait, nil); err != nil {
		return err
	}
	if now := r.clock.elapsed(); now-r.checked >= checkInterval {
		return r.catchUp(ctx)
	}
	r.current()
	return nil
}

// catchUp looks whether Redis still has what was read last, and reads what is new.
// After an outage that comes first: Redis may have come back with less, and something
// newer.
func (r *Redis) catchUp(ctx context.Context) error {
	lost, err := r.lost(ctx)
	if err != nil {
		return err
	}
	select {
	case <-r.owed:
		lost = true
	default:
	}
	if lost {
		err = r.restore(ctx)
	} else {
		err = r.readAll(ctx, nil)
	}
	if err != nil {
		if lost {
			r.owe()
		}
		return err
	}
	r.checked = r.clock.elapsed()
	r.current()
	r.inspect(ctx)
	return nil
}

// lost tells whether an entry that was read last has gone. Trimming leaves the last
// entry.
func (r *Redis) lost(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	for i, id := range r.last {
		if id == beginning {
			continue
		}
		entries, err := r.client.XRangeN(ctx, r.streamKey(i), id, id, 1).Result()
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// readAll reads until there is nothing new, and tells what it read.
func (r *Redis) readAll(ctx context.Context, learned func([]record)) error {
	for {
		count, err := r.read(ctx, 0, learned)
		if count == 0 || err != nil {
			return err
		}
	}
}

// read reads what is new, and puts it in force.
func (r *Redis) read(ctx context.Context, block time.Duration, learned func([]record)) (count int, err error) {
	ctx, cancel := context.WithTimeout(ctx, block+pageTimeout)
	defer cancel()
	if block == 0 {
		block = -1 // do not wait
	}
	all, err := r.client.XRead(ctx, &redis.XReadArgs{Streams: append(r.streamKeys(), r.last...), Count: mostPerRead, Block: block}).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, stream := range all {
		i := slices.Index(r.streamKeys(), stream.Stream)
		if i < 0 {
			continue // nothing was asked of it
		}
		for _, entry := range stream.Messages {
			count++
			r.last[i] = entry.ID
			records, err := entryRecords(entry)
			if err != nil {
				r.logger.Error("an entry in Redis is no revocation, and is left alone", zap.String("stream", stream.Stream), zap.String("entry", entry.ID), zap.Error(err))
				continue
			}
			r.revocations.add(0, records...)
			if learned != nil {
				learned(records)
			}
		}
	}
	return count, nil
}

func entryRecords(entry redis.XMessage) ([]record, error) {
	data, ok := entry.Values[entryField].(string)
	if !ok || len(entry.Values) != 1 {
		return nil, errRecords
	}
	return decodeRecords([]byte(data))
}

// restore reads all from the beginning, and adds what is known here and not there.
// Other nodes may be about to do the same, so each begins elsewhere, and looks before
// each part at what the others have added.
func (r *Redis) restore(ctx context.Context) error {
	there := make(map[name]record)
	learned := func(records []record) {
		for _, rec := range records {
			n := name{rec.kind, rec.key}
			known := there[n]
			rec.before, rec.until = max(rec.before, known.before), max(rec.until, known.until)
			there[n] = rec
		}
	}
	for i := range r.last {
		r.last[i] = beginning
	}
	if err := r.readAll(ctx, learned); err != nil {
		return err
	}
	missing, added := rotated(r.revocations.missing(there)), 0
	for part := range slices.Chunk(missing, mostPerEntry) {
		if err := r.readAll(ctx, learned); err != nil {
			return err
		}
		part = slices.DeleteFunc(part, func(rec record) bool { return there[name{rec.kind, rec.key}].says(rec) })
		if len(part) == 0 {
			continue
		}
		adding, cancel := context.WithTimeout(ctx, pageTimeout)
		err := r.add(adding, part)
		cancel()
		if err != nil {
			return err
		}
		added += len(part)
	}
	if added > 0 {
		r.logger.Warn("Redis lacked revocations that are known here; they are there again", zap.Int("revocations", added))
	}
	return nil
}

// rotated begins anywhere.
func rotated(records []record) []record {
	if len(records) == 0 {
		return nil
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(len(records))))
	if err != nil {
		return records
	}
	first := n.Int64()
	return append(slices.Clone(records[first:]), records[:first]...)
}
