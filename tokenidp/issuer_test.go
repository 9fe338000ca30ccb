package tokenidp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/clientkeys"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// hangingStorage never finishes a read.
type hangingStorage struct{ *certmagic.FileStorage }

func (hangingStorage) Load(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// F4: a storage that hangs holds up no deactivation.
func TestAHangingStorageHoldsUpNoDeactivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t)
		o.bounded = storage.NewBounded(hangingStorage{&certmagic.FileStorage{Path: t.TempDir()}})
		ctx, stop := context.WithCancel(context.WithValue(t.Context(), offlineKey{}, new(offlineApp)))
		o.clientKeys = clientkeys.New(o.clientKeysOptions(ctx))
		var running sync.WaitGroup
		running.Go(func() { o.clientKeys.Run(ctx) })
		o.adopt(published(t, "true", 1))
		synctest.Wait()
		start := time.Now()
		o.adopt(published(t, "false", 50))
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the change waited for %s", waited)
		}
		if err := o.checkClientActive("c0"); err == nil {
			t.Error("it is active")
		}
		stop()
		running.Wait()
	})
}

// published returns Applications that publish their keys at as many URLs, all of them active
// or not.
func published(t *testing.T, active string, urls int) *application.Set {
	t.Helper()
	var text strings.Builder
	text.WriteString("resources: [{name: a, scopes: [{name: a.read}]}]\napplications:\n")
	for i := range urls {
		fmt.Fprintf(&text, "  - {client_id: c%d, scopes: [a.read], active: %s, jwks_uri: \"https://keys%d.example.com\"}\n", i, active, i)
	}
	file := filepath.Join(t.TempDir(), "applications.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}
