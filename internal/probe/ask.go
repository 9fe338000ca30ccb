package probe

import (
	"errors"
	"net/http"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Ask returns the verdict on the request of a caller: the first verdict that lets it
// through, with one of the tokens that the caller can get or with none, or else the one
// that says most. It returns an error if no site has the host.
func (p *Probe) Ask(r Request, c *Caller) (*Verdict, error) {
	var best *Verdict
	var noToken error
	offers := c.first
	for i := 0; i < len(offers); i++ {
		t, err := offers[i].fetch()
		if err != nil {
			noToken = errors.Join(noToken, err)
			continue
		}
		v, err := p.AskWith(r, t)
		if err != nil || v.Allowed {
			return v, err
		}
		if best == nil || best.isForeign() && !v.isForeign() {
			best = v
		}
		if c.others != nil {
			offers = append(offers[:len(offers):len(offers)], c.others(offers[i], verifier.Reason(v.Reason))...)
		}
	}
	v, err := p.AskWith(r, nil)
	switch {
	case err != nil || v.Allowed:
		return v, err
	case best != nil:
		return best, nil
	case noToken != nil:
		v.denied(noToken)
	}
	return v, nil
}

// isForeign reports whether the token was for another API. The refusal of a token for this
// API says more.
func (v *Verdict) isForeign() bool {
	return v.Reason == string(verifier.WrongAudience) || v.Reason == string(verifier.UnknownIssuer)
}

// AskWith returns the verdict on the request with this token, or with none.
func (p *Probe) AskWith(r Request, t *Token) (*Verdict, error) {
	parsed, scheme, err := r.parse()
	if err != nil {
		return nil, err
	}
	trail := &trail{probe: p, verdict: Verdict{Token: t}}
	parsed = withContext(parsed, trail)
	if r.Assume != tokenidp.AssumeNothing {
		parsed = parsed.WithContext(tokenidp.Assume(parsed.Context(), r.Assume))
	}
	s, err := p.find(parsed, scheme)
	if err != nil {
		return nil, err
	}
	if scheme == "https" {
		parsed.TLS = connection(parsed.Host, nil)
	}
	if err := p.binding.present(parsed, r.URL, t); err != nil {
		return nil, err
	}
	return trail.judge(s.status(parsed)), nil
}

// status returns the status of the answer; 0 if the server closes the connection.
func (s *server) status(r *http.Request) (status int) {
	defer func() {
		if reason := recover(); reason != nil {
			if reason != http.ErrAbortHandler { //nolint:errorlint // net/http compares so
				panic(reason)
			}
			status = 0
		}
	}()
	w := &response{header: make(http.Header)}
	s.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return w.status
}
