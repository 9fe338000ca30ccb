package adminendpoint

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// The line of an operation says who asked, as far as the admin endpoint knows.
func TestAnOperationIsLoggedWithItsOperator(t *testing.T) {
	t.Parallel()
	certificate := &x509.Certificate{Subject: pkix.Name{CommonName: "alice"}, RawSubjectPublicKeyInfo: []byte("key")}
	remote := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{certificate, {}}}}
	const hash = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683" // SHA-256 of "key"
	for _, row := range []struct {
		name, address string
		tls           *tls.ConnectionState
		err           error
		level         zapcore.Level
		message       string
		want          map[string]any
	}{
		{"done", "192.0.2.7:4711", nil, nil, zap.InfoLevel, "done", map[string]any{"remote_ip": "192.0.2.7", "remote_port": "4711"}},
		{"with a certificate", "192.0.2.7:4711", remote, nil, zap.InfoLevel, "done", map[string]any{"client_certificate": "CN=alice", "client_key_sha256": hash}},
		{"at a Unix socket", "@", nil, nil, zap.InfoLevel, "done", map[string]any{"remote_ip": "@", "remote_port": ""}},
		{"refused", "[2001:db8::7]:1", remote, caddy.APIError{HTTPStatus: 400, Err: errors.New("no such issuer")}, zap.WarnLevel, "failed",
			map[string]any{"remote_ip": "2001:db8::7", "status": int64(400), "cause": "no such issuer", "client_certificate": "CN=alice"}},
		{"failed", "192.0.2.7:4711", nil, errors.New("outage"), zap.ErrorLevel, "failed", map[string]any{"status": int64(500), "cause": "outage"}},
	} {
		core, logs := observer.New(zap.DebugLevel)
		e := &Endpoint{serving: func() *tokenidp.App { return new(tokenidp.App) }, logger: func(*tokenidp.App) *zap.Logger { return zap.New(core) }}
		handler := e.operate(operation{"tokenidp test", "done", "failed"}, func(*tokenidp.App, http.ResponseWriter, *http.Request) (any, []zap.Field, error) {
			return "answer", []zap.Field{zap.String("changed", "this")}, row.err
		})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.RemoteAddr, r.TLS = row.address, row.tls
		w := httptest.NewRecorder()
		if err := handler.ServeHTTP(w, r); (err == nil) != (row.err == nil) {
			t.Errorf("%s: %v", row.name, err)
		}
		entry := logs.All()[0]
		if logs.Len() != 1 || entry.Level != row.level || entry.Message != row.message {
			t.Errorf("%s: %v", row.name, logs.All())
		}
		row.want["command"], row.want["changed"] = "tokenidp test", "this"
		for name, value := range row.want {
			if got := entry.ContextMap()[name]; got != value {
				t.Errorf("%s: %s is %v, not %v", row.name, name, got, value)
			}
		}
		if _, found := entry.ContextMap()["client_certificate"]; found != (row.tls != nil) {
			t.Errorf("%s: %v", row.name, entry.ContextMap())
		}
		if (w.Body.String() == "\"answer\"\n") != (row.err == nil) {
			t.Errorf("%s: answered %q", row.name, w.Body)
		}
	}
}
