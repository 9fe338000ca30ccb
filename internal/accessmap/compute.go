package accessmap

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/reach"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
)

// compute returns the map of the App, or a Map with a Problem. It provisions the
// configuration a second time, as a reload does that fails at its end: matchers of other
// modules must bear that, and their panics end only the computation. It uses one
// processor.
func compute(ctx context.Context, c *computation) *Map {
	m := newMap(c.app, c.version)
	err := m.fill(ctx)
	switch {
	case err == nil:
		return m
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("it takes more than %s of a processor", longest)
	case ctx.Err() == nil:
		c.app.LoggerOf(c.app).Error("the status page has no access map", zap.Error(err))
	}
	return m.failed(err)
}

// panicked is the error of a panic in a module.
type panicked struct{ value any }

func (p panicked) Error() string {
	return fmt.Sprintf("a module of the configuration panicked: %v", p.value)
}

func (m *Map) fill(ctx context.Context) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked{value}
			m.app.LoggerOf(m.app).Error("a module panicked while the access map was computed", zap.Any("panic", value), zap.ByteString("stack", debug.Stack()))
		}
	}()
	if err := ctx.Err(); err != nil {
		return err // nobody waits for it
	}
	config, err := m.app.JSON()
	if err != nil {
		return err
	}
	p, err := probe.New(config, probe.Options{Applications: m.sets})
	if err != nil {
		return fmt.Errorf("the configuration cannot be asked: %w", err)
	}
	defer p.Close()
	asked := reach.New(p)
	b := newBuilder(m)
	for _, e := range p.Examples() {
		v, ok := e.Route.Handler.Module().(*tokenidp.Verify)
		if !ok {
			continue
		}
		groups, err := asked.AskExample(ctx, e)
		if err != nil {
			return err
		}
		if err := b.add(e.Route, v, groups); err != nil {
			return err
		}
	}
	b.finish()
	return nil
}

// retryAfter is how long a map counts that could not be computed.
const retryAfter = time.Minute

func (m *Map) failed(err error) *Map {
	text := refusallog.Loggable(err.Error())
	return &Map{app: m.app, sets: m.sets, At: m.At, Version: m.Version, Problem: text, until: m.At.Add(retryAfter)}
}
