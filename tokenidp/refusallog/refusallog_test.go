package refusallog

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const testIssuer = "https://idp.example.com"

// refusing is a Log with a clock, and what is written.
type refusing struct {
	*Log
	now    time.Time
	logger *zap.Logger
	lines  *observer.ObservedLogs
}

func newRefusing() *refusing {
	core, lines := observer.New(zap.InfoLevel)
	r := &refusing{now: time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC), logger: zap.New(core), lines: lines}
	r.Log = New(func() time.Time { return r.now })
	return r
}

// refuse counts one refusal a second, and returns how many of them are written whole.
func (r *refusing) refuse(times int, key func(i int) Key) (whole int) {
	for i := range times {
		r.now = r.now.Add(time.Second)
		if r.Whole(r.logger, zap.InfoLevel, key(i)) {
			whole++
		}
	}
	return whole
}

func refusalOfClient(clientID, address string) Key {
	return Key{Message: "token refused", Issuer: testIssuer, Reason: "wrong_secret", ClientID: clientID, Sender: Sender(netip.MustParseAddr(address))}
}

// written returns the joined lines since the last call.
func (r *refusing) written() []observer.LoggedEntry {
	r.Flush()
	return r.lines.TakeAll()
}

func TestEqualRefusalsAreJoined(t *testing.T) {
	t.Parallel()
	r := newRefusing()
	equal := func(int) Key { return refusalOfClient("worker", "192.0.2.7") }
	begin := r.now
	if whole := r.refuse(100, equal); whole != 10 {
		t.Errorf("%d whole lines", whole)
	}
	for name, other := range map[string]Key{
		"another client":  refusalOfClient("reader", "192.0.2.7"),
		"another address": refusalOfClient("worker", "192.0.2.8"),
		"another reason":  {Message: "token refused", Issuer: testIssuer, Reason: "expired_secret", ClientID: "worker", Sender: Sender(netip.MustParseAddr("192.0.2.7"))},
		"no address":      {Message: "token refused", Issuer: testIssuer, Reason: "wrong_secret", ClientID: "worker"},
	} {
		if r.refuse(1, func(int) Key { return other }) != 1 {
			t.Errorf("%s: the first is not whole", name)
		}
	}
	lines := r.written()
	if len(lines) != 1 || lines[0].Message != "token refused" {
		t.Fatalf("%v", lines)
	}
	for name, want := range map[string]any{
		"joined": int64(90), "issuer": testIssuer, "reason": "wrong_secret", "client_id": "worker", "client_ip": "192.0.2.7",
		"since": begin.Add(time.Second), "last": begin.Add(100 * time.Second),
	} {
		if got := lines[0].ContextMap()[name]; got != want {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	// They go on, and there is one line for each interval.
	if whole := r.refuse(50, equal); whole != 0 {
		t.Errorf("%d whole lines in the next interval", whole)
	}
	if lines := r.written(); len(lines) != 1 || lines[0].ContextMap()["joined"] != int64(50) {
		t.Errorf("%v", lines)
	}
	// They have ended, and begin again.
	if lines := r.written(); len(lines) != 0 || len(r.groups) != 0 {
		t.Errorf("%v, and %d groups", lines, len(r.groups))
	}
	if whole := r.refuse(20, equal); whole != 10 {
		t.Errorf("%d whole lines of new ones", whole)
	}
}

// Clients that somebody makes up get no line each, and every refusal is counted once.
func TestDifferentRefusalsOfOneSenderAreJoined(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, address, sender string }{
		{"IPv4", "192.0.2.7", "192.0.2.7"},
		{"IPv6", "2001:db8::%x", "2001:db8::/64"},
	} {
		r := newRefusing()
		whole := r.refuse(10_000, func(i int) Key {
			address := row.address
			if row.name == "IPv6" {
				address = fmt.Sprintf(row.address, i%0xffff)
			}
			return refusalOfClient(fmt.Sprint("client-", i), address)
		})
		if whole != wholeOfSender || len(r.groups) > wholeOfSender+2 {
			t.Errorf("%s: %d whole lines, %d groups", row.name, whole, len(r.groups))
		}
		if r.refuse(1, func(int) Key { return refusalOfClient("worker", "192.0.2.8") }) != 1 {
			t.Errorf("%s: the first of another sender is not whole", row.name)
		}
		lines := r.written()
		if len(lines) != 1 || lines[0].ContextMap()["joined"] != int64(10_000-wholeOfSender) || lines[0].ContextMap()["client_ip"] != row.sender || lines[0].ContextMap()["client_id"] != nil {
			t.Errorf("%s: %v", row.name, lines)
		}
	}
}

// Whatever comes in, memory and lines are bounded, and every refusal is counted once.
func TestJoinedRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRefusing()
	const all = 100_000
	whole := r.refuse(all, func(i int) Key {
		return refusalOfClient(fmt.Sprint("client-", i), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String())
	})
	if whole > wholeOfMessage || len(r.groups) > mostGroups+1 {
		t.Errorf("%d whole lines, %d groups", whole, len(r.groups))
	}
	lines := r.written()
	if len(lines) != 1 || lines[0].ContextMap()["joined"] != int64(all-whole) {
		t.Errorf("%v", lines)
	}
	if len(r.groups) != 0 {
		t.Errorf("%d groups stay", len(r.groups))
	}
}
