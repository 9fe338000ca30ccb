// Package refusallog writes the log lines of refused requests, and joins equal ones.
package refusallog

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// Log counts refused requests. The first few of equal ones get a line each. The others are
// joined: one line an interval says how many there were. So nobody can fill the log with
// refusals until the lines that matter are overwritten. Its methods may be called at the
// same time.
type Log struct {
	now func() time.Time

	mu     sync.Mutex
	groups map[Key]*group
}

// Key is what equal refusals have in common. A key with empty fields stands for all
// refusals of one sender, or with one message.
type Key struct {
	Message  string
	Issuer   string // of the endpoint
	Source   string // of the verify
	Path     string // at the verify
	Reason   string
	ClientID string
	Sender   netip.Prefix // see [Sender]
}

// group counts equal refusals of this interval.
type group struct {
	logger      *zap.Logger
	level       zapcore.Level
	whole       int // lines that were written
	joined      int // refusals without a line
	since, last time.Time
}

const (
	interval = time.Minute

	// Whole lines an interval: of equal refusals, of one sender, and with one message.
	wholeOfEqual   = 10
	wholeOfSender  = 1000
	wholeOfMessage = 4000

	// mostGroups bounds the memory. Refusals for which there is no room are
	// counted with those of their sender or message.
	mostGroups = 8192
)

// New returns an empty Log.
func New(now func() time.Time) *Log {
	return &Log{now: now, groups: make(map[Key]*group)}
}

// Run writes the lines of joined refusals once an interval, and once more when ctx ends.
func (l *Log) Run(ctx context.Context) {
	background.Every(ctx, interval, l.Flush)
	l.Flush()
}

// Whole counts a refusal, and reports whether the caller must write its line. If not, the
// refusal is joined with equal ones, or where there are too many different ones, with
// those of its sender or its message.
func (l *Log) Whole(logger *zap.Logger, level zapcore.Level, key Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	sender := l.group(Key{Message: key.Message, Sender: network(key.Sender)}, now)
	all := l.group(Key{Message: key.Message}, now)
	var full *group
	switch equal := l.groups[key]; {
	case equal != nil && equal.whole >= wholeOfEqual:
		full = equal
	case sender != nil && sender.whole >= wholeOfSender:
		full = sender
	case all.whole >= wholeOfMessage:
		full = all
	default:
		for _, g := range []*group{l.group(key, now), sender, all} {
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
func (l *Log) group(key Key, now time.Time) *group {
	g := l.groups[key]
	if g == nil && (len(l.groups) < mostGroups || key == Key{Message: key.Message}) {
		g = &group{since: now}
		l.groups[key] = g
	}
	return g
}

// Sender returns the address as the sender of a [Key].
func Sender(address netip.Addr) netip.Prefix {
	address = address.Unmap()
	return netip.PrefixFrom(address, address.BitLen())
}

// network returns the addresses that one sender can have: with IPv6, a /64.
func network(sender netip.Prefix) netip.Prefix {
	if sender.Addr().Is6() {
		return netip.PrefixFrom(sender.Addr(), 64).Masked()
	}
	return sender
}

// Flush ends the interval. It writes one line for each group of joined refusals. If equal
// refusals continue, they get no lines of their own in the next interval.
func (l *Log) Flush() {
	l.mu.Lock()
	groups := l.groups
	l.groups = make(map[Key]*group)
	now := l.now()
	for key, g := range groups {
		if g.joined > 0 && key.Reason != "" {
			l.groups[key] = &group{whole: wholeOfEqual, since: now}
		}
	}
	l.mu.Unlock()
	for key, g := range groups {
		if g.joined > 0 {
			g.write(key)
		}
	}
}

func (g *group) write(key Key) {
	fields := []zap.Field{zap.Int("joined", g.joined), zap.Time("since", g.since), zap.Time("last", g.last)}
	for _, same := range []struct{ name, value string }{{"issuer", key.Issuer}, {"source", key.Source}, {"path", key.Path}, {"reason", key.Reason}, {"client_id", key.ClientID}} {
		if same.value != "" {
			fields = append(fields, zap.String(same.name, same.value))
		}
	}
	switch {
	case key.Sender.IsSingleIP():
		fields = append(fields, zap.Stringer("client_ip", key.Sender.Addr()))
	case key.Sender.IsValid():
		fields = append(fields, zap.Stringer("client_ip", key.Sender))
	}
	g.logger.Log(g.level, key.Message, fields...)
}
