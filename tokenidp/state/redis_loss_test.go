package state

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client that revokes one token over and over, at any node, adds nothing to Redis.
func TestRevokingAgainAddsNothingToRedis(t *testing.T) {
	s := startRedis(t)
	a, b := s.member(), s.member()
	revocation := Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}
	for range 100 {
		for _, r := range []*Redis{a, b} {
			load(t, r)
			if err := r.Revoke(t.Context(), revocation); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := s.Do("XLEN", a.streamKey(0)).(int64); n != 1 {
		t.Errorf("%d entries", n)
	}
	// What says more is added.
	revocation.Until = revocation.Until.Add(time.Minute)
	if err := a.Revoke(t.Context(), revocation); err != nil {
		t.Fatal(err)
	}
	if n := s.Do("XLEN", a.streamKey(0)).(int64); n != 2 {
		t.Errorf("%d entries with one that is kept for longer", n)
	}
	// And so is what Redis has lost.
	s.Do("FLUSHALL")
	load(t, a)
	if err := a.Revoke(t.Context(), revocation); err != nil || s.stored() != 1 {
		t.Errorf("after a loss: %v, %d are stored", err, s.stored())
	}
}

// Who revokes again what Redis has is told to be done once the replicas have it, too.
func TestRevokingAgainWaitsForReplicas(t *testing.T) {
	s := startRedis(t)
	a := member(t, RedisOptions{URLs: []string{s.URL()}, WaitReplicas: 1})
	b := member(t, RedisOptions{URLs: []string{s.URL()}, WaitReplicas: 1})
	revocation := Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}
	for _, r := range []*Redis{a, a, b} {
		if err := r.Revoke(t.Context(), revocation); err == nil || !strings.Contains(err.Error(), "0 of the 1 replicas") {
			t.Errorf("without a replica: %v", err)
		}
		load(t, b)
	}
	if a.Health().Problem != "" {
		t.Errorf("the master has it, and yet %q", a.Health().Problem)
	}
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+s.Port)
	eventually(t, "the replica", func() bool { return strings.Contains(fmt.Sprint(s.Do("INFO", "replication")), "state=online") })
	replica.Signal(syscall.SIGSTOP)
	revocation.Until = revocation.Until.Add(time.Minute)
	for _, r := range []*Redis{a, b} {
		load(t, r)
		if err := r.Revoke(t.Context(), revocation); err == nil {
			t.Error("a replica that is behind has it")
		}
	}
	replica.Signal(syscall.SIGCONT)
	for _, r := range []*Redis{a, b} {
		load(t, r)
		if err := r.Revoke(t.Context(), revocation); err != nil {
			t.Errorf("with a replica: %v", err)
		}
	}
	if n := s.Do("XLEN", a.streamKey(0)).(int64); n != 2 {
		t.Errorf("%d entries", n)
	}
	if n := replica.stored(); n != 1 {
		t.Errorf("the replica has %d", n)
	}
}

// What a node wrote is added again if Redis loses it before the node has read it, as
// in a failover to a replica that lacked it: whether there is something newer or not.
func TestWhatANodeWroteAndDidNotReadIsNotLost(t *testing.T) {
	for name, newer := range map[string]bool{"nothing newer": false, "something newer": true} {
		t.Run(name, func(t *testing.T) {
			s := startRedis(t)
			a := s.member()
			revokeIn(t, a, "t0")
			load(t, a)
			revokeIn(t, a, "t1")
			last := s.Do("XREVRANGE", a.streamKey(0), "+", "-", "COUNT", 1).([]any)[0].([]any)[0]
			s.Do("XDEL", a.streamKey(0), last)
			want := 2
			if newer {
				revokeIn(t, s.member(), "t2")
				want = 3
			}
			load(t, a)
			if n := s.stored(); n != want {
				t.Errorf("%d of %d are stored", n, want)
			}
		})
	}
}

// More of its own than a node remembers until it reads them, the last of which is lost.
func TestNoneOfManyThatANodeWroteAndDidNotReadIsLost(t *testing.T) {
	s := startRedis(t)
	a := s.member()
	load(t, a)
	for n := range mostWritten + 1 {
		revokeIn(t, a, fmt.Sprint(n))
	}
	last := s.Do("XREVRANGE", a.streamKey(0), "+", "-", "COUNT", 1).([]any)[0].([]any)[0]
	s.Do("XDEL", a.streamKey(0), last)
	if n := len(a.trails[0].written); n > mostWritten {
		t.Errorf("%d entries are remembered", n)
	}
	load(t, a)
	if n := s.stored(); n != mostWritten+1 {
		t.Errorf("%d of %d are stored", n, mostWritten+1)
	}
}

