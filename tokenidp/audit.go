package tokenidp

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.opentelemetry.io/otel/trace"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
)

// Audit writes one line of JSON for each decision: who called what, with which token,
// when. No line has a secret or a token in it. The logger of the lines is tokenidp.audit.
type Audit struct {
	// Where the lines go: an output of Caddy's logs. No other log may write to the same
	// file. Default: stderr.
	WriterRaw json.RawMessage `json:"writer,omitempty" caddy:"namespace=caddy.logging.writers inline_key=output"`

	// The decisions that get no line: issued, refused, allowed, revoked, rotated,
	// deactivated, changed or operated. Default: none.
	Omit []string `json:"omit,omitempty"`
}

// auditor writes the audit lines of one configuration. A nil auditor writes none.
type auditor struct {
	log  *audit.Log
	omit []audit.Kind
}

// provisionAudit opens the output. Configurations with the same output share it, so that
// lines keep their order over a reload.
func (a *App) provisionAudit(ctx caddy.Context) error {
	if a.Audit == nil {
		return nil
	}
	w := new(auditor)
	for _, name := range a.Audit.Omit {
		kind := audit.Kind(name)
		if !slices.Contains(audit.Kinds, kind) {
			return unknownDecision(name)
		}
		w.omit = append(w.omit, kind)
	}
	var output caddy.WriterOpener = caddy.StderrWriter{}
	if a.Audit.WriterRaw != nil {
		module, err := ctx.LoadModule(a.Audit, "WriterRaw")
		if err != nil {
			return fmt.Errorf("audit: loading the output: %w", err)
		}
		output = module.(caddy.WriterOpener)
	}
	if sandboxFrom(ctx) != nil || offlineFrom(ctx) != nil {
		return nil
	}
	log, release, err := carry(ctx, "audit "+output.WriterKey(), func() (*audit.Log, error) { return openAudit(output) })
	if err != nil {
		return fmt.Errorf("audit: opening %s: %w", output, err)
	}
	a.release = append(a.release, release)
	w.log = log
	a.audit = w
	return nil
}

func unknownDecision(name string) error {
	var known []string
	for _, kind := range audit.Kinds {
		known = append(known, string(kind))
	}
	return fmt.Errorf("audit: no decision is called %q%s; those that can be omitted are %s", name, nearest.DidYouMean(name, slices.Values(known)), strings.Join(known, ", "))
}

func openAudit(output caddy.WriterOpener) (*audit.Log, error) {
	writer, err := output.OpenWriter()
	if err != nil {
		return nil, err
	}
	_, network := output.(*logging.NetWriter)
	return audit.Open(writer, audit.Options{Separate: network}), nil
}

// writes reports whether decisions of the kind get a line.
func (w *auditor) writes(kind audit.Kind) bool { return w != nil && !slices.Contains(w.omit, kind) }

// write writes a line, unless the kind of decision is omitted.
func (w *auditor) write(e *audit.Event) {
	if w.writes(e.Kind) {
		w.log.Write(e)
	}
}

// writeRequest writes a line about a request. It has the sender, the requested values as
// the client sent them, and the ids of the request.
func (w *auditor) writeRequest(r *http.Request, e *audit.Event) {
	if w.writes(e.Kind) {
		e.Request = requestOf(r, false, variables(r), traceID(r))
		if e.RequestID == "" {
			e.RequestID = newRequestID(r)
		}
		w.log.Write(e)
	}
}

// requestOf returns what a line has of its request. With asSent, the path and the method are
// surely those that the client sent; to find the original ones takes longer.
func requestOf(r *http.Request, asSent bool, variables map[string]any, traced trace.TraceID) audit.Request {
	method, sent := r.Method, r.URL
	if !asSent {
		method, sent = original(r)
	}
	q := audit.Request{RequestID: knownRequestID(variables), ClientIP: clientIPIn(variables), Method: method, Host: r.Host, Path: sent.Path}
	if traced.IsValid() {
		q.TraceID = traced.String()
	}
	return q
}

// knownRequestID returns the placeholder {http.request.uuid}, or "" if nothing has used it.
// Caddy makes it on first use, and then shows it in its access log. That costs more than an
// audit line. So lines of allowed requests have it only if the configuration uses it before.
func knownRequestID(variables map[string]any) string {
	if id, ok := variables["uuid"].(fmt.Stringer); ok {
		return id.String()
	}
	return ""
}

// newRequestID returns the placeholder {http.request.uuid}.
func newRequestID(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	id, _ := repl.GetString("http.request.uuid")
	return id
}

// traceID returns the id of the trace, if Caddy's tracing is on.
func traceID(r *http.Request) trace.TraceID {
	return trace.SpanContextFromContext(r.Context()).TraceID()
}

var _ io.Closer = (*audit.Log)(nil) // for carry
