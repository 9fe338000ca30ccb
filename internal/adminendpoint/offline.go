package adminendpoint

import (
	"context"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// ExplainOffline answers as POST /tokenidp/explain does, by a configuration that it
// does not start.
func ExplainOffline(config []byte, token string) (*adminapi.Explanation, error) {
	return tokenidp.Offline(config, func(ctx context.Context, app *tokenidp.App) (*adminapi.Explanation, error) {
		return explain(ctx, app, token), nil
	})
}
