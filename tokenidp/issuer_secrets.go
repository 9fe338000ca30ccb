package tokenidp

import (
	"context"
	"fmt"
	"iter"
	"path"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/lastuse"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

const (
	// secretsInterval is how often the uses of secrets are written, and those that
	// other nodes saw are read.
	secretsInterval = time.Minute
	// lastSyncTimeout bounds the last writing, for which a reload waits.
	lastSyncTimeout = 5 * time.Second
	// noticeInterval is how often the log tells of secrets that expire.
	noticeInterval = 24 * time.Hour
)

// provisionLastUse goes on with the record of the configuration before, if that
// had the same storage.
func (iss *Issuer) provisionLastUse() {
	before := iss.carried.serving.latest()
	if before != nil && before.storage == iss.storage {
		iss.lastUse, iss.lastUseStorage = before.lastUse, before.lastUseStorage
		return
	}
	o := lastuse.Options{Logger: iss.logger}
	if before != nil {
		o.Predecessor = before.lastUse
	}
	iss.lastUse, iss.lastUseStorage = lastuse.New(iss.bounded, path.Join(storage.Folder(iss.Issuer), "last_use"), o), iss.bounded
}

// keepSecrets writes down in the background which secrets were used, and tells of
// those that are about to expire. No request waits for it.
func (iss *Issuer) keepSecrets(ctx context.Context) {
	ticker := time.NewTicker(secretsInterval)
	defer ticker.Stop()
	problem := iss.syncLastUse(ctx, secretsInterval, "")
	told := time.Now()
	iss.tellExpiring()
	for {
		select {
		case <-ctx.Done():
			iss.syncLastUse(context.WithoutCancel(ctx), lastSyncTimeout, problem)
			return
		case <-ticker.C:
			problem = iss.syncLastUse(ctx, secretsInterval, problem)
			iss.metrics.secretsKept(iss.Issuer, iss.applications.Load(), time.Now())
			if time.Since(told) >= noticeInterval {
				told = time.Now()
				iss.tellExpiring()
			}
		}
	}
}

func (iss *Issuer) syncLastUse(ctx context.Context, timeout time.Duration, before string) (problem string) {
	working, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := iss.lastUse.Sync(working)
	if ctx.Err() != nil {
		return before // this configuration has ended
	}
	iss.lastUseProblem.Store(described(err))
	if err == nil {
		return ""
	}
	problem = varying.ReplaceAllLiteralString(err.Error(), "…")
	if problem != before { // told once, not every minute
		iss.logger.Warn("the last uses of secrets cannot all be stored and read now; they are kept in memory, and no secret counts as unused", zap.Error(err))
	}
	return problem
}

// declaredSecrets names all secrets of the set.
func declaredSecrets(set *application.Set) iter.Seq[lastuse.Secret] {
	return func(yield func(lastuse.Secret) bool) {
		for s := range set.Secrets() {
			if !yield(lastuse.Secret{ClientID: s.Application.ClientID, SecretID: s.ID}) {
				return
			}
		}
	}
}

// tellExpiring names the secrets of active Applications that expire soon, in one
// line.
func (iss *Issuer) tellExpiring() {
	const most = 50
	now := time.Now()
	var names []string
	for s := range iss.applications.Load().Secrets() {
		if s.Application.Active && s.ValidityAt(now) == secret.Expiring {
			names = append(names, fmt.Sprintf("%s secret %s expires %s", s.Application.ClientID, s.ID, s.Expires.UTC().Format(time.RFC3339)))
		}
	}
	if len(names) == 0 {
		return
	}
	count := len(names)
	iss.logger.Warn("secrets expire within 30 days; add new ones beside them, and remove the old ones once `caddy tokenidp secrets` says that nobody uses them",
		zap.Int("count", count), zap.Strings("secrets", names[:min(count, most)]))
}
