package adminendpoint

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

func init() {
	caddy.RegisterModule(StatusPage{})
}

// StatusPage serves a page for people: what is wrong and what to do about it, what changes
// in the next 30 days, and which Application reaches which route. It is read-only, and
// answers at every path that its route matches. A verify or another handler that asks for
// credentials must be in front of it.
type StatusPage struct {
	// Everybody may read the page. It shows the names of clients, routes, issuers and
	// files, and what is wrong with them.
	InsecurePublic bool `json:"insecure_public,omitempty"`

	// Where this handler is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	page *pageSource
}

// CaddyModule returns the Caddy module information.
func (StatusPage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tokenidp_status",
		New: func() caddy.Module { return new(StatusPage) },
	}
}

// Provision returns an error if the configuration has no issuer. That somebody asks for
// credentials in front of the page is checked by the app, which knows the routes.
func (s *StatusPage) Provision(ctx caddy.Context) error {
	module, err := ctx.AppIfConfigured("tokenidp")
	if err != nil {
		if errors.Is(err, caddy.ErrNotConfigured) {
			err = tokenidp.ErrNotConfigured
		}
		if s.Source != "" {
			return fmt.Errorf("%s: %w", s.Source, err)
		}
		return err
	}
	if !module.(*tokenidp.App).RoutesKnown() && !s.InsecurePublic {
		return fmt.Errorf("%s: the routes of this configuration are not understood, so that this status page may be open to anybody; take it away, or write insecure_public into its block", s.Source)
	}
	s.page = newPageSource()
	return nil
}

// ServeHTTP answers with the page of the App that serves.
func (s *StatusPage) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !slices.Contains(pageMethods, r.Method) {
		w.Header().Set("Allow", strings.Join(pageMethods, ", "))
		return caddyhttp.Error(http.StatusMethodNotAllowed, fmt.Errorf("method not allowed: %s", r.Method))
	}
	app := tokenidp.Serving()
	if app == nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, tokenidp.ErrNotConfigured)
	}
	return s.page.serve(app, w, r)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*StatusPage)(nil)
	_ caddyhttp.MiddlewareHandler = (*StatusPage)(nil)
)
