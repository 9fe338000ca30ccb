package route

import (
	"encoding/json"
	"reflect"

	"github.com/caddyserver/caddy/v2"
)

// Loading reads the http app of the configuration that Caddy is loading. Call it while
// that app is provisioned, or before. It returns an empty Config if there is no http
// app, or if Caddy does not show it.
//
// Caddy gives a module its own JSON and nothing around it, so a handler knows neither
// its site nor its path. Caddy has no function that returns the rest. It keeps the JSON
// of an app in a field that is not exported until the app is provisioned, and Loading
// reads that field. A test fails if a later version of Caddy has no such field.
func Loading(ctx caddy.Context) (*Config, error) {
	return ReadApp(Unprovisioned(ctx, "http"))
}

// Unprovisioned returns the JSON of an app of the configuration that Caddy is loading, or
// nil. Call it as Loading.
func Unprovisioned(ctx caddy.Context, app string) json.RawMessage {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return nil
	}
	apps := config.Elem().FieldByName("AppsRaw")
	if apps.Kind() != reflect.Map || apps.Type().Key().Kind() != reflect.String {
		return nil
	}
	raw := apps.MapIndex(reflect.ValueOf(app).Convert(apps.Type().Key()))
	if !raw.IsValid() || raw.Type() != reflect.TypeFor[json.RawMessage]() {
		return nil
	}
	return raw.Bytes()
}
