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
	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
)

// compute returns the map of the App, or a Map with a Problem. It provisions the
// configuration a second time, as a reload does that fails at its end: matchers of other
// modules must bear that, and their panics end only the computation. It uses one
// processor.
func compute(ctx context.Context, c *computation) *Map {
	m := newMap(c.app, c.version)
	stack, err := recovered(func() error { return m.fill(ctx) })
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("it takes more than %s of a processor", longest)
	case ctx.Err() == nil:
		c.note(err, stack)
	}
	if err != nil {
		return m.failed(err)
	}
	return m
}

// recovered calls do. A panic is an error, with its stack.
func recovered(do func() error) (stack []byte, err error) {
	defer func() {
		if value := recover(); value != nil {
			stack, err = debug.Stack(), fmt.Errorf("a module of the configuration panicked: %v", value)
		}
	}()
	return nil, do()
}

// note logs a problem when it begins and when it ends.
func (c *computation) note(err error, stack []byte) {
	logger := c.app.LoggerOf(c.app)
	switch c.problem.Note(err) {
	case background.Nothing:
	case background.Failed:
		if stack != nil {
			logger = logger.With(zap.ByteString("stack", stack))
		}
		logger.Error("the status page has no access map", zap.Error(err))
	case background.Mended:
		logger.Info("the status page has an access map again")
	}
}

func (m *Map) fill(ctx context.Context) error {
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

// retryAfter is how long after a failure the next map is computed.
const retryAfter = time.Minute

func (m *Map) failed(err error) *Map {
	text := refusallog.Loggable(err.Error())
	return &Map{app: m.app, sets: m.sets, At: m.At, Version: m.Version, Problem: text, until: m.At.Add(retryAfter)}
}
