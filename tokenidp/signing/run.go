package signing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// maintenanceTimeout bounds one use of the storage. It is longer than the storage needs
// to notice a stale lock.
const maintenanceTimeout = 30 * time.Second

// Health is how the keys of a [Ring] are kept.
type Health struct {
	// Checked is false until Run has checked the keys for the first time.
	Checked bool
	// Problem is why the keys could not be read or rotated, the last time, or which keys
	// a restart would lose; empty if all is in order.
	Problem string
}

// Health returns how the keys are kept. It does not wait for the storage.
func (r *Ring) Health() Health {
	return Health{Checked: r.problem.Noted(), Problem: cmp.Or(r.problem.String(), r.lostRetired())}
}

// lostRetired names the retired keys that the storage has lost. They are not stored
// again: an operator may have removed one that was stolen.
func (r *Ring) lostRetired() string {
	var lost, entries []string
	var until time.Time
	for _, k := range r.States() {
		if k.Missing && k.State == Retired && r.now().Add(clockSkew).Before(k.DeletesAt) {
			lost, entries, until = append(lost, k.ID), append(entries, k.Entry), later(until, k.DeletesAt)
		}
	}
	if lost == nil {
		return ""
	}
	return fmt.Sprintf("the storage has lost retired keys, whose tokens a restart would refuse: %s; restore %s from a backup, or do not restart before %s; if you removed a stolen key, restart now",
		strings.Join(lost, ", "), strings.Join(entries, ", "), until.UTC().Format("2006-01-02 15:04 UTC"))
}

// Run keeps the keys current until ctx ends, every [MaintenanceInterval]. After a call of
// Ready it also rotates them, and begins at once with what [Ring.Ensure] does; otherwise
// it only reads what the nodes that issue have stored. Call it once, while the
// configuration is in force.
func (r *Ring) Run(ctx context.Context) {
	if r.issues.Load() {
		r.keep(ctx)
	}
	background.Every(ctx, MaintenanceInterval, func() { r.keep(ctx) })
}

// keep brings the keys up to date once, and logs a failure when it begins and ends.
func (r *Ring) keep(ctx context.Context) {
	working, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	err := r.update(working)
	if ctx.Err() != nil {
		return // this configuration has ended
	}
	switch r.problem.Note(err) {
	case background.Nothing:
	case background.Failed:
		r.logger.Error("signing keys are not all in order; those in memory go on", zap.Error(err))
	case background.Mended:
		r.logger.Info("signing keys are in order again")
	}
}

// update reads the keys, brings them to what is configured, and then keeps them so. It
// may be months until a key is written, so it first makes sure that this is possible.
func (r *Ring) update(ctx context.Context) error {
	switch {
	case !r.issues.Load():
		return r.Load(ctx)
	case !r.asConfigured:
		err := errors.Join(r.Ensure(ctx), r.store.checkWritable(ctx))
		r.asConfigured = err == nil
		return err
	default:
		return r.Maintain(ctx)
	}
}
