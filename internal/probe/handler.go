package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

const moduleName = "tokenidp_probe"

// registerStandIn registers the module with Caddy when the first probe is made. So no list
// of modules has it.
var registerStandIn = sync.OnceFunc(func() { caddy.RegisterModule(StandIn{}) })

// StandIn replaces a handler that serves, while `caddy tokenidp` answers what a
// configuration does with requests. A configuration that serves cannot have it.
type StandIn struct {
	// What it does: ends, passes, proxies, runs, challenges or ignores.
	Does string `json:"does,omitempty"`

	// The handler that it replaces, in words.
	Text string `json:"text,omitempty"`

	// The handler that it runs.
	RealRaw json.RawMessage `json:"real,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	// The routes of responses.
	HandleResponse []caddyhttp.ResponseHandler `json:"handle_response,omitempty"`

	real caddyhttp.MiddlewareHandler
}

// CaddyModule returns the Caddy module information.
func (StandIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers." + moduleName,
		New: func() caddy.Module { return new(StandIn) },
	}
}

type probeKey struct{}

func inProbe(ctx context.Context) context.Context { return context.WithValue(ctx, probeKey{}, true) }

// Provision loads what it runs.
func (s *StandIn) Provision(ctx caddy.Context) error {
	if ctx.Value(probeKey{}) == nil {
		return fmt.Errorf("%s is for the commands of `caddy tokenidp` alone; remove it", moduleName)
	}
	for i := range s.HandleResponse {
		if err := s.HandleResponse[i].Provision(ctx); err != nil {
			return err
		}
	}
	if s.RealRaw == nil {
		return nil
	}
	loaded, err := ctx.LoadModule(s, "RealRaw")
	if err != nil {
		return err
	}
	s.real = loaded.(caddyhttp.MiddlewareHandler)
	return nil
}

func (s *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch s.Does {
	case ignores:
		return next.ServeHTTP(w, r)
	case runs:
		return s.run(w, r, next)
	case challenges:
		return s.challenge(w, r, next)
	}
	trailFrom(r).reach(s, r)
	switch s.Does {
	case passes:
		return next.ServeHTTP(w, r)
	case proxies:
		return s.proxy(w, r, next)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *StandIn) challenge(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	t := trailFrom(r)
	if t.visit(s, r) {
		return next.ServeHTTP(w, r)
	}
	t.refuse(ReasonCredentials, s.Text)
	return caddyhttp.Error(http.StatusUnauthorized, errors.New("not authenticated"))
}

// run runs the handler itself. A request that it passes on has not reached it.
func (s *StandIn) run(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if endpoints, ok := s.real.(*tokenidp.AuthorizationServer); ok {
		if !endpoints.Serves(r) {
			return next.ServeHTTP(w, r)
		}
		trailFrom(r).reach(s, r)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	passed := false
	err := s.real.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		passed = true
		return next.ServeHTTP(w, r)
	}))
	if !passed {
		trailFrom(r).reach(s, r)
	}
	return err
}

// proxy answers with 200 without headers. Its response routes handle that answer, as those
// of Caddy's reverse_proxy do.
func (s *StandIn) proxy(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	for _, response := range s.HandleResponse {
		if response.Match != nil && !response.Match.Match(http.StatusOK, http.Header{}) {
			continue
		}
		if response.StatusCode != "" {
			status, err := strconv.Atoi(replacerOf(r).ReplaceAll(string(response.StatusCode), ""))
			if err != nil {
				return caddyhttp.Error(http.StatusInternalServerError, err)
			}
			if status == 0 {
				status = http.StatusOK
			}
			w.WriteHeader(status)
			return nil
		}
		trailFrom(r).leave(s.Text)
		return response.Routes.Compile(next).ServeHTTP(w, r)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// ResponseHandlers are the routes of responses.
func (s *StandIn) ResponseHandlers() []caddyhttp.ResponseHandler { return s.HandleResponse }

func replacerOf(r *http.Request) *caddy.Replacer {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*StandIn)(nil)
	_ caddyhttp.MiddlewareHandler = (*StandIn)(nil)
	_ route.Responder             = (*StandIn)(nil)
)
