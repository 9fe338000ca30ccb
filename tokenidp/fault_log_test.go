package tokenidp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/metrics"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

const testIssuer = "https://idp.example.com"

// observed is an issuer whose log and metrics a test reads.
type observed struct {
	*Issuer
	t        *testing.T
	logs     *observer.ObservedLogs
	registry *prometheus.Registry
}

func newObserved(t *testing.T) *observed {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	registry := prometheus.NewRegistry()
	iss := &Issuer{Issuer: testIssuer, issuerWorker: &issuerWorker{
		logger: zap.New(core), carried: new(issuerCarryover), decisions: new(decisions),
		bounded: storage.NewBounded(&certmagic.FileStorage{Path: t.TempDir()}),
	}}
	iss.keys = signing.NewRing(iss.bounded, testIssuer, "EdDSA", signing.Options{Logger: iss.logger})
	registry.MustRegister(metrics.Gauges(func() *metrics.Snapshot { return &metrics.Snapshot{Issuers: []metrics.Issuer{iss.health()}} }))
	return &observed{iss, t, logs, registry}
}

// gauge is the value of a metric of the issuer.
func (o *observed) gauge(name string) float64 {
	o.t.Helper()
	families, err := o.registry.Gather()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	o.t.Fatalf("there is no %s", name)
	return 0
}

// errorsLogged are those of the log since the call before.
func (o *observed) errorsLogged() string {
	var lines []string
	for _, l := range o.logs.TakeAll() {
		if l.Level == zap.ErrorLevel {
			lines = append(lines, fmt.Sprint(l.Message, l.ContextMap()))
		}
	}
	return strings.Join(lines, "\n")
}

// fault is an operation that fails.
type fault struct {
	op  string
	err error
}

// brokenStorage has at most one fault, which may change while it is in use.
type brokenStorage struct {
	*certmagic.FileStorage
	fault atomic.Pointer[fault]
}

func (s *brokenStorage) failure(op string) error {
	if f := s.fault.Load(); f != nil && f.op == op {
		return f.err
	}
	return nil
}

func (s *brokenStorage) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	if err := s.failure("List"); err != nil {
		return nil, err
	}
	return s.FileStorage.List(ctx, prefix, recursive)
}

func (s *brokenStorage) Lock(ctx context.Context, name string) error {
	if err := s.failure("Lock"); err != nil {
		return err
	}
	return s.FileStorage.Lock(ctx, name)
}

// TestF03StorageFailsInRunAndSaysSo: an error in the log when it begins, not every
// minute; a metric that is 0 as long as it lasts; and a line when it ends. F14:
// so too where no lock can be written, because the disk is full.
func TestF03StorageFailsInRunAndSaysSo(t *testing.T) {
	for name, fault := range map[string]fault{
		"an I/O error": {op: "List", err: syscall.EIO},
		"a time-out":   {op: "List", err: context.DeadlineExceeded},
		"a full disk":  {op: "Lock", err: syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, storage := newObserved(t), &brokenStorage{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}}
				o.keys = signing.NewRing(storage, testIssuer, "EdDSA", signing.Options{Logger: o.logger})
				if err := o.keys.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer o.runs(o.keys.Run)()
				if fault.op == "Lock" { // there is a lost key to be stored again
					if err := os.RemoveAll(filepath.Join(storage.Path, "tokenidp")); err != nil {
						t.Fatal(err)
					}
				}
				storage.fault.Store(&fault)
				for minute := range 60 {
					passes(time.Minute)
					if told := o.errorsLogged(); strings.Contains(told, fault.err.Error()) != (minute == 0) {
						t.Errorf("minute %d: %s", minute, told)
					}
					if o.gauge("caddy_tokenidp_keys_in_order") != 0 {
						t.Errorf("minute %d: in order", minute)
					}
					if _, _, err := o.keys.Sign([]byte(`{}`)); err != nil {
						t.Error(err)
					}
				}
				storage.fault.Store(nil)
				passes(time.Minute)
				if problem := o.keys.Health().Problem; problem != "" || o.gauge("caddy_tokenidp_keys_in_order") != 1 || o.logs.FilterMessage("signing keys are in order again").Len() != 1 {
					t.Errorf("healed: %q, log %v", problem, o.logs.All())
				}
			})
		})
	}
}

// runs begins what works in the background; what it returns ends it.
func (o *observed) runs(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(o.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); run(ctx) }()
	synctest.Wait()
	return func() { cancel(); <-ended; passes(time.Minute) } // file storage watches a lock that is released for a moment more
}

// passes lets time go by in the test's bubble.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestF07BrokenFileIsLoggedAndCounted once, with its place; the metric is 0 until
// it is mended; the Applications in force stay.
func TestF07BrokenFileIsLoggedAndCounted(t *testing.T) {
	const good = "resources: [{name: a-api, scopes: [{name: a}]}]\napplications: [{client_id: a, active: false, scopes: [a]}]\n"
	for _, row := range []struct{ name, text, want string }{
		{"broken", "applications:\n  - client_id: a\n    admin: true\n", `:3: application "a": unknown field`},
		{"empty", "", ":1: is empty"},
		{"half-written", "applications:\n  - client_id: \"hunt", ":2: not YAML"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "a.yaml")
				save := func(text string) {
					t.Helper()
					if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				save(good)
				o := newObserved(t)
				o.Applications = []string{file}
				if err := o.loadApplications(t.Context()); err != nil {
					t.Fatal(err)
				}
				set := o.applications.Load()
				defer o.runs(o.library.Run)()
				save(row.text)
				told := ""
				for range 10 {
					passes(time.Second)
					told += o.errorsLogged()
				}
				if strings.Count(told, file+row.want) != 1 || !strings.Contains(told, "last good version stays in force") {
					t.Errorf("log: %s", told)
				}
				if o.gauge("caddy_tokenidp_applications_in_order") != 0 || o.applications.Load() != set {
					t.Error("it is in order, or another Set is in force")
				}
				save(good)
				passes(time.Second)
				if o.gauge("caddy_tokenidp_applications_in_order") != 1 || o.errorsLogged() != "" {
					t.Error("mended, it is not in order")
				}
			})
		})
	}
}
