package state

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// An identifier is used once among all nodes, whoever comes at what moment.
func TestOnceAmongNodes(t *testing.T) {
	s := startRedis(t)
	nodes := []*Redis{s.member(), s.member()}
	for n := range 500 {
		var won atomic.Int32
		var racing sync.WaitGroup
		for _, r := range nodes {
			racing.Go(func() {
				if first, err := r.Once(t.Context(), "worker", fmt.Sprint(n), time.Now().Add(time.Minute)); err != nil {
					t.Error(err)
				} else if first {
					won.Add(1)
				}
			})
		}
		racing.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d: %d were first", n, won.Load())
		}
	}
	if a, b := nodes[0].Health(), nodes[1].Health(); a.Replayed+b.Replayed != 500 || a.Identifiers+b.Identifiers != 500 {
		t.Errorf("%+v, %+v", a, b)
	}
}

// Redis forgets an identifier by itself, and not while a clock that is behind would
// still accept it.
func TestOnceIsForgottenInTime(t *testing.T) {
	s := startRedis(t)
	if !once(t, s.member(), "a") {
		t.Fatal("not the first")
	}
	keys := s.Do("KEYS", DefaultPrefix+"once:*").([]any)
	if len(keys) != 1 {
		t.Fatalf("keys %v", keys)
	}
	if left := s.Do("PTTL", keys[0]).(int64); left <= time.Minute.Milliseconds() || left > 2*time.Minute.Milliseconds() {
		t.Errorf("forgotten after %d ms", left)
	}
}

func TestRevocationsArePushed(t *testing.T) {
	s := startRedis(t)
	a, b := running(t, s.member()), running(t, s.member())
	if err := b.Load(t.Context()); err != nil || b.Ready() != nil {
		t.Fatal(err, b.Ready())
	}
	revokeIn(t, a, "t1")
	if !knows(a, "t1") {
		t.Error("not in force at once here")
	}
	eventually(t, "the revocation there", func() bool { return knows(b, "t1") })
	h := b.Health()
	if h.Kind != "redis" || !h.Synced || h.Problem != "" || h.LastSync.IsZero() || len(h.Warnings) != 0 {
		t.Errorf("%+v", h)
	}
	// A node that comes later reads all.
	if n := s.stored(); n != 1 {
		t.Errorf("%d are stored", n)
	}
}

func TestRevocationsOfEveryLifetime(t *testing.T) {
	s := startRedis(t)
	a := s.member()
	for i, life := range []time.Duration{time.Minute, 24 * time.Hour, 20 * 24 * time.Hour, 400 * 24 * time.Hour, 200 * 365 * 24 * time.Hour} {
		if err := a.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: fmt.Sprint(i), Until: time.Now().Add(life)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int64{2, 1, 2} {
		if n := s.Do("XLEN", a.streamKey(i)).(int64); n != want {
			t.Errorf("%s has %d entries, want %d", a.streamKey(i), n, want)
		}
	}
	if n := s.stored(); n != 5 {
		t.Errorf("%d of 5 are stored", n)
	}
}

// More than one entry, and more entries than are read at once.
func TestManyRevocationsInRedis(t *testing.T) {
	s := startRedis(t)
	const count = 2*mostPerEntry + 1
	many := make([]Revocation, count)
	for i := range many {
		many[i] = Revocation{Issuer: issuer, TokenID: fmt.Sprint(i), Until: time.Now().Add(time.Hour)}
	}
	a := s.member()
	if err := a.Revoke(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * mostPerRead {
		revokeIn(t, a, fmt.Sprint("more", i))
	}
	if n := s.stored(); n != count+2*mostPerRead {
		t.Errorf("%d of %d are stored", n, count+2*mostPerRead)
	}
}

// What is old is trimmed as something is added, once it has expired by the clock of
// Redis and by those of the node. One of them that is wrong, for a moment or for good,
// makes nothing forgotten.
func TestRedisForgetsExpiredRevocationsAlone(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		name        string
		first, step time.Duration // how the entries are named, before now and apart
		life        time.Duration // of what they revoke
		passes      time.Duration // before something is added
		stayed      bool
	}{
		{name: "expired", first: 30 * day, step: time.Hour, life: -time.Hour, passes: 2 * time.Hour},
		{name: "learned within the hour", first: 30 * day, step: time.Hour, life: -time.Hour, passes: 59 * time.Minute, stayed: true},
		{name: "old as Redis, whose clock is ahead, has it", first: 30 * day, step: time.Hour, life: day, passes: 2 * time.Hour, stayed: true},
		{name: "expired at this node, whose clock is ahead", first: 25 * time.Hour, step: 5 * time.Minute, life: -time.Hour, passes: 2 * time.Hour, stayed: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, c := startRedis(t), newClocks()
			c.Set(time.Now())
			a := s.memberBy(c)
			for n := range 300 { // whole nodes of the stream are trimmed, of a hundred entries each
				at := c.Now().Add(time.Duration(n)*row.step - row.first)
				s.Do("XADD", a.streamKey(0), fmt.Sprintf("%d-1", at.UnixMilli()), entryField, entryOf(fmt.Sprint(n), c.Now().Add(row.life)))
			}
			load(t, a)
			c.Advance(row.passes)
			revokeIn(t, a, "more")
			if n := s.Do("XLEN", a.streamKey(0)).(int64); row.stayed != (n == 301) || !row.stayed && n > 101 {
				t.Errorf("%d entries are left", n)
			}
		})
	}
}

