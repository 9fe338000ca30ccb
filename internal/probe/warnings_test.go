package probe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// warnedOptions are insecure in several ways.
const warnedOptions = `{
	admin off
	auto_https off
	log {
		level WARN
		output file DIR/log
	}
	tokenidp {
		issuer http://localhost:9001 {
			applications applications.yaml
			insecure_browser_origins *
		}
		issuer http://localhost:9002 {
			applications other.yaml
		}
		trust http://localhost:1 {
			insecure_http
			audience orders-api
		}
		state memory
	}
}
`

// A probe logs the same warnings as a load, and no others.
func TestWarningsAreThoseOfALoad(t *testing.T) {
	const serves = "http://localhost:9001 {\n\tbind unix/DIR/1\n\ttokenidp http://localhost:9001\n}\n"
	for name, row := range map[string]struct {
		sites string
		want  []warning.ID
	}{
		"nothing but an issuer": {serves, []warning.ID{warning.UnusedIssuer}},
		"nothing that issues":   {"http://localhost:9003 {\n\tbind unix/DIR/3\n\tverify orders.read {\n\t\tissuer http://localhost:9001\n\t}\n}\n", []warning.ID{warning.UnusedIssuer}},
		"one issuer is elsewhere": {
			serves + "http://localhost:9003 {\n\tbind unix/DIR/3\n\tverify orders.read {\n\t\tissuer http://localhost:9001\n\t}\n\ttokenidp http://localhost:9002\n}\n", nil,
		},
		"it is not served": {"http://example.com:9003 {\n\tbind unix/DIR/3\n\ttokenidp http://localhost:9001\n\tverify orders.read {\n\t\treport_only\n\t\tissuer http://localhost:9001\n\t}\n}\n",
			[]warning.ID{warning.IssuerNotServed, warning.ReportOnly, warning.UnusedIssuer}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := warnedConfig(t, dir, row.sites)
			core, logs := observer.New(zap.WarnLevel)
			p, err := probe.New(config, probe.Options{Logger: zap.New(core)})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var got []string
			for _, entry := range logs.All() {
				got = append(got, named(entry.ContextMap()))
			}
			got = slices.DeleteFunc(got, func(text string) bool { return text == "" })
			if want := loadWarnings(t, config, filepath.Join(dir, "log")); !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("the probe warns of %q, a load of %q", sorted(got), sorted(want))
			}
			for _, id := range row.want {
				if !slices.ContainsFunc(got, func(text string) bool { return strings.HasPrefix(text, string(id)+" ") }) {
					t.Errorf("no warning %s among %q", id, got)
				}
			}
		})
	}
}

// named returns the name of a warning, and its issuer.
func named(fields map[string]any) string {
	if fields[warning.Field] == nil {
		return ""
	}
	return fmt.Sprint(fields[warning.Field], " ", fields["issuer"])
}

func warnedConfig(t *testing.T, dir, sites string) []byte {
	t.Helper()
	secretHash, err := secret.HashGenerated(secret.Generate())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"applications.yaml": differentialApplications, "other.yaml": differentialSecond} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "HASH", secretHash)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var config map[string]any
	if err := json.Unmarshal(adaptIn(t, dir, strings.ReplaceAll(warnedOptions+sites, "DIR", dir)), &config); err != nil {
		t.Fatal(err)
	}
	config["storage"] = map[string]string{"module": "probe_test_memory"}
	adapted, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return adapted
}

// loadWarnings runs the configuration, and returns the warnings in its log.
func loadWarnings(t *testing.T, config []byte, log string) (all []string) {
	t.Helper()
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, named(fields))
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

// memoryStorage is a storage that ends with the configuration, even if something writes
// late.
type memoryStorage struct {
	mu     sync.Mutex
	values map[string][]byte
}

func init() { caddy.RegisterModule(new(memoryStorage)) }

func (*memoryStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.probe_test_memory", New: func() caddy.Module { return &memoryStorage{values: make(map[string][]byte)} }}
}

func (s *memoryStorage) CertMagicStorage() (certmagic.Storage, error) { return s, nil }

func (s *memoryStorage) Store(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = slices.Clone(value)
	return nil
}

func (s *memoryStorage) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, found := s.values[key]; found {
		return value, nil
	}
	return nil, fs.ErrNotExist
}

func (s *memoryStorage) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

func (s *memoryStorage) Exists(ctx context.Context, key string) bool {
	_, err := s.Load(ctx, key)
	return err == nil
}

func (s *memoryStorage) List(_ context.Context, prefix string, _ bool) (names []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.values {
		if strings.HasPrefix(key, prefix+"/") {
			names = append(names, key)
		}
	}
	return names, nil
}

func (s *memoryStorage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, err := s.Load(ctx, key)
	return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, err
}

func (*memoryStorage) Lock(context.Context, string) error   { return nil }
func (*memoryStorage) Unlock(context.Context, string) error { return nil }

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }
