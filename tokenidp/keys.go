package tokenidp

import (
	"context"
	"regexp"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
)

// maintainKeys keeps the keys up to date while Caddy runs: a node that issues
// rotates them, any other reads what those have made. No request waits for it.
func (iss *Issuer) maintainKeys(ctx context.Context) {
	ticker := time.NewTicker(signing.MaintenanceInterval)
	defer ticker.Stop()
	problem := "" // told once, not every minute
	if iss.issues {
		problem = iss.maintainKeysOnce(ctx, problem)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			problem = iss.maintainKeysOnce(ctx, problem)
		}
	}
}

func (iss *Issuer) maintainKeysOnce(ctx context.Context, before string) (problem string) {
	working, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	err := iss.maintainNow(working)
	if ctx.Err() != nil {
		return before // this configuration has ended
	}
	iss.keysProblem.Store(described(err))
	if err != nil {
		problem = varying.ReplaceAllLiteralString(err.Error(), "…")
	}
	switch {
	case problem == before:
	case problem != "":
		iss.logger.Error("signing keys are not all in order; those in memory go on", zap.Error(err))
	default:
		iss.logger.Info("signing keys are in order again")
	}
	iss.metrics.keysMaintained(iss.Issuer, err == nil)
	return problem
}

// maintainNow brings the keys to what is configured, once this configuration is in
// force, and then keeps them so.
func (iss *Issuer) maintainNow(ctx context.Context) error {
	if !iss.issues {
		return iss.keys.Load(ctx)
	}
	if !iss.ensured {
		err := iss.keys.Ensure(ctx)
		iss.ensured = err == nil
		return err
	}
	return iss.keys.Maintain(ctx)
}

// described is the error in words; nil is none.
func described(err error) *string {
	if err == nil {
		return nil
	}
	text := err.Error()
	return &text
}

// varying are the words of an error that may differ each time it comes, such as the
// names of temporary files: with them, one failure would be told every minute.
var varying = regexp.MustCompile(`\S*[0-9]\S*`)
