package accessmap

import (
	"context"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/background"
)

// Compute computes a map without a Keeper.
func Compute(ctx context.Context, app *tokenidp.App, version func(*tokenidp.App) string) *Map {
	return compute(ctx, &computation{app: app, version: version, problem: new(background.Problem)})
}

// ComputeTwice computes a map twice, as a Keeper does.
func ComputeTwice(ctx context.Context, app *tokenidp.App, version func(*tokenidp.App) string) {
	c := &computation{app: app, version: version, problem: new(background.Problem)}
	for range 2 {
		compute(ctx, c)
	}
}