func TestQuotaAmongNodes(t *testing.T) {
	s := startRedis(t)
	a, b := s.member(), s.member()
	taken := 0
	for range 10 {
		for _, r := range []*Redis{a, b} {
			if r.Take(t.Context(), "orders", 5, time.Hour) == 0 {
				taken++
			}
		}
	}
	if taken != 5 {
		t.Errorf("%d taken of 5", taken)
	}
	if wait := b.Take(t.Context(), "orders", 5, time.Hour); wait <= 0 || wait > 12*time.Minute {
		t.Errorf("wait %s", wait)
	}
	if wait := a.Take(t.Context(), "billing", 5, time.Hour); wait != 0 {
		t.Errorf("another's: wait %s", wait)
	}
	if wait := a.Take(t.Context(), "nothing", 0, time.Hour); wait != time.Hour {
		t.Errorf("of nothing: wait %s", wait)
	}
	keys := s.Do("KEYS", DefaultPrefix+"quota:*").([]any)
	for _, key := range keys {
		if left := s.Do("PTTL", key).(int64); left <= 0 || left > time.Hour.Milliseconds() {
			t.Errorf("%s is forgotten after %d ms", key, left)
		}
	}
}

// TestF23RedisIsDown: a node starts, knows that it knows nothing, refuses identifiers,
// counts quotas alone, and is there when Redis is.
func TestF23RedisIsDownAtTheStart(t *testing.T) {
	s := startRedis(t)
	s.Kill()
	r := running(t, s.member())
	if err := r.Ready(); !errors.Is(err, ErrNotSynced) {
		t.Errorf("ready: %v", err)
	}
	if first, err := r.Once(t.Context(), "worker", "a", time.Now().Add(time.Minute)); first || !errors.Is(err, ErrUnavailable) {
		t.Errorf("an identifier: %t, %v", first, err)
	}
	if err := r.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}); !errors.Is(err, ErrUnavailable) || !knows(r, "t1") {
		t.Errorf("a revocation: %v, in force: %t", err, knows(r, "t1"))
	}
	taken := 0
	for range 10 {
		if r.Take(t.Context(), "orders", 3, time.Hour) == 0 {
			taken++
		}
	}
	if taken != 3 {
		t.Errorf("%d taken of 3", taken)
	}
	eventually(t, "the problem to show", func() bool {
		h := r.Health()
		return h.Problem != "" && !h.Synced && h.LastSync.IsZero() && h.Unavailable == 1
	})
	s.Start()
	eventually(t, "Redis to be followed", func() bool { h := r.Health(); return r.Ready() == nil && h.Problem == "" })
	if !once(t, r, "a") || once(t, r, "a") {
		t.Error("an identifier that was refused in the outage")
	}
	eventually(t, "what was revoked in the outage", func() bool { return s.stored() == 1 })
}

// TestF23RedisRestarts, with and without what it was told.
func TestF23RedisRestarts(t *testing.T) {
	for name, args := range map[string][]string{"with persistence": nil, "without": {"--appendonly", "no"}} {
		t.Run(name, func(t *testing.T) {
			s := startRedis(t, args...)
			a, b := running(t, s.member()), running(t, s.member())
			revokeIn(t, a, "t1", "t2")
			eventually(t, "the revocations there", func() bool { return knows(b, "t1") && knows(b, "t2") })
			if !once(t, a, "used") {
				t.Fatal("not the first")
			}
			s.Kill()
			eventually(t, "the outage to show", func() bool { return a.Health().Problem != "" && b.Health().Problem != "" })
			if !knows(a, "t1") || a.Ready() != nil {
				t.Error("forgotten in the outage")
			}
			s.Start()
			eventually(t, "Redis to know again", func() bool { return s.stored() == 2 && a.Health().Problem == "" && b.Health().Problem == "" })
			if once(t, a, "used") {
				t.Error("used again, where it was used before")
			}
			revokeIn(t, b, "t3")
			eventually(t, "a later one", func() bool { return knows(a, "t3") })
		})
	}
}

// TestF23RedisLosesAll while it runs: what was revoked is there again, from whoever
// knows it.
func TestF23RedisLosesAll(t *testing.T) {
	for name, lose := range map[string][]any{
		"flushed": {"FLUSHALL"}, "evicted": {"DEL", DefaultPrefix + "{revocations}:26h"}, "trimmed": {"XTRIM", DefaultPrefix + "{revocations}:26h", "MAXLEN", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startRedis(t)
			a, b := running(t, s.member()), running(t, s.member())
			revokeIn(t, a, "t1", "t2")
			eventually(t, "the revocations there", func() bool { return knows(b, "t2") })
			s.Do(lose...)
			eventually(t, "Redis to know again", func() bool { return s.stored() == 2 })
			c := running(t, s.member())
			revokeIn(t, c, "t3")
			eventually(t, "a later one", func() bool { return knows(a, "t3") && knows(b, "t3") })
		})
	}
}

// TestF23SlowRedis: a stall refuses identifiers in bounded time, many at once, and
// is over when it is over.
func TestF23SlowRedis(t *testing.T) {
	s := startRedis(t)
	r := running(t, s.member())
	if !once(t, r, "before") {
		t.Fatal("not the first")
	}
	s.Signal(syscall.SIGSTOP)
	var asking sync.WaitGroup
	for n := range 4 * mostConnections {
		asking.Go(func() {
			if first, err := r.Once(t.Context(), "worker", fmt.Sprint(n), time.Now().Add(time.Minute)); first || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%d: %t, %v", n, first, err)
			}
		})
	}
	asking.Wait()
	if !knowsNothingWrong(r) {
		t.Error("forgotten")
	}
	s.Signal(syscall.SIGCONT)
	eventually(t, "Redis to answer", func() bool {
		_, err := r.Once(t.Context(), "worker", "after", time.Now().Add(time.Minute))
		return err == nil
	})
	eventually(t, "the node to be current", func() bool { return r.Health().Problem == "" })
}

func knowsNothingWrong(r *Redis) bool { return !knows(r, "t1") && r.identifiers.known("before") }

func TestRedisUser(t *testing.T) {
	s := startRedis(t)
	s.Do("ACL", "SETUSER", "caddy", "on", ">secret", "~"+DefaultPrefix+"*", "-@all", "+@connection", "+set", "+get", "+time", "+xadd", "+xread", "+xrange", "+eval", "+evalsha", "+info")
	s.Do("ACL", "SETUSER", "default", "off")
	as := func(user, password string) *Redis {
		return member(t, RedisOptions{URLs: []string{s.URL()}, Credentials: func() (string, string) { return user, password }})
	}
	for name, r := range map[string]*Redis{"wrong password": as("caddy", "wrong"), "unknown user": as("nobody", "secret"), "nobody": s.member()} {
		if err := r.Load(t.Context()); !errors.Is(err, ErrUnavailable) || r.Ready() == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		if first, err := r.Once(t.Context(), "worker", "a", time.Now()); first || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %t, %v", name, first, err)
		}
	}
	r := as("caddy", "secret")
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	revokeIn(t, r, "t1")
	if !once(t, r, "a") || r.Take(t.Context(), "q", 1, time.Hour) != 0 || r.Take(t.Context(), "q", 1, time.Hour) == 0 {
		t.Error("a user with few rights cannot do all")
	}
	if h := r.Health(); len(h.Warnings) != 0 {
		t.Errorf("%q", h.Warnings)
	}
}

