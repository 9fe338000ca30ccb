package tokenidp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// phase is a part of the work on a request. Its duration is observed. If Caddy's tracing is
// on, it has a span. A span has no secret and no token.
type phase struct {
	began    time.Time
	ended    time.Time // set by end
	duration prometheus.Observer
	traceID  trace.TraceID // zero without Caddy's tracing
	span     trace.Span    // nil if the request is not traced
}

// beginPhase returns a phase, and the context of the phases within it.
func beginPhase(ctx context.Context, name string, duration prometheus.Observer) (context.Context, phase) {
	p := phase{began: time.Now(), duration: duration}
	parent := trace.SpanFromContext(ctx)
	p.traceID = parent.SpanContext().TraceID()
	if parent.IsRecording() {
		ctx, p.span = parent.TracerProvider().Tracer("tokenidp").Start(ctx, "tokenidp "+name)
	}
	return ctx, p
}

func (p *phase) end() {
	took := time.Since(p.began)
	p.ended = p.began.Add(took)
	p.duration.Observe(took.Seconds())
	if p.span != nil {
		p.span.End()
	}
}

// describe adds the values that are not empty to the span.
func (p *phase) describe(pairs ...string) {
	for pair := range slices.Chunk(pairs, 2) {
		if name, value := pair[0], pair[len(pair)-1]; value != "" {
			p.span.SetAttributes(attribute.String("tokenidp."+name, value))
		}
	}
}

// endCheck ends the phase of a verify.
func (v *Verify) endCheck(p *phase, r *http.Request, claims *verifier.Claims, err error) {
	if p.span != nil {
		p.describe("route", v.recordedRoute(r).id, "source", v.Source, "result", resultOf(err, v.ReportOnly))
		if claims != nil {
			p.describe("issuer", claims.Issuer, "client_id", claims.ClientID, "jti", claims.ID, "kid", claims.KeyID, "scope", claims.ScopeText())
		}
		if refusal, ok := errors.AsType[*verifier.Refusal](err); ok {
			p.describe("reason", string(refusal.Reason))
		}
	}
	p.end()
}

func resultOf(err error, reportOnly bool) string {
	switch {
	case err == nil:
		return "allowed"
	case reportOnly:
		return "reported"
	}
	return "refused"
}

// endToken ends the phase of a token request.
func (s *AuthorizationServer) endToken(p *phase, issued *issuance, refusal *oauth.Error) {
	if p.span != nil {
		p.describe("issuer", s.issuer.Issuer)
		if issued.client != nil {
			p.describe("client_id", issued.client.Application.ClientID, "auth_method", string(issued.client.Method))
		}
		if refusal != nil {
			p.describe("result", "refused", "reason", string(refusal.Reason), "error", refusal.Code)
		} else {
			p.describe("result", "issued", "jti", issued.token.ID, "kid", issued.keyID, "scope", strings.Join(issued.token.Scope, " "), "audience", issued.token.Audience)
		}
	}
	p.end()
}
