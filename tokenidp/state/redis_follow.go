package state

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	// mostPerRead is the most entries of a stream in one answer of Redis.
	mostPerRead = 64
	// pushWait is how long Redis waits with an answer while there is nothing new. After
	// each wait, the node checks whether Redis has lost something.
	pushWait = 2 * time.Second
	// pageTimeout bounds the wait for any other answer. No request waits for these.
	pageTimeout = 5 * time.Second
	// refusedFor is the wait before a revocation that Redis refused is written again. It
	// doubles, up to mostRefusedFor.
	refusedFor, mostRefusedFor = time.Second, time.Minute
)

// Load implements [State]. It reads what is new.
func (r *Redis) Load(ctx context.Context) error { return unavailable(r.catchUp(ctx)) }

// follow reads what is new as soon as it is there, until Redis cannot be reached.
func (r *Redis) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// await waits until there is something new. It does not read it: catchUp does, and checks
// that it follows what was read before, because this may be another Redis.
func (r *Redis) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pushWait+pageTimeout)
	defer cancel()
	after := r.streamKeys()
	for i := range streams {
		after = append(after, r.trails[i].position())
	}
	err := r.client.XRead(ctx, &redis.XReadArgs{Streams: after, Count: 1, Block: pushWait}).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// catchUp reads what is new, writes what Redis lacks, and checks its set-up. Only one call
// does so at a time.
func (r *Redis) catchUp(ctx context.Context) error {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.readWhole(ctx); err != nil {
		return err
	}
	r.current()
	if err := r.supply(ctx); err != nil {
		return err
	}
	r.inspect(ctx)
	return nil
}

// readWhole reads what is new, and checks that Redis has what this node wrote.
func (r *Redis) readWhole(ctx context.Context) error {
	for {
		for i := range r.trails {
			r.trails[i].begin()
		}
		if err := r.readAll(ctx); err != nil {
			return err
		}
		if whole, err := r.hasWritten(ctx); whole || err != nil {
			return err
		}
		r.restart()
	}
}

// restart reads Redis from the beginning after it has lost something.
func (r *Redis) restart() {
	r.store.Store(r.revocations.newStore())
	for i := range r.trails {
		r.trails[i].restart()
	}
	r.markDirty()
}

// readAll reads until there is nothing new. It starts from the beginning if Redis no
// longer has what was read last.
func (r *Redis) readAll(ctx context.Context) error {
	for {
		pages, err := r.pages(ctx)
		if err != nil {
			return err
		}
		more, whole := false, true
		for i, page := range pages {
			if last := r.trails[i].position(); last != beginning {
				if len(page) == 0 || page[0].ID != last {
					whole = false
					break
				}
				pages[i] = page[1:]
			}
			more = more || len(pages[i]) >= mostPerRead
		}
		if !whole {
			r.restart()
			continue
		}
		for i, page := range pages {
			r.take(i, page)
		}
		if !more {
			return nil
		}
	}
}

// pages returns the next entries of each stream, with the last entry that was read. That
// entry shows that the answer follows what was read before, from whichever Redis it is.
func (r *Redis) pages(ctx context.Context) ([][]redis.XMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	answers := make([]*redis.XMessageSliceCmd, len(streams))
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range streams {
			answers[i] = p.XRangeN(ctx, r.streamKey(i), r.trails[i].position(), "+", mostPerRead+1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	pages := make([][]redis.XMessage, len(streams))
	for i, answer := range answers {
		pages[i] = answer.Val()
	}
	return pages, nil
}

// take puts the entries of a stream in force.
func (r *Redis) take(i int, entries []redis.XMessage) {
	keep := streams[i].keep
	for _, entry := range entries {
		records, err := entryRecords(entry)
		r.revocations.add(r.store.Load(), records...)
		until := latest(records)
		if err != nil { // then it is kept for as long as any in this stream
			until = max(until, add(seconds(time.UnixMilli(entryTime(entry.ID))), keep))
		}
		term := r.clock.moment().term(until, leastRemembered)
		if r.trails[i].read(entry.ID, term, keep/spansKept, err) {
			r.logger.Error("an entry in Redis is not understood in whole; what else it revokes is not known here",
				zap.String("stream", r.streamKey(i)), zap.String("entry", entry.ID), zap.Error(err))
		}
	}
}

// hasWritten reports whether Redis has everything that this node wrote before the last
// reading.
func (r *Redis) hasWritten(ctx context.Context) (bool, error) {
	for i := range r.trails {
		ids, whole := r.trails[i].unseen()
		if !whole {
			return false, nil
		}
		gone, err := r.gone(ctx, i, ids)
		if err != nil || len(gone) > 0 {
			return false, err
		}
		r.trails[i].seen(ids)
	}
	return true, nil
}

// gone returns the entries that are not in the stream.
func (r *Redis) gone(ctx context.Context, i int, ids []string) (gone []string, err error) {
	for part := range slices.Chunk(ids, mostPerRead) {
		asking, cancel := context.WithTimeout(ctx, pageTimeout)
		answers := make([]*redis.XMessageSliceCmd, len(part))
		_, err := r.client.Pipelined(asking, func(p redis.Pipeliner) error {
			for n, id := range part {
				answers[n] = p.XRangeN(asking, r.streamKey(i), id, id, 1)
			}
			return nil
		})
		cancel()
		if err != nil {
			return nil, err
		}
		for n, answer := range answers {
			if len(answer.Val()) == 0 {
				gone = append(gone, part[n])
			}
		}
	}
	return gone, nil
}

// supply writes what is in force here and not known to be in Redis. Other nodes may do the
// same, so each begins at a random place, and reads what the others have added before each
// part. What Redis refuses is kept, and written later.
func (r *Redis) supply(ctx context.Context) error {
	if !r.takeDirty() {
		return nil
	}
	missing, supplied := rotated(r.revocations.lacking(r.store.Load())), 0
	for part := range slices.Chunk(missing, mostPerEntry) {
		if err := r.readAll(ctx); err != nil {
			r.markDirty()
			return err
		}
		adding, cancel := context.WithTimeout(ctx, pageTimeout)
		added, err := r.add(adding, r.client, part)
		cancel()
		supplied += added
		if err != nil {
			r.markDirty()
			r.refused(ctx, err)
			return nil
		}
	}
	r.refused(ctx, nil)
	if supplied > 0 {
		r.logger.Warn("Redis lacked revocations that are known here; they are there again", zap.Int("revocations", supplied))
	}
	return nil
}

// takeDirty reports whether Redis may lack something that may be written now. It clears
// the mark.
func (r *Redis) takeDirty() bool {
	if r.endedSince(&r.ended) {
		r.markDirty()
	}
	if r.clock.elapsed() < r.again {
		return false
	}
	select {
	case <-r.dirty:
		return true
	default:
		return false
	}
}

// refused records whether Redis took what it lacked, and logs each change once.
func (r *Redis) refused(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	problem, delay := "", r.delay
	r.again, r.delay = 0, 0
	if err != nil {
		problem = err.Error()
		r.delay = min(max(2*delay, refusedFor), mostRefusedFor)
		r.again = r.clock.elapsed() + r.delay
	}
	r.mu.Lock()
	before := r.unwritten
	r.unwritten = problem
	r.mu.Unlock()
	switch {
	case err != nil && before == "":
		r.logger.Error("Redis does not take revocations that are in force here; they are added as soon as it does", zap.Error(err))
	case err == nil && before != "":
		r.logger.Info("Redis takes revocations again")
	}
}

// rotated returns the records from a random place on, and then the others.
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
