package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// redisServer is a real Redis.
type redisServer struct {
	t         *testing.T
	dir, port string
	args      []string
	cmd       *exec.Cmd
}

// startRedis starts a Redis that keeps what it is told, unless the arguments say
// otherwise.
func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	s := &redisServer{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	t.Cleanup(s.kill)
	s.start()
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is missing; install it, as in: apt-get install redis-server")
	}
	s.cmd = exec.Command(path, append([]string{
		"--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"),
		"--appendonly", "yes", "--appendfsync", "always", "--save", "",
	}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("Redis does not start")
		}
	}
}

func (s *redisServer) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// lose has the Redis that was killed forget all.
func (s *redisServer) lose() {
	s.t.Helper()
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// state is the option that has nodes share it.
func (s *redisServer) state() string { return "state redis redis://127.0.0.1:" + s.port }
