package tokenidp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
)

func init() {
	caddy.RegisterModule(closingStorage{})
	caddy.RegisterModule(failingApp{})
}

// closingStorage is closed with the configuration that made it, as those are that
// keep connections open.
type closingStorage struct {
	Root   string `json:"root"`
	closed *atomic.Bool
	*certmagic.FileStorage
}

func (closingStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.closing", New: func() caddy.Module { return new(closingStorage) }}
}

func (s *closingStorage) Provision(caddy.Context) error {
	s.FileStorage, s.closed = &certmagic.FileStorage{Path: s.Root}, new(atomic.Bool)
	return nil
}

func (s *closingStorage) Cleanup() error {
	s.closed.Store(true)
	return nil
}

func (s *closingStorage) CertMagicStorage() (certmagic.Storage, error) { return s, nil }

func (s *closingStorage) Store(ctx context.Context, key string, value []byte) error {
	if s.closed.Load() {
		return errors.New("the connection is closed")
	}
	return s.FileStorage.Store(ctx, key, value)
}

// failingApp is one that does not start, as where a port is in use.
type failingApp struct {
	Fails bool `json:"fails"`
}

func (failingApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "failing", New: func() caddy.Module { return new(failingApp) }}
}

func (a *failingApp) Start() error {
	if a.Fails {
		return errors.New("address already in use")
	}
	return nil
}

func (*failingApp) Stop() error { return nil }

// TestF19ReloadThatFailsToStart: the configuration in force goes on with its own
// storage, not with that of one that has ended.
func TestF19ReloadThatFailsToStart(t *testing.T) {
	dir, _ := writeCostApplications(t)
	reload := func(fails bool) error {
		return caddy.Load([]byte(strings.NewReplacer("DIR", dir, "FAILS", fmt.Sprint(fails)).Replace(`{
			"admin": {"disabled": true, "config": {"persist": false}},
			"logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
			"storage": {"module": "closing", "root": "DIR"},
			"apps": {
				"tokenidp": {"issuers": [{"issuer": "http://localhost", "applications": ["DIR/applications.yaml"]}]},
				"failing": {"fails": FAILS}
			}
		}`)), true)
	}
	revoked := 0
	wantDurable := func(when string) {
		t.Helper()
		module, err := caddy.ActiveContext().App("tokenidp")
		if err != nil {
			t.Fatal(err)
		}
		if iss := module.(*App).Issuers[0]; iss.carried.serving.latest() != iss {
			t.Errorf("%s: a configuration that does not run is what the next one goes on from", when)
		}
		if serving.latest() != module {
			t.Errorf("%s: the admin API speaks for a configuration that does not run", when)
		}
		revoked++
		r := state.Revocation{Issuer: "http://localhost", TokenID: fmt.Sprint(revoked), Until: time.Now().Add(time.Hour)}
		if err := module.(*App).state.Revoke(t.Context(), r); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	if err := reload(false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	for n := range 50 { // apps start in any order
		if err := reload(true); err == nil {
			t.Fatal("it started")
		}
		wantDurable(fmt.Sprint("after failure ", n))
	}
	if err := reload(false); err != nil {
		t.Fatal(err)
	}
	wantDurable("after a reload")
}
