package probe_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// processWide is the state that a probe could disturb in a Caddy of the same process.
type processWide struct {
	logger  *zap.Logger
	storage certmagic.Storage
	context caddy.Context
	metrics string
	counted map[usage.Key]int64
	files   map[string]string // the storage, and the log
}

func (s *realServer) look() (now processWide) {
	s.t.Helper()
	now = processWide{logger: caddy.Log(), storage: certmagic.Default.Storage, context: caddy.ActiveContext(), files: make(map[string]string)}
	app, err := now.context.App("tokenidp")
	s.check(err)
	now.counted = maps.Collect(app.(*tokenidp.App).Usage().Counted())
	gathered, err := now.context.GetMetricsRegistry().Gather()
	s.check(err)
	for _, family := range gathered {
		if name := family.GetName(); strings.HasPrefix(name, "caddy_") && (strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_successful")) {
			now.metrics += family.String() + "\n"
		}
	}
	s.check(filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		now.files[path] = string(text)
		return err
	}))
	return now
}

// Two probes work next to a Caddy that serves the same configuration. They do not affect
// that Caddy or each other.
func TestProbesBesideACaddyThatServes(t *testing.T) {
	const request, reporting = "http://a.example:8080/orders/1", "http://a.example:8081/x"
	s, config := newRealServer(t, strings.NewReplacer("UPSTREAM1", "127.0.0.1:1", "UPSTREAM2", "127.0.0.1:1").Replace(differentialOptions+differentialSites["named routes and sites"]))
	token := s.token(firstIssuer, "worker", "orders.read", false)
	before := s.look()
	one, other := mustProbe(t, config), mustProbe(t, config)
	if _, err := probe.New([]byte(strings.ReplaceAll(string(config), "orders.write", "nobodys.scope")), probe.Options{}); err == nil {
		t.Error("a broken configuration is accepted")
	}
	for _, p := range []*probe.Probe{one, other} {
		for _, name := range []string{"", "worker", "bound", "reader"} {
			for _, url := range []string{request, reporting} {
				if _, err := p.Ask(probe.Request{Method: "DELETE", URL: url}, caller(t, p, name)); err != nil {
					t.Error(err)
				}
			}
		}
		p.Close()
	}
	after := s.look()
	for path, text := range after.files {
		// The server continues meanwhile: it logs, stores what it has counted, locks.
		stored := strings.HasPrefix(path, filepath.Join(s.dir, "tokenidp")) && filepath.Ext(path) != ".lock"
		own := !stored || strings.Contains(path, string(filepath.Separator)+"usage-")
		if !own && before.files[path] != text {
			t.Errorf("%s is another one:\n%s\nand was:\n%s", path, text, before.files[path])
		}
		if own && refused.MatchString(strings.TrimPrefix(text, before.files[path])) {
			t.Errorf("%s has what was asked alone:\n%s", path, text)
		}
	}
	if after.logger != before.logger || after.storage != before.storage {
		t.Error("the process has another default logger or storage")
	}
	if !maps.Equal(after.counted, before.counted) {
		t.Errorf("counted are\n%v\nand were\n%v", after.counted, before.counted)
	}
	if after.metrics != before.metrics {
		t.Errorf("the metrics are\n%s\nand were\n%s", after.metrics, before.metrics)
	}
	if after.context.GetMetricsRegistry() != before.context.GetMetricsRegistry() {
		t.Error("another configuration serves")
	}
	header := map[string][]string{"Authorization": {"Bearer " + token}}
	if got := s.send(probe.Request{Method: "GET", URL: reporting}, header, "").StatusCode; got != 502 {
		t.Errorf("the Caddy that serves answers with %d", got)
	}
}

// Nothing continues after a probe is closed.
func TestCloseLeavesNothing(t *testing.T) {
	current := goleak.IgnoreCurrent()
	p := newProbe(t, options+sites)
	if v, err := p.Ask(probe.Request{Method: "GET", URL: "https://api.example.com/orders"}, caller(t, p, "reader")); err != nil || !v.Allowed {
		t.Errorf("%+v, %v", v, err)
	}
	p.Close()
	goleak.VerifyNone(t, current)
}

// refused matches what a Caddy logs of the requests that the probes ask for.
var refused = regexp.MustCompile(`request refused|would be refused`)

func mustProbe(t *testing.T, config []byte) *probe.Probe {
	t.Helper()
	p, err := probe.New(config, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A stand-in in a configuration that serves is an error.
func TestStandInNeverServes(t *testing.T) {
	mustProbe(t, []byte(`{"apps": {"http": {}, "tokenidp": {"trusted": [{"issuer": "https://idp.example.com"}]}}}`)).Close()
	err := caddy.Validate(&caddy.Config{AppsRaw: caddy.ModuleMap{"http": []byte(`{"servers":{"s":{"routes":[{"handle":[{"handler":"tokenidp_probe"}]}]}}}`)}})
	if err == nil || !strings.Contains(err.Error(), "is for the commands of `caddy tokenidp` alone") {
		t.Error(err)
	}
}