// A user whose commands are refused is told of, and nothing is let through.
func TestRedisUserWithoutRights(t *testing.T) {
	s := startRedis(t)
	s.Do("ACL", "SETUSER", "caddy", "on", ">secret", "~other:*", "+@all")
	r := member(t, RedisOptions{URLs: []string{s.URL()}, Credentials: func() (string, string) { return "caddy", "secret" }})
	if err := r.Load(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "NOPERM") {
		t.Error(err)
	}
}

func TestRedisOverTLS(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	output, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file("key.pem"), "-out", file("cert.pem")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	pem, err := os.ReadFile(file("cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := startRedis(t, "--tls-port", "0", "--tls-cert-file", file("cert.pem"), "--tls-key-file", file("key.pem"), "--tls-ca-cert-file", file("cert.pem"), "--tls-auth-clients", "no")
	s.Kill()
	port := s.Port
	s.Args = append(s.Args, "--port", "0", "--tls-port", port)
	s.Start()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	url := "rediss://" + s.Addr()
	r := member(t, RedisOptions{URLs: []string{url}, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if !once(t, r, "a") || once(t, r, "a") {
		t.Error("not once")
	}
	for name, o := range map[string]RedisOptions{"an unknown authority": {URLs: []string{url}}, "no TLS": {URLs: []string{s.URL()}}} {
		if err := member(t, o).Load(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What could lose the state is told of.
func TestDangersOfRedis(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		want string // empty: no warning
	}{
		{"in order", nil, ""},
		{"snapshots", []string{"--appendonly", "no", "--save", "60 1"}, ""},
		{"no persistence", []string{"--appendonly", "no"}, "no snapshots are saved"},
		{"evicts", []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "maxmemory-policy is allkeys-lru"},
		{"evicts what has an end", []string{"--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"}, "maxmemory-policy is volatile-ttl"},
		{"full, and evicts nothing", []string{"--maxmemory", "100mb"}, ""},
		{"would evict, but is never full", []string{"--maxmemory-policy", "allkeys-lru"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := startRedis(t, row.args...).member()
			load(t, r)
			warnings := r.Health().Warnings
			if row.want == "" && len(warnings) > 0 || row.want != "" && !contains(warnings, row.want) {
				t.Errorf("%q", warnings)
			}
		})
	}
}

func TestDangersThatMayNotBeAsked(t *testing.T) {
	s := startRedis(t, "--appendonly", "no")
	for want, denied := range map[string]string{"allow INFO": "-info", "may not ask whether snapshots": "-config"} {
		s.Do("ACL", "SETUSER", "caddy", "reset", "on", ">secret", "~*", "+@all", denied)
		r := member(t, RedisOptions{URLs: []string{s.URL()}, Credentials: func() (string, string) { return "caddy", "secret" }})
		load(t, r)
		if warnings := r.Health().Warnings; !contains(warnings, want) {
			t.Errorf("%s: %q", denied, warnings)
		}
	}
}

// TestF23RedisIsFull: nothing is told to be durable that Redis did not take.
func TestF23RedisIsFull(t *testing.T) {
	s := startRedis(t, "--maxmemory", "1")
	r := s.member()
	if err := r.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("revoked: %v", err)
	}
	if first, err := r.Once(t.Context(), "worker", "a", time.Now().Add(time.Minute)); first || !errors.Is(err, ErrUnavailable) {
		t.Errorf("an identifier: %t, %v", first, err)
	}
}

// What is revoked under the state before gets into Redis.
func TestRevocationsMoveToRedis(t *testing.T) {
	s := startRedis(t)
	node := NewNode(Options{})
	revokeIn(t, NewMemory(node), "t1")
	r, err := NewRedis(node, RedisOptions{URLs: []string{s.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	load(t, r)
	if n := s.stored(); n != 1 {
		t.Errorf("%d are stored", n)
	}
}

// Nothing goes on after a node has stopped, whether Redis is there or not.
func TestRedisLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("run", func(t *testing.T) {
		s := startRedis(t)
		r := running(t, s.member())
		eventually(t, "Redis to be followed", func() bool { return r.Ready() == nil })
		down := startRedis(t)
		down.Kill()
		running(t, down.member())
	})
	goleak.VerifyNone(t, before)
}
