package tokenidp

import (
	"context"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
)

func init() { caddy.RegisterModule(subscriber{}) }

// subscriber is a handler of the events app, as one that runs a program.
type subscriber struct{}

// told has what a subscriber got.
var told = make(chan map[string]any, 16)

func (subscriber) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.subscriber", New: func() caddy.Module { return new(subscriber) }}
}

func (subscriber) Handle(_ context.Context, e caddy.Event) error {
	data := maps.Clone(e.Data)
	data["event"], data["module"] = e.Name(), string(e.Origin().CaddyModule().ID)
	told <- data
	return nil
}

// eventsConfig has a subscriber to one event, and an issuer.
const eventsConfig = `{
	"admin": {"disabled": true, "config": {"persist": false}},
	"logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
	"storage": {"module": "file_system", "root": "DIR"},
	"apps": {
		"events": {"subscriptions": [{"events": ["EVENT"], "modules": ["tokenidp"], "handlers": [{"handler": "subscriber"}]}]},
		"tokenidp": {"issuers": [{"issuer": "http://localhost", "applications": ["DIR/applications.yaml"], "signing_algorithm": "EdDSA", "token_lifetime": "24h", "insecure_http": true}]},
		"http": {"servers": {"idp": {"listen": ["unix/DIR/idp"], "automatic_https": {"disable": true}, "routes": [{"handle": [{"handler": "tokenidp"}]}]}}}
	}
}`

// TestTokenStorm checks that Caddy's events app hears once of a client that fetches a token
// for each call, and again if the storm was over in between.
func TestTokenStorm(t *testing.T) {
	dir, password := writeCostApplications(t)
	config := strings.NewReplacer("DIR", dir, "EVENT", "token_storm").Replace(eventsConfig)
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "idp"))
	}}}
	ask := func(times int) {
		t.Helper()
		for range times {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/token", strings.NewReader("grant_type=client_credentials&scope=orders.read"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("orders-worker", password)
			a, err := client.Do(r)
			if err != nil || a.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", a, err)
			}
			_ = a.Body.Close()
		}
	}
	module, err := caddy.ActiveContext().App("tokenidp")
	if err != nil {
		t.Fatal(err)
	}
	a := module.(*App)
	iss := a.Issuers[0]
	begun := func(at time.Time) int { return len(iss.carried.newStorms(iss, at)) }

	ask(99)
	now := time.Now()
	if n := begun(now); n != 0 {
		t.Errorf("99 tokens: %d storms", n)
	}
	ask(1)
	a.decisions.check(t.Context(), iss, now)
	if data := heard(t); data["event"] != "token_storm" || data["module"] != "tokenidp" || data["client_id"] != "orders-worker" || data["issuer"] != "http://localhost" || data["tokens"] != uint64(100) || data["needed"] != uint64(2) {
		t.Errorf("%v", data)
	}
	if n := begun(now.Add(time.Hour)); n != 0 {
		t.Errorf("an hour later, it begins again")
	}
	if n := begun(now.Add(25 * time.Hour)); n != 0 {
		t.Error("without a token for a day, it begins again")
	}
	if n := begun(now); n != 1 {
		t.Errorf("after its end, %d begin", n)
	}
	if s := iss.unannounced(t.Context(), []map[string]any{{"client_id": "orders-worker"}}); len(s) != 0 {
		t.Errorf("another node announces %v", s)
	}
	if len(told) > 0 {
		t.Errorf("it is announced again: %v", <-told)
	}
}
