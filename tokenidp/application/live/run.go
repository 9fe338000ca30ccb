package live

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

const (
	// watchInterval is how often the files are checked. A change is in force within two
	// seconds.
	watchInterval = 500 * time.Millisecond
	// noticeInterval is how often expiring secrets are logged.
	noticeInterval = 24 * time.Hour
)

// Health describes the files of a [Library].
type Health struct {
	// Files is the state of every file, as in [Library.Status].
	Files []FileStatus
	// InOrder is false while the newest version of some file is not in force, and for a
	// day after a file has gone with Applications that no other file has.
	InOrder bool
}

// Health returns the state of the files. It does not read them.
func (l *Library) Health() Health {
	h := Health{Files: l.Status(), InOrder: true}
	for _, f := range h.Files {
		h.InOrder = h.InOrder && f.Problem == ""
	}
	return h
}

// Run puts changes of the files in force until ctx ends. It checks the files twice a
// second, and calls Accept and Adopt. Call it once, after Load.
func (l *Library) Run(ctx context.Context) {
	background.Every(ctx, watchInterval, l.update)
}

// update puts changes in force, and logs them.
func (l *Library) update() {
	result := l.Refresh(l.Accept)
	for _, p := range result.Problems {
		message := "a file of applications is broken, so its last good version stays in force"
		if p.Rejected {
			message = "a change of applications does not fit what is in force, so the version before stays"
		}
		l.Logger.Error(message, zap.String("file", p.Path), zap.Error(p.Err))
	}
	for _, path := range result.Mended {
		l.Logger.Info("a file of applications is in order again", zap.String("file", path))
	}
	for _, f := range result.Departed {
		l.Logger.Error("a file of applications is gone, and Applications with it", zap.String("file", f.Path), zap.String("problem", f.Problem))
	}
	if result.Applied {
		l.Adopt(result.Set)
		l.Logger.Info("applications changed", zap.Strings("changes", result.Changes))
		if l.Changed != nil {
			l.Changed(result.Changes)
		}
		l.Warn(result.Set)
	}
}

// Warn logs the warnings of the Set.
func (l *Library) Warn(set *application.Set) {
	for _, w := range set.Warnings() {
		l.Logger.Warn("applications", warning.ID(w.ID).Log(), zap.Stringer("warning", w))
	}
}

// WarnOfExpiry logs the secrets that expire soon, at once and every day, until ctx ends.
// current returns the Set in force.
func (l *Library) WarnOfExpiry(ctx context.Context, current func() *application.Set) {
	l.warnOfExpiry(current())
	background.Every(ctx, noticeInterval, func() { l.warnOfExpiry(current()) })
}

// warnOfExpiry logs the secrets of active Applications that expire soon, in one line.
func (l *Library) warnOfExpiry(set *application.Set) {
	const most = 50
	now := l.options.Now()
	var names []string
	for s := range set.Secrets() {
		if s.Application.Active && s.ValidityAt(now) == secret.Expiring {
			names = append(names, fmt.Sprintf("%s secret %s expires %s", s.Application.ClientID, s.ID, s.Expires.UTC().Format(time.RFC3339)))
		}
	}
	if len(names) == 0 {
		return
	}
	count := len(names)
	l.Logger.Warn("secrets expire within 30 days; add new ones beside them, and remove the old ones once `caddy tokenidp secrets` says that nobody uses them", warning.SecretExpiresSoon.Log(),
		zap.Int("count", count), zap.Strings("secrets", names[:min(count, most)]))
}
