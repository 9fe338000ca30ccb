// Package state is what the nodes of a cluster share and forget in time: which
// single-use identifiers were used, which tokens are revoked, and how much of a
// quota is left.
//
// Whatever is in doubt is refused. An identifier of which it cannot be told
// whether it was used is an error, and a revocation is never forgotten before the
// last of its tokens has expired: not to make room, not because somebody set a
// clock, and not because the shared state lost it. Only quotas degrade the other
// way, to those of each node alone, because an outage of the state must not be one
// of every caller.
package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnavailable says that the shared state is out of reach: the caller answers
	// 503, and lets nothing through.
	ErrUnavailable = errors.New("the shared state is out of reach")
	// ErrFull says that there is no room for more, and is an ErrUnavailable too:
	// nothing is forgotten to make room.
	ErrFull = fmt.Errorf("%w: it is full", ErrUnavailable)
	// ErrNotSynced says that the revocations were never read since this process
	// began, so that nobody knows which tokens are revoked.
	ErrNotSynced = fmt.Errorf("%w: the revocations were never read since this server started", ErrUnavailable)
	// ErrInvalid says that a revocation does not say what it revokes.
	ErrInvalid = errors.New("a revocation needs an issuer, a time until which it is kept, and, unless it is of one token, a time before which its tokens were issued")
)

// State is what the nodes of a cluster share and forget in time. Its methods may be
// called at once, before and while Run runs.
type State interface {
	// Once records a single-use identifier until it may be forgotten, and tells
	// whether this was its first use. After an error, which is an ErrUnavailable,
	// that cannot be told: the caller fails closed. The owner, which the caller has
	// verified, is whose room it takes: one that takes too much gets an ErrFull.
	Once(ctx context.Context, owner, id string, until time.Time) (first bool, err error)
	// Revoke returns nil once the revocations are as durable as this state
	// promises, and in force on this node. After an ErrUnavailable they may be in
	// force all the same, and are not taken back. Revoking again is harmless.
	Revoke(ctx context.Context, revocations ...Revocation) error
	// Revoked is answered from memory: it waits for nothing, and allocates nothing.
	// It says what this node knows; whether it knows anything is what Ready says.
	Revoked(t Token) bool
	// Take takes one of limit uses for a name, of which a window gives limit back,
	// evenly; wait > 0 says how long to wait because none is left. Where the shared
	// count is out of reach, this node counts alone.
	Take(ctx context.Context, name string, limit int, window time.Duration) (wait time.Duration)
	// Ready returns ErrNotSynced until this node has read the revocations once since
	// the process started. It allocates nothing.
	Ready() error
	// Health tells how current the state is.
	Health() Health
	// Load reads the revocations now.
	Load(ctx context.Context) error
	// Run keeps the state current until the context ends. A node that issues tokens
	// keeps what is stored in order too; any other writes only what it is asked to.
	Run(ctx context.Context, issues bool)
}

// Token has what decides whether a token is revoked.
type Token struct {
	Issuer, ID, ClientID string
	// IssuedAt is its iat. A token without one was issued before everything.
	IssuedAt time.Time
}

// Revocation takes back one token (TokenID), or every token of a client (ClientID)
// or, with neither, of the whole issuer, that was issued up to a moment (Before).
// A token tells the second in which it was issued, and not more: all tokens of the
// second in which Before lies are revoked, those issued after it too.
type Revocation struct {
	Issuer, TokenID, ClientID string
	Before                    time.Time // without meaning for one token
	Until                     time.Time // when the last such token has expired
}

// check finds revocations that do not say what they revoke.
func check(revocations []Revocation) error {
	for _, r := range revocations {
		if r.Issuer == "" || r.Until.IsZero() || r.TokenID == "" && r.Before.IsZero() {
			return ErrInvalid
		}
	}
	return nil
}

// Health is how current a state is.
type Health struct {
	// Kind is memory, storage or redis.
	Kind string
	// Synced: the revocations were read at least once.
	Synced bool
	// LastSync is when the revocations were last known to be complete. A state that
	// is not shared always is.
	LastSync time.Time
	// Problem is why it is not current now, in words; empty when it is.
	Problem string
	// Warnings are dangers in how it is set up, and what was found broken in it.
	Warnings []string
	// Revocations, and the identifiers remembered in this node, and about how much
	// memory they take.
	Revocations, Identifiers int
	Bytes                    int64
	// Replayed counts the identifiers that were used before, and Unavailable those
	// of which that could not be told, since this state began.
	Replayed, Unavailable uint64
}
