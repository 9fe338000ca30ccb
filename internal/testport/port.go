// Package testport has ports for servers that tests start. Tests alone import it, which a
// linter checks.
package testport

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// Those that the system takes for outgoing connections, and for servers that ask for any
// port, come after these. It would now and then have one before the server does, or while
// that is killed and started again.
const first, last = 10000, 32000

// given counts from a number that two runs at one time do not share.
var given = func() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(int64(os.Getpid()) * 499)
	return n
}()

// Free returns a port that nothing listens on, and that no other test is given.
func Free(t testing.TB) string {
	t.Helper()
	for range last - first {
		port := strconv.Itoa(first + int(given.Add(1))%(last-first))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}
