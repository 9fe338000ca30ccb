package e2e

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP receiver over HTTP (OpenTelemetry protocol 1.5, section OTLP/HTTP).
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*trace.Span
}

func newReceiver(t *testing.T) *receiver {
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var message collector.ExportTraceServiceRequest
		body, err := io.ReadAll(request.Body)
		if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &message) != nil {
			http.Error(w, "not spans", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, resource := range message.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

// named returns the spans with the name.
func (r *receiver) named(name string) (found []*trace.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

func attributes(s *trace.Span) map[string]string {
	all := make(map[string]string)
	for _, a := range s.GetAttributes() {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

// Token requests and checks are spans below that of Caddy's tracing, with what was decided
// and without a secret or a token. The audit log has the id of the trace.
func TestTracing(t *testing.T) {
	t.Parallel()
	otlp := newReceiver(t)
	site := strings.Replace(auditedShop, "\ttokenidp\n\thandle /orders*", "\ttracing {\n\t\tspan site\n\t}\n\ttokenidp\n\thandle /orders*", 1)
	c := start(t, site, options{
		files: map[string]string{"applications.yaml": shopApplications},
		env:   []string{"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT=" + otlp.URL, "OTEL_BSP_SCHEDULE_DELAY=100"},
	})
	token := c.token("orders-worker", "orders.write")
	for _, bearer := range []string{token, c.token("reader", "orders.read")} {
		c.do(http.MethodGet, "https://localhost:5001/orders/1", "", "Authorization: Bearer "+bearer)
	}
	c.do(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials&client_id=orders-worker&client_secret=wrong-"+shopSecret, "Content-Type: application/x-www-form-urlencoded")
	c.eventually("all spans are there", func() bool {
		return len(otlp.named("tokenidp verify")) == 2 && len(otlp.named("tokenidp token")) == 3 && len(otlp.named("tokenidp authenticate")) == 3 &&
			len(otlp.named("tokenidp sign")) == 2 && len(otlp.named("site")) == 5
	})
	parents := make(map[string]string) // the names of spans by their ids
	for _, name := range []string{"site", "tokenidp token"} {
		for _, s := range otlp.named(name) {
			parents[string(s.GetSpanId())] = name
		}
	}
	for name, want := range map[string]struct {
		parent string
		has    []map[string]string
	}{
		"tokenidp verify": {"site", []map[string]string{
			{"result": "allowed", "client_id": "orders-worker", "route": c.url("localhost:5001/orders*"), "scope": "orders.write"},
			{"result": "refused", "client_id": "reader", "reason": "missing_scope"},
		}},
		"tokenidp token": {"site", []map[string]string{
			{"result": "issued", "client_id": "orders-worker", "auth_method": "client_secret_basic", "scope": "orders.write"},
			{"result": "issued", "client_id": "reader"},
			{"result": "refused", "error": "invalid_client", "reason": "wrong_secret"},
		}},
		"tokenidp authenticate": {"tokenidp token", nil},
		"tokenidp sign":         {"tokenidp token", nil},
	} {
		spans := otlp.named(name)
		for _, s := range spans {
			if parent := parents[string(s.GetParentSpanId())]; parent != want.parent {
				t.Errorf("%s is below %q", name, parent)
			}
		}
		for i, row := range want.has {
			got := attributes(spans[i])
			for key, value := range row {
				if got["tokenidp."+key] != value {
					t.Errorf("%s %d: %s is %q, want %q", name, i, key, got["tokenidp."+key], value)
				}
			}
		}
	}
	otlp.mu.Lock()
	for _, s := range otlp.spans {
		if text := s.String(); strings.Contains(text, token) || strings.Contains(text, shopSecret) {
			t.Errorf("a span has a token or a secret: %s", text)
		}
	}
	otlp.mu.Unlock()
	c.stop()
	first := otlp.named("tokenidp token")[0]
	if text, want := read(t, c.dir+"/lines.jsonl"), `"trace_id":"`+hex.EncodeToString(first.GetTraceId())+`"`; !strings.Contains(text, want) {
		t.Errorf("no audit line has %s:\n%s", want, text)
	}
}
