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
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
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

// annotates returns what encodes the token of a line ahead, for the lines of all requests
// with it. It is nil if allowed requests have no line.
func (w *auditor) annotates() func(*verifier.Claims) string {
	if !w.writes(audit.Allowed) {
		return nil
	}
	return func(claims *verifier.Claims) string {
		var e audit.Event
		addToken(&e, claims)
		return e.Encode()
	}
}

// writeRequest writes a line about a request. It has the sender, the requested values as
// the client sent them, and the ids of the request.
func (w *auditor) writeRequest(r *http.Request, traceID trace.TraceID, e *audit.Event) {
	if !w.writes(e.Kind) {
		return
	}
	known := variables(r)
	e.RequestID, e.ClientIP = requestID(r, known, e.Kind != audit.Allowed), clientIPIn(known)
	if traceID.IsValid() {
		e.TraceID = traceID.String()
	}
	method, sent := original(r)
	e.Method, e.Host, e.Path = refusallog.Loggable(method), refusallog.Loggable(r.Host), refusallog.Loggable(sent.Path)
	w.log.Write(e)
}

// requestID returns the placeholder {http.request.uuid}. Caddy makes it on first use, and
// then shows it in its access log. That costs more than an audit line. So lines of allowed
// requests have it only if the configuration uses it before.
func requestID(r *http.Request, variables map[string]any, orMake bool) string {
	if id, ok := variables["uuid"].(fmt.Stringer); ok {
		return id.String()
	}
	if !orMake {
		return ""
	}
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
