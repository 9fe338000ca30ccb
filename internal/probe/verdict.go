package probe

import (
	"errors"
	"maps"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// The reasons of a verdict that neither verify nor the token endpoint has.
const (
	// ReasonCredentials: another handler requires credentials, as basic_auth does.
	ReasonCredentials = "credentials_required"
	// ReasonAnswered: a handler of the configuration answers with a status of its own,
	// such as respond 404.
	ReasonAnswered = "answered"
	// ReasonNotHandled: no handler answers.
	ReasonNotHandled = "not_handled"
	// ReasonError: the configuration cannot handle the request.
	ReasonError = "error"
)

// Verdict is the result of a request.
type Verdict struct {
	// Allowed: a handler answers, after every verify on the way has let the request
	// through, with a status below 300.
	Allowed bool
	// Status is that of the answer; 0 if the connection is closed instead. A handler that
	// serves, such as reverse_proxy, is assumed to answer with 200.
	Status int
	// Reason is why it is not allowed: the code of verify or of the token endpoint, or
	// one of the reasons above. Cause says it in words.
	Reason, Cause string
	// Asked are all verifies that have judged the request, in their order: those that
	// passed it, that refused it, and that would refuse it. Those on the route of an error
	// count, too.
	Asked []Step
	// Refused is the verify that refused the request, or nil.
	Refused *Step
	// Passed are the verifies that the request passed with a token, in their order.
	Passed []Step
	// Reported are the verifies that would refuse the request without report_only.
	Reported []Step
	// Handler is the handler that answers, such as: reverse_proxy localhost:9000. Unknown
	// handlers, which may answer or not, count as answering.
	Handler string
	// Route is the way of the request to the handler; nil if that is not known.
	Route *route.Route
	// AfterError: the handler is on the route of an error.
	AfterError bool
	// Headers are the claim headers that are set.
	Headers http.Header
	// Token is the token that was sent, or nil.
	Token *Token
}

// Step is a verify on the way of a request.
type Step struct {
	Verify *tokenidp.Verify
	// Source is the place of its configuration, as file:line.
	Source string
	// Route is the way of the request to it: host, path, method; nil if that is not known.
	Route *route.Route
	// Reason and Cause are why it refuses.
	Reason, Cause string
}

type trailKey struct{}

// trail records the way of a request.
type trail struct {
	probe      *Probe
	verdict    Verdict
	failed     string // why a stand-in has refused
	failedText string
	trace      *trace // nil: the question is about the verdict
}

func trailFrom(r *http.Request) *trail { return r.Context().Value(trailKey{}).(*trail) }

// observe notes the decision of a verify. It reports whether the request passes anyway.
func observe(r *http.Request, o tokenidp.Observation) bool {
	t := trailFrom(r)
	if t.trace != nil {
		return t.visit(o.Verify, r)
	}
	t.note(r, o)
	return false
}

func (t *trail) note(r *http.Request, o tokenidp.Observation) {
	source, reportOnly := o.Verify.Route()
	s := Step{Verify: o.Verify, Source: source, Route: t.probe.placeOf(o.Verify, r)}
	defer func() { t.verdict.Asked = append(t.verdict.Asked, s) }()
	if o.Err == nil {
		t.verdict.Passed = append(t.verdict.Passed, s)
		if len(o.Headers) > 0 {
			if t.verdict.Headers == nil {
				t.verdict.Headers = make(http.Header)
			}
			maps.Copy(t.verdict.Headers, o.Headers)
		}
		return
	}
	s.Reason, s.Cause = ReasonError, o.Err.Error()
	if refusal, ok := errors.AsType[*verifier.Refusal](o.Err); ok {
		s.Reason, s.Cause = string(refusal.Reason), causeOf(refusal.Unwrap())
	}
	if reportOnly {
		t.verdict.Reported = append(t.verdict.Reported, s)
		return
	}
	t.verdict.Refused = &s
}

func causeOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// reach notes a handler that answers.
func (t *trail) reach(s *StandIn, r *http.Request) {
	t.visit(s, r)
	t.verdict.Handler, t.verdict.Route = s.Text, t.probe.taken(s, r)
	_, t.verdict.AfterError = r.Context().Value(caddyhttp.ErrorCtxKey).(error)
}

// leave records that the handler did not answer after all.
func (t *trail) leave(handler string) {
	if t.verdict.Handler == handler {
		t.verdict.Handler, t.verdict.Route = "", nil
	}
}

// refuse notes that a handler other than verify refuses.
func (t *trail) refuse(reason, text string) { t.failed, t.failedText = reason, text }

// judge completes the verdict.
func (t *trail) judge(status int) *Verdict {
	v := &t.verdict
	v.Status = status
	switch {
	case v.Refused != nil:
		v.Reason, v.Cause = v.Refused.Reason, v.Refused.Cause
	case t.failed != "":
		v.Reason, v.Cause = t.failed, t.failedText+" asks for other credentials"
	case v.AfterError:
		v.Reason, v.Cause = ReasonError, "an error on the way, which "+v.Handler+" handles"
	case v.Handler == "" && status < http.StatusBadRequest && status != 0:
		v.Reason, v.Cause = ReasonNotHandled, "no handler answers"
	case v.Handler == "":
		v.Reason, v.Cause = ReasonError, "an error on the way"
	case status == 0 || status >= http.StatusMultipleChoices:
		v.Reason, v.Cause = ReasonAnswered, v.Handler+" answers"
	default:
		v.Allowed = true
	}
	return v
}

// denied sets the verdict of the token endpoint: the client has no token to send.
func (v *Verdict) denied(err error) {
	v.Refused, v.Reason, v.Cause = nil, string(oauth.ReasonInternal), err.Error()
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		v.Reason, v.Cause = string(refusal.Reason), causeOf(refusal.Cause)
	}
}
