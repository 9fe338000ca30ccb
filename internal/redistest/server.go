// Package redistest runs a real Redis for as long as a test. Tests alone import it,
// which a linter checks.
package redistest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds the wait for a Redis that starts. A test that needs so long has
// failed.
const patience = 60 * time.Second

// Server is a Redis, which may be killed and started again: it has its port and its
// folder for as long as the test runs.
type Server struct {
	Port string
	// Dir has what it keeps, and its log.
	Dir string
	// Args are those of redis-server beside the usual, from the next start on.
	Args []string

	t   *testing.T
	cmd *exec.Cmd
}

// New is a Redis that is not started. It keeps all that it is told, also if it is killed,
// unless the arguments say otherwise, and ends with the test. It does not wait for the disk,
// which would matter only if the machine ended.
func New(t *testing.T, port string, args ...string) *Server {
	t.Helper()
	s := &Server{Port: port, Dir: t.TempDir(), Args: args, t: t}
	t.Cleanup(s.Kill)
	return s
}

// Start starts it, and waits until it accepts connections.
func (s *Server) Start() {
	s.t.Helper()
	s.run(append([]string{
		"--bind", "127.0.0.1", "--port", s.Port, "--dir", s.Dir,
		"--appendonly", "yes", "--appendfsync", "no", "--save", "",
	}, s.Args...)...)
}

// StartSentinel starts a Sentinel in its place. That keeps what it learns in its
// configuration, which says here what it is to watch.
func (s *Server) StartSentinel(config string) {
	s.t.Helper()
	file := filepath.Join(s.Dir, "sentinel.conf")
	config = "port " + s.Port + "\nbind 127.0.0.1\ndir " + s.Dir + "\n" + config
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.run(file, "--sentinel")
}

func (s *Server) run(args ...string) {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is missing; install it, as in: apt-get install redis-server")
	}
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(path, args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if connection, err := net.Dial("tcp", s.Addr()); err == nil {
			connection.Close()
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			s.t.Fatalf("Redis does not start\n%s", said)
		}
	}
}

// Addr returns its address.
func (s *Server) Addr() string { return "127.0.0.1:" + s.Port }

// URL is what clients are told of it.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Kill kills it, if it runs.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	s.cmd = nil
}

// Signal sends it a signal, such as the one that stops it until another comes.
func (s *Server) Signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// Lose has the Redis that was killed forget all.
func (s *Server) Lose() {
	s.t.Helper()
	if err := os.RemoveAll(s.Dir); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// Do sends one command.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2})
	defer client.Close()
	answer, err := client.Do(s.t.Context(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return answer
}
