package adminendpoint

import (
	"context"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// AccessOffline answers as GET /tokenidp/access does, by a configuration that it does
// not start.
func AccessOffline(config []byte, clientID string) (*adminapi.Access, error) {
	return tokenidp.Offline(config, func(_ context.Context, app *tokenidp.App) (*adminapi.Access, error) {
		report, _, err := access(app, accessQuery{clientID: clientID}, time.Now())
		return report, err
	})
}

// ExplainOffline answers as POST /tokenidp/explain does, by a configuration that it
// does not start.
func ExplainOffline(config []byte, token string) (*adminapi.Explanation, error) {
	return tokenidp.Offline(config, func(ctx context.Context, app *tokenidp.App) (*adminapi.Explanation, error) {
		return explain(ctx, app, token), nil
	})
}