// What a node wrote and reads is not looked for again, and makes it read nothing again.
func TestWhatANodeWroteIsFound(t *testing.T) {
	s := startRedis(t)
	a := running(t, s.member())
	eventually(t, "Redis to be followed", func() bool { return a.Ready() == nil })
	before := a.store.Load()
	for n := range 300 {
		revokeIn(t, a, fmt.Sprint(n))
	}
	load(t, a)
	load(t, a)
	if a.store.Load() != before {
		t.Error("all was read again")
	}
	if ids, _ := a.trails[0].unseen(); len(ids) > 0 {
		t.Errorf("%d entries are waited for", len(ids))
	}
}

// While a node waits for what is new, another Redis takes over that lacks what was read
// last and has something newer.
func TestSomethingNewerHidesNoLoss(t *testing.T) {
	s := startRedis(t)
	a := running(t, s.member())
	revokeIn(t, a, "t0", "t1")
	load(t, a)
	eventually(t, "the node to wait", func() bool {
		return strings.Contains(s.Do("INFO", "clients").(string), "blocked_clients:1")
	})
	s.Do("EVAL", `
		redis.call('XDEL', KEYS[1], redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][1])
		redis.call('XADD', KEYS[1], '*', 'revocations', ARGV[1])
		return 1`,
		1, a.streamKey(0), entryOf("t2", time.Now().Add(time.Hour)))
	eventually(t, "all to be there", func() bool { return s.stored() == 3 })
	if !knows(a, "t2") {
		t.Error("the newer one is not known")
	}
}

// Entries that were trimmed before they expired, as by hand, are there again.
func TestWhatWasTrimmedTooEarlyIsAddedAgain(t *testing.T) {
	s, c := startRedis(t), newClocks()
	c.Set(time.Now())
	a := s.memberBy(c)
	for n := range 100 {
		at := c.Now().Add(time.Duration(n-100) * time.Hour / 4)
		s.Do("XADD", a.streamKey(0), fmt.Sprintf("%d-0", at.UnixMilli()), entryField, entryOf(fmt.Sprint(n), c.Now().Add(time.Hour)))
	}
	load(t, a)
	s.Do("XTRIM", a.streamKey(0), "MAXLEN", "=", 40)
	c.Advance(inspectInterval + time.Second)
	load(t, a) // which notices
	load(t, a)
	if n := s.stored(); n != 100 {
		t.Errorf("%d of 100 are stored", n)
	}
}

// TestF23RedisRefuses: while Redis is full, a node stays current with what is there,
// tries to add what it refused at longer and longer intervals, and reads nothing again.
func TestF23RedisRefuses(t *testing.T) {
	s, c := startRedis(t), newClocks()
	c.Set(time.Now())
	a, b := s.memberBy(c), s.member()
	revokeIn(t, b, "t0")
	load(t, a)
	s.Do("CONFIG", "SET", "maxmemory", "1")
	if err := a.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}); err == nil {
		t.Fatal("a full Redis took it")
	}
	load(t, a)
	whole := a.store.Load()
	for _, wait := range []time.Duration{refusedFor, 2 * refusedFor, 4 * refusedFor} {
		for _, last := range []bool{false, true} {
			c.Advance(map[bool]time.Duration{false: wait - time.Millisecond, true: time.Millisecond}[last])
			tried := s.calls("evalsha")
			load(t, a)
			if again := s.calls("evalsha") != tried; again != last {
				t.Errorf("%s after it was refused: tried again: %t", wait, again)
			}
			if h := a.Health(); !strings.Contains(h.Problem, "are not in Redis yet") || !h.LastSync.Equal(c.Now()) {
				t.Errorf("%q, current %s ago", h.Problem, c.Now().Sub(h.LastSync))
			}
		}
	}
	if a.store.Load() != whole {
		t.Error("all was read again")
	}
	s.Do("CONFIG", "SET", "maxmemory", "0")
	c.Advance(mostRefusedFor)
	load(t, a)
	if h := a.Health(); h.Problem != "" || s.stored() != 2 {
		t.Errorf("%q, %d are stored", h.Problem, s.stored())
	}
}

// What a state learned while it ended gets into Redis.
func TestWhatAStateBeforeLearnedLateGetsIntoRedis(t *testing.T) {
	s := startRedis(t)
	node := NewNode(Options{})
	before := NewMemory(node)
	r, err := NewRedis(node, RedisOptions{URLs: []string{s.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	load(t, r)
	revokeIn(t, before, "t1")
	node.Released()
	load(t, r)
	if n := s.stored(); n != 1 {
		t.Errorf("%d are stored", n)
	}
}
