// Package state holds what the nodes of a cluster share for a limited time: used
// single-use identifiers, revocations, and counts for quotas.
//
// It fails closed. Once returns an error if it cannot find out whether an identifier was
// used. A revocation is never removed before the last of its tokens has expired: not to
// make room, not after a change of a clock, and not after the shared state has lost it.
// Quotas are the exception: during an outage each node counts alone, so that an outage of
// the state is not one for every caller.
package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnavailable means that the shared state cannot be reached. The caller answers
	// 503.
	ErrUnavailable = errors.New("the shared state is out of reach")
	// ErrFull means that there is no room for more. It is an ErrUnavailable too: nothing
	// is removed to make room.
	ErrFull = fmt.Errorf("%w: it is full", ErrUnavailable)
	// ErrNotSynced means that this process has not read the revocations yet, so it does
	// not know which tokens are revoked.
	ErrNotSynced = fmt.Errorf("%w: the revocations were never read since this server started", ErrUnavailable)
	// ErrInvalid means that a revocation does not name what it revokes.
	ErrInvalid = errors.New("a revocation needs an issuer, a time until which it is kept, and, unless it is of one token, a time before which its tokens were issued")
)

// State is the shared state of a cluster. Its methods may be called concurrently, before
// and while Run runs.
type State interface {
	// Once records a single-use identifier until the given time, and reports whether this
	// was its first use. The error is an ErrUnavailable; the caller must then refuse. The
	// identifier counts against its owner, which the caller has verified. An owner with
	// too many identifiers gets an ErrFull.
	Once(ctx context.Context, owner, id string, until time.Time) (first bool, err error)
	// Revoke returns nil when the revocations are in force on this node, and as durable as
	// this state promises. After an ErrUnavailable they may be in force too. Revoking
	// again is harmless.
	Revoke(ctx context.Context, revocations ...Revocation) error
	// Revoked reports whether this node knows that the token is revoked. It answers from
	// memory, and does not allocate. Call Ready first.
	Revoked(t Token) bool
	// Take takes one of limit uses per window for a name. It returns 0, or how long to
	// wait if none is left. Uses become available again evenly over the window. If the
	// shared count cannot be reached, this node counts alone.
	Take(ctx context.Context, name string, limit int, window time.Duration) (wait time.Duration)
	// Ready returns ErrNotSynced until this node has read the revocations once since
	// the process started. It allocates nothing.
	Ready() error
	// Health returns how current the state is.
	Health() Health
	// Load reads the revocations now.
	Load(ctx context.Context) error
	// Run keeps the state current until the context ends. A node that issues tokens also
	// merges and deletes stored entries. Other nodes write only revocations.
	Run(ctx context.Context, issues bool)
}

// Token has the claims that decide whether a token is revoked.
type Token struct {
	Issuer, ID, ClientID string
	// IssuedAt is its iat. A token without iat is older than every revocation.
	IssuedAt time.Time
}

// Revocation revokes one token (TokenID), or all tokens of a client (ClientID) or, with
// neither, of the issuer, that were issued up to Before. The iat of a token is in whole
// seconds. So all tokens of the second of Before are revoked, also those issued after it.
type Revocation struct {
	Issuer, TokenID, ClientID string
	Before                    time.Time // without meaning for one token
	Until                     time.Time // when the last such token has expired
}

// check returns ErrInvalid for revocations that do not name what they revoke.
func check(revocations []Revocation) error {
	for _, r := range revocations {
		if r.Issuer == "" || r.Until.IsZero() || r.TokenID == "" && r.Before.IsZero() {
			return ErrInvalid
		}
	}
	return nil
}

// Health describes how current a state is.
type Health struct {
	// Kind is memory, storage or redis.
	Kind string
	// Synced: the revocations were read at least once.
	Synced bool
	// LastSync is when the revocations were last known to be complete. In a state that is
	// not shared, they always are.
	LastSync time.Time
	// Problem is why it is not current, in words. It is empty if it is current.
	Problem string
	// Warnings are risks in its set-up, and damaged entries.
	Warnings []string
	// Revocations and Identifiers are counts of this node. Bytes is about how much memory
	// they take.
	Revocations, Identifiers int
	Bytes                    int64
	// Replayed counts the identifiers that were used before. Unavailable counts those for
	// which Once returned an error. Both count since this state began.
	Replayed, Unavailable uint64
}
