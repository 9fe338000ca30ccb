package accessmap

import (
	"context"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// Compute computes a map without a Keeper.
func Compute(ctx context.Context, app *tokenidp.App, version func(*tokenidp.App) string) *Map {
	return compute(ctx, &computation{app: app, version: version})
}
