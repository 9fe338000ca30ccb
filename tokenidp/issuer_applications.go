package tokenidp

import (
	"context"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
)

// watchInterval is how often the files of the Applications are looked at. It
// leaves time to read a change and to put it in force within two seconds.
const watchInterval = 500 * time.Millisecond

// dependent is something configured that relies on the Applications: a change
// that it could not live with is not put in force.
type dependent struct {
	source string
	check  func(*application.Set) error
	adopt  func(*application.Set)
}

func (iss *Issuer) loadApplications() error {
	if len(iss.Applications) == 0 {
		return nil
	}
	repl := caddy.NewReplacer()
	iss.library = live.NewLibrary(iss.Applications, application.Options{
		Expand: func(s string) (string, error) { return repl.ReplaceOrErr(s, true, true) },
	})
	set, err := iss.library.Load()
	if err != nil {
		return fmt.Errorf("loading applications: %w", err)
	}
	if before := iss.carried.serving.latest(); before != nil && before.applications.Load() != nil {
		set.Remember(before.applications.Load())
	}
	iss.warn(set)
	iss.applications.Store(set)
	iss.metrics.applicationsLoaded(iss.Issuer, set, true)
	return nil
}

func (iss *Issuer) warn(set *application.Set) {
	for _, warning := range set.Warnings() {
		iss.logger.Warn("applications", zap.String("warning", warning))
	}
}

// depend has the dependent follow the Applications, from those in force now.
func (iss *Issuer) depend(d dependent) error {
	set := iss.applications.Load()
	if err := d.check(set); err != nil {
		return err
	}
	d.adopt(set)
	iss.dependents = append(iss.dependents, d)
	return nil
}

// acceptable tells whether all that is configured can live with the set.
func (iss *Issuer) acceptable(set *application.Set) error {
	for _, d := range iss.dependents {
		if err := d.check(set); err != nil {
			return placed(d.source, err)
		}
	}
	return nil
}

// watch puts changes of the files in force while Caddy runs. No request waits
// for it.
func (iss *Issuer) watch(ctx context.Context) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			iss.refresh()
		}
	}
}

func (iss *Issuer) refresh() {
	result := iss.library.Refresh(iss.acceptable)
	for _, p := range result.Problems {
		message := "a file of applications is broken, so its last good version stays in force"
		if p.Rejected {
			message = "a change of applications does not fit what is in force, so the version before stays"
		}
		iss.logger.Error(message, zap.String("file", p.Path), zap.Error(p.Err))
	}
	for _, path := range result.Mended {
		iss.logger.Info("a file of applications is in order again", zap.String("file", path))
	}
	if result.Applied {
		iss.adopt(result.Set)
		iss.logger.Info("applications changed", zap.Strings("changes", result.Changes))
		iss.warn(result.Set)
	}
	if result.Applied || len(result.Problems) > 0 || len(result.Mended) > 0 {
		iss.metrics.applicationsLoaded(iss.Issuer, result.Set, iss.inOrder())
	}
}

func (iss *Issuer) adopt(set *application.Set) {
	iss.clientKeys.follow(set)
	for _, d := range iss.dependents {
		d.adopt(set)
	}
	iss.applications.Store(set)
	iss.lastUse.Observe(declaredSecrets(set))
}

// inOrder tells whether every file is in force as it is.
func (iss *Issuer) inOrder() bool {
	for _, file := range iss.library.Status() {
		if file.Problem != "" {
			return false
		}
	}
	return true
}
