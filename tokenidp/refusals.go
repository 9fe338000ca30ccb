package tokenidp

import (
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// refusalLog writes the lines of refused requests. Of equal ones, it writes the first few
// whole and joins the others: one line an interval says how many. So nobody can fill the
// log with refusals until the lines that matter are overwritten.
type refusalLog struct {
	now func() time.Time

	mu     sync.Mutex
	groups map[refusalKey]*refusalGroup
}

// refusalKey is what equal refusals have in common. A key with less says what many of
// them have in common: those of one sender, or all with one message.
type refusalKey struct {
	message  string
	issuer   string // of the endpoint
	source   string // of the verify
	path     string // at the verify
	reason   string
	clientID string
	sender   netip.Prefix
}

// refusalGroup counts equal refusals of this interval.
type refusalGroup struct {
	logger      *zap.Logger
	level       zapcore.Level
	whole       int // lines that were written
	joined      int // refusals without a line
	since, last time.Time
}

const (
	refusalInterval = time.Minute

	// Whole lines an interval: of equal refusals, of one sender, and with one message.
	wholeOfEqual   = 10
	wholeOfSender  = 1000
	wholeOfMessage = 4000

	// mostRefusalGroups bounds the memory. Refusals for which there is no room are
	// counted with those of their sender or message.
	mostRefusalGroups = 8192
)

func newRefusalLog(now func() time.Time) *refusalLog {
	return &refusalLog{now: now, groups: make(map[refusalKey]*refusalGroup)}
}

// whole counts a refusal, and reports whether its line is to be written. If not, it is
// joined with equal ones, or where there are too many different ones, with those of its
// sender or its message.
func (l *refusalLog) whole(logger *zap.Logger, level zapcore.Level, key refusalKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	sender := l.group(refusalKey{message: key.message, sender: network(key.sender)}, now)
	all := l.group(refusalKey{message: key.message}, now)
	var full *refusalGroup
	switch equal := l.groups[key]; {
	case equal != nil && equal.whole >= wholeOfEqual:
		full = equal
	case sender != nil && sender.whole >= wholeOfSender:
		full = sender
	case all.whole >= wholeOfMessage:
		full = all
	default:
		for _, g := range []*refusalGroup{l.group(key, now), sender, all} {
			if g != nil {
				g.whole++
			}
		}
		return true
	}
	full.joined++
	full.logger, full.level, full.last = logger, max(full.level, level), now
	return false
}

// group returns the group of a key, or nil if there is no room for a new one. There is
// always room for that of a message.
func (l *refusalLog) group(key refusalKey, now time.Time) *refusalGroup {
	g := l.groups[key]
	if g == nil && (len(l.groups) < mostRefusalGroups || key == refusalKey{message: key.message}) {
		g = &refusalGroup{since: now}
		l.groups[key] = g
	}
	return g
}

// senderOf is the one address.
func senderOf(address netip.Addr) netip.Prefix {
	address = address.Unmap()
	return netip.PrefixFrom(address, address.BitLen())
}

// network is where one sender can have addresses: with IPv6, that is a /64.
func network(sender netip.Prefix) netip.Prefix {
	if sender.Addr().Is6() {
		return netip.PrefixFrom(sender.Addr(), 64).Masked()
	}
	return sender
}

// flush ends the interval: it writes one line about each group of joined refusals. Equal
// refusals that go on get no whole lines in the next one.
func (l *refusalLog) flush() {
	l.mu.Lock()
	groups := l.groups
	l.groups = make(map[refusalKey]*refusalGroup)
	now := l.now()
	for key, g := range groups {
		if g.joined > 0 && key.reason != "" {
			l.groups[key] = &refusalGroup{whole: wholeOfEqual, since: now}
		}
	}
	l.mu.Unlock()
	for key, g := range groups {
		if g.joined > 0 {
			g.write(key)
		}
	}
}

func (g *refusalGroup) write(key refusalKey) {
	fields := []zap.Field{zap.Int("joined", g.joined), zap.Time("since", g.since), zap.Time("last", g.last)}
	for _, same := range []struct{ name, value string }{{"issuer", key.issuer}, {"source", key.source}, {"path", key.path}, {"reason", key.reason}, {"client_id", key.clientID}} {
		if same.value != "" {
			fields = append(fields, zap.String(same.name, same.value))
		}
	}
	switch {
	case key.sender.IsSingleIP():
		fields = append(fields, zap.Stringer("client_ip", key.sender.Addr()))
	case key.sender.IsValid():
		fields = append(fields, zap.Stringer("client_ip", key.sender))
	}
	g.logger.Log(g.level, key.message, fields...)
}
