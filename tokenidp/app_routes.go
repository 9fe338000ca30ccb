package tokenidp

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// readRoutes reads the routes of the configuration that is being loaded. What Caddy
// would not load is Caddy's to refuse.
func (a *App) readRoutes(ctx caddy.Context) {
	config, err := route.Loading(ctx)
	if err != nil {
		a.logger.Warn("the routes of this configuration are not understood, so that access, explain and report know them by their source alone", zap.Error(err))
		config = new(route.Config)
	}
	a.config = config
	for _, r := range config.Verifies() {
		if r.MatchesRewrittenPath() {
			a.logger.Warn("this verify matches on a path that a rewrite before it may have changed, so requests may pass unverified; "+
				"put `handle <path> { verify … }` around the route instead",
				zap.String("route", r.ID), zap.String("source", r.Handler.Source))
		}
	}
}
