package tokenidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// Offline has a configuration that it does not start answer a question. Of that it
// provisions the storage, the issuers and the handlers of this package, and nothing else:
// other modules would make certificates. The handlers that issue make no signing key. Keys
// come from the storage and from files, never from the network.
func Offline[T any](config []byte, ask func(ctx context.Context, a *App) (T, error)) (answer T, err error) {
	var cfg struct {
		Storage json.RawMessage            `json:"storage"`
		Apps    map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(config, &cfg); err != nil { //nolint:forbidigo // the operator's own configuration
		return answer, fmt.Errorf("decoding the configuration: %w", err)
	}
	if cfg.Apps["tokenidp"] == nil {
		return answer, ErrNotConfigured
	}
	routes, err := route.Read(config)
	if err != nil {
		return answer, err
	}
	quiet := &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "WARN"}}}}
	ctx, err := caddy.ProvisionContext(&caddy.Config{StorageRaw: cfg.Storage, Logging: quiet})
	if err != nil {
		return answer, err
	}
	ctx, end := caddy.NewContext(ctx)
	defer end()
	a, err := provisionOffline(ctx, cfg.Apps["tokenidp"], routes)
	if err != nil {
		return answer, err
	}
	return ask(ctx, a)
}

// ErrNotConfigured is the error of a configuration that has no app tokenidp.
var ErrNotConfigured = errors.New("no issuer is configured")

func provisionOffline(ctx caddy.Context, app json.RawMessage, routes *route.Config) (*App, error) {
	offline := new(offlineApp)
	ctx.Context = context.WithValue(ctx.Context, offlineKey{}, offline)
	module, err := ctx.LoadModuleByID("tokenidp", app)
	if err != nil {
		return nil, err
	}
	offline.app = module.(*App)
	if err := offline.app.setRoutes(ctx, routes, func() {}); err != nil {
		return nil, err
	}
	for _, name := range handlerNames {
		for _, h := range routes.Handlers(name) {
			module, err := ctx.LoadModuleByID("http.handlers."+name, h.Config)
			if err != nil {
				return nil, err
			}
			h.SetModule(module.(caddyhttp.MiddlewareHandler))
		}
	}
	return offline.app, nil
}

// offlineApp is the App of a configuration that is provisioned to answer a question.
type offlineApp struct{ app *App }

type offlineKey struct{}

// offlineFrom returns nil for a configuration that may run.
func offlineFrom(ctx context.Context) *offlineApp {
	offline, _ := ctx.Value(offlineKey{}).(*offlineApp)
	return offline
}

// noNetwork is the transport of what is asked offline.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("offline, keys come from the storage alone")
}
