package e2e

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// script is a running script that starts several servers, and ends all of them.
type script struct {
	t      *testing.T
	ports  *ports
	cmd    *exec.Cmd
	ending sync.Once
	exited chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// startScript runs a script of an example in the folder of the reader, and waits
// until it says that all of it serves.
func startScript(t *testing.T, root, path, home string, p *ports) *script {
	t.Helper()
	s := &script{t: t, ports: p, cmd: exec.Command(filepath.Join(root, path)), exited: make(chan struct{})}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = root, s, s
	s.cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "CADDY=" + binary, "GORACE=halt_on_error=0 atexit_sleep_ms=0"}
	s.cmd.WaitDelay = patience
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(s.exited); _ = s.cmd.Wait() }()
	t.Cleanup(s.stop)
	for deadline := time.Now().Add(3 * patience); !strings.Contains(s.printed(), "Ctrl-C ends it"); time.Sleep(5 * time.Millisecond) {
		if s.hasExited() || time.Now().After(deadline) {
			t.Fatalf("%s does not start what it is to start:\n%s%s", path, s.printed(), s.logs())
		}
	}
	return s
}

// Write is what the script prints.
func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.Write(p)
}

func (s *script) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

func (s *script) hasExited() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// logs are those of what it started, which it names.
func (s *script) logs() string {
	var all strings.Builder
	for line := range strings.Lines(s.printed()) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), "its log is "); ok {
			all.WriteString(read(s.t, path))
		}
	}
	return all.String()
}

// stop interrupts the script, as Ctrl-C does, and wants nothing to be left of it.
func (s *script) stop() { s.ending.Do(s.end) }

func (s *script) end() {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		s.t.Errorf("the script does not end:\n%s", s.printed())
	}
	for port, free := range s.ports.free {
		if connection, err := net.Dial("tcp", "localhost:"+free); err == nil {
			connection.Close()
			s.t.Errorf("the script has ended, and something still answers at what is port %s in its files", port)
		}
	}
	logs := s.logs()
	for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
		if strings.Contains(logs, word) {
			s.t.Errorf("a log has %q:\n%s", word, logs)
		}
	}
	if s.t.Failed() {
		s.t.Logf("the script printed:\n%s\nthe logs:\n%s", s.printed(), logs)
	}
}
