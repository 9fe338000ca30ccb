package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Run puts a change in force within two seconds, unless Accept has something against it.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "a.yaml")
		save := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		save(api("a-api", "a"))
		l := NewLibrary([]string{file}, application.Options{})
		if _, err := l.Load(); err != nil {
			t.Fatal(err)
		}
		var adopted *application.Set
		l.Adopt = func(s *application.Set) { adopted = s }
		l.Accept = func(s *application.Set) error {
			if _, ok := s.Resource("a"); !ok {
				return errors.New("a route asks for the scope a")
			}
			return nil
		}
		core, logs := observer.New(zap.DebugLevel)
		l.Logger = zap.New(core)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.Run(ctx) }()

		save(api("a-api", "a", "b"))
		if adopted == nil || len(adopted.ScopeNames()) != 2 || logs.FilterMessage("applications changed").Len() != 1 || !l.Health().InOrder {
			t.Errorf("%v; log %v; %+v", adopted, logs.All(), l.Health())
		}
		before := adopted
		save(api("a-api", "b"))
		if adopted != before || l.Health().InOrder || logs.FilterMessageSnippet("does not fit").Len() != 1 {
			t.Errorf("adopted: %v; log %v; %+v", adopted != before, logs.All(), l.Health())
		}
		save(api("a-api", "a"))
		if adopted == before || !l.Health().InOrder || logs.FilterMessageSnippet("in order again").Len() != 1 {
			t.Errorf("adopted: %v; log %v; %+v", adopted != before, logs.All(), l.Health())
		}
		stop()
		<-ended
	})
}

// Those of Applications that are active, once a day.
func TestWarnOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noon := time.Now()
		soon := noon.Add(10 * 24 * time.Hour).Format(time.DateOnly)
		text := api("a-api", "a") + "applications:\n"
		for _, more := range []string{"client_id: orders-worker", "client_id: idle, active: false"} {
			text += fmt.Sprintf("  - {%s, scopes: [a], secrets: [{id: \"1\", hash: %s, expires: %s}]}\n", more, validHash, soon)
		}
		file := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l := NewLibrary([]string{file}, application.Options{})
		set, err := l.Load()
		if err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.WarnLevel)
		l.Logger = zap.New(core)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.WarnOfExpiry(ctx, func() *application.Set { return set })
		}()
		time.Sleep(50 * time.Hour)
		synctest.Wait()
		lines := logs.FilterMessageSnippet("expire within 30 days").All()
		if len(lines) != 3 || lines[0].ContextMap()["count"] != int64(1) {
			t.Fatalf("%d lines: %v", len(lines), lines)
		}
		want := "orders-worker secret 1 expires " + noon.Add(11*24*time.Hour).Format(time.DateOnly) // the end of the day before
		if names, _ := lines[0].ContextMap()["secrets"].([]any); len(names) != 1 || !strings.HasPrefix(names[0].(string), want) {
			t.Errorf("%v", lines[0].ContextMap())
		}
		stop()
		<-ended
	})
}
