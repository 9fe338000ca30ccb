package state

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds every wait for another process. A test that needs so long has
// failed.
const patience = 60 * time.Second

// server is a real Redis.
type server struct {
	t    *testing.T
	dir  string
	port string
	args []string
	cmd  *exec.Cmd
}

// startRedis starts a Redis that keeps what it is told, unless the arguments say
// otherwise.
func startRedis(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	t.Cleanup(s.kill)
	s.start()
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

func (s *server) start() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is missing; install it, as in: apt-get install redis-server")
	}
	args := append([]string{"--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always", "--save", ""}, s.args...)
	if s.args != nil && s.args[0] == "--sentinel" {
		args = []string{filepath.Join(s.dir, "sentinel.conf"), "--sentinel"}
	}
	s.cmd = exec.Command(path, args...)
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "Redis to answer", func() bool {
		conn, err := net.Dial("tcp", s.addr())
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

func (s *server) addr() string { return "127.0.0.1:" + s.port }

func (s *server) url() string { return "redis://" + s.addr() }

func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// do sends one command.
func (s *server) do(args ...any) any {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.addr(), Protocol: 2})
	defer client.Close()
	answer, err := client.Do(s.t.Context(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return answer
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

func (s *server) member() *Redis { return member(s.t, RedisOptions{URLs: []string{s.url()}}) }

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
