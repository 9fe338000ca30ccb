package signing

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// maintenanceTimeout bounds one use of the storage. It is longer than the storage needs
// to notice a stale lock.
const maintenanceTimeout = 30 * time.Second

// Health is how the keys of a [Ring] are kept.
type Health struct {
	// Checked is false until Run has looked at the keys for the first time.
	Checked bool
	// Problem is why the keys could not be read or rotated, the last time; empty if
	// they could.
	Problem string
}

// Health returns how the keys are kept. It does not wait for the storage.
func (r *Ring) Health() Health {
	return Health{Checked: r.problem.Noted(), Problem: r.problem.String()}
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

// update reads the keys, brings them to what is configured, and then keeps them so.
func (r *Ring) update(ctx context.Context) error {
	switch {
	case !r.issues.Load():
		return r.Load(ctx)
	case !r.asConfigured:
		err := r.Ensure(ctx)
		r.asConfigured = err == nil
		return err
	default:
		return r.Maintain(ctx)
	}
}
