package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// kill ends Caddy as a crash would.
func (c *caddy) kill() {
	c.t.Helper()
	c.ending.Do(func() {
		if err := c.cmd.Process.Kill(); err != nil {
			c.t.Error(err)
		}
		<-c.exited
		c.look()
	})
}

// again starts Caddy where another has ended: same folder, storage and ports.
func (c *caddy) again() *caddy {
	c.t.Helper()
	return run(c.t, &caddy{dir: c.dir, home: c.home, ports: c.ports, admin: c.admin}, c.config, c.cmd.SysProcAttr)
}

// signal sends Caddy a signal.
func (c *caddy) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// ended waits until Caddy has ended by itself, and returns its exit code.
func (c *caddy) ended() int {
	c.t.Helper()
	c.eventually("the end of Caddy", func() bool {
		select {
		case err := <-c.exited:
			c.exited <- err
			return true
		default:
			return false
		}
	})
	return c.cmd.ProcessState.ExitCode()
}

// limitFileSize makes every write fail that would let a file grow above the
// size, as a full disk does; a negative size lifts the limit.
func (c *caddy) limitFileSize(size int64) {
	c.t.Helper()
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if size >= 0 {
		limit.Cur = uint64(size)
	}
	if err := unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		c.t.Fatal(err)
	}
}

// descriptors are how many files and sockets Caddy has open.
func (c *caddy) descriptors() int {
	c.t.Helper()
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), "fd"))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(open)
}

// goroutines are how many there are in Caddy, and how many of them are in a
// function with the name.
func (c *caddy) goroutines(function string) (all, in int) {
	c.t.Helper()
	profile := c.administer(http.MethodGet, "/debug/pprof/goroutine?debug=1", "").body
	for _, group := range goroutineGroup.FindAllStringSubmatch(profile, -1) {
		n, err := strconv.Atoi(group[1])
		if err != nil {
			c.t.Fatal(err)
		}
		all += n
		if strings.Contains(group[2], function) {
			in += n
		}
	}
	if all == 0 {
		c.t.Fatalf("no goroutine in %s", profile)
	}
	return all, in
}

// goroutineGroup is a number of goroutines that are at the same place, and
// their stack.
var goroutineGroup = regexp.MustCompile(`(?m)^(\d+) @ .*\n((?:#.*\n)+)`)

// fails runs Caddy where it must not start, and returns what it printed.
func fails(t *testing.T, dir, home string) string {
	t.Helper()
	cmd := caddyCommand(dir, home, "localhost:"+testport.Free(t), "run", "--config", "Caddyfile")
	overdue := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer overdue.Stop()
	output, err := cmd.CombinedOutput()
	var exit interface{ ExitCode() int }
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("it ended with %v\n%s", err, output)
	}
	return string(output)
}
