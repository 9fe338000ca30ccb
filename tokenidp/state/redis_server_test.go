package state

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/redistest"
	"github.com/tokenidp/caddy-tokenidp/internal/testclock"
	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// patience bounds every wait for another process. A test that needs so long has
// failed.
const patience = 60 * time.Second

// server is a real Redis.
type server struct {
	*redistest.Server
	t *testing.T
}

// startRedis starts a Redis that keeps what it is told, unless the arguments say
// otherwise.
func startRedis(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{redistest.New(t, testport.Free(t), args...), t}
	s.Start()
	return s
}

// eventually waits for what another process does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// member is a node of a cluster on Redis.
func member(t *testing.T, o RedisOptions) *Redis {
	t.Helper()
	r, err := NewRedis(NewNode(Options{}), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (s *server) member() *Redis { return member(s.t, RedisOptions{URLs: []string{s.URL()}}) }

// memberBy is one by these clocks.
func (s *server) memberBy(c *testclock.Clock) *Redis {
	s.t.Helper()
	r, err := NewRedis(NewNode(optionsWith(c)), RedisOptions{URLs: []string{s.URL()}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r
}

// entryOf is what an entry holds that revokes one token.
func entryOf(id string, until time.Time) []byte {
	return appendRecords(nil, []record{newRecord(Revocation{Issuer: issuer, TokenID: id, Until: until})})
}

// calls counts those of a command.
func (s *server) calls(command string) (n int) {
	s.t.Helper()
	facts := parseInfo(s.Do("INFO", "commandstats").(string))
	if _, err := fmt.Sscanf(facts["cmdstat_"+command], "calls=%d", &n); err != nil {
		return 0
	}
	return n
}

// running is a node that follows Redis until the test ends.
func running(t *testing.T, r *Redis) *Redis {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx, true) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r
}

func revokeIn(t *testing.T, s State, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: id, Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatalf("revoking %s: %v", id, err)
		}
	}
}

func once(t *testing.T, s State, id string) bool {
	t.Helper()
	first, err := s.Once(t.Context(), "worker", id, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// stored is what a node finds that knows nothing but what Redis has; -1 while that
// does not answer.
func (s *server) stored() int {
	s.t.Helper()
	r := s.member()
	if err := r.Load(s.t.Context()); err != nil {
		return -1
	}
	return r.Health().Revocations
}

func contains(warnings []string, text string) bool {
	return strings.Contains(strings.Join(warnings, "\n"), text)
}
