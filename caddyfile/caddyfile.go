// Package caddyfile is the Caddyfile syntax of the modules in package tokenidp:
// the global option `tokenidp`, and the directives `tokenidp`, `protected_resource`,
// `verify` and `tokenidp_status`.
package caddyfile

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("tokenidp", parseApp)
	httpcaddyfile.RegisterDirective("tokenidp", parseAuthorizationServer)
	httpcaddyfile.RegisterDirective("protected_resource", parseProtectedResource)
	httpcaddyfile.RegisterDirective("verify", parseVerify)
	httpcaddyfile.RegisterHandlerDirective("tokenidp_status", parseStatusPage)

	// Each goes right before the anchor, so the first registered comes first:
	// a site-wide verify must not guard /token itself, and no catch-all may
	// send a secret upstream.
	httpcaddyfile.RegisterDirectiveOrder("tokenidp", httpcaddyfile.Before, "basic_auth")
	httpcaddyfile.RegisterDirectiveOrder("protected_resource", httpcaddyfile.Before, "basic_auth")
	httpcaddyfile.RegisterDirectiveOrder("verify", httpcaddyfile.Before, "basic_auth")

	// The status page answers, so it comes after everything that asks for credentials.
	httpcaddyfile.RegisterDirectiveOrder("tokenidp_status", httpcaddyfile.Before, "respond")
}

// source is the place of the current token. Handlers do not know their site:
// their errors begin with it.
func source(d *caddyfile.Dispenser) string {
	return fmt.Sprintf("%s:%d", d.File(), d.Line())
}

// resolve makes a path absolute, from the folder of the file that names it.
func resolve(d *caddyfile.Dispenser, path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	return filepath.Abs(filepath.Join(filepath.Dir(d.File()), path))
}

// route is the one of a directive that sees every request. In a named route it has a
// matcher set, which every request matches: without any, Caddy (2.11.9) reduces a
// named route to the first of its handlers, and a verify behind another one would be
// lost, and its API open.
func route(h httpcaddyfile.Helper, handler caddyhttp.MiddlewareHandler) []httpcaddyfile.ConfigValue {
	if h.IsNamedRoute() {
		return h.NewRoute(caddy.ModuleMap{}, handler)
	}
	return h.NewRoute(nil, handler)
}

// once refuses a subdirective that was given before in the same block.
type once map[string]int

func (o once) check(d *caddyfile.Dispenser) error {
	if line, again := o[d.Val()]; again {
		return d.Errf("%s is given twice, first on line %d", d.Val(), line)
	}
	o[d.Val()] = d.Line()
	return nil
}

// The functions below take the syntax of the subdirective, for errors.

// oneArg is the one argument of the current subdirective.
func oneArg(d *caddyfile.Dispenser, syntax string) (string, error) {
	args, err := someArgs(d, syntax)
	if err != nil {
		return "", err
	}
	if len(args) > 1 {
		return "", usage(d, syntax)
	}
	return args[0], nil
}

// someArgs are the arguments of the current subdirective, at least one. An
// empty one is most often an environment variable that is not set.
func someArgs(d *caddyfile.Dispenser, syntax string) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) == 0 || slices.Contains(args, "") {
		return nil, usage(d, syntax)
	}
	return args, nil
}

// flag is a subdirective without arguments.
func flag(d *caddyfile.Dispenser) (bool, error) {
	name := d.Val()
	if d.NextArg() {
		return false, d.Errf("%s takes no argument: it is on when written, and off when left out", name)
	}
	return true, nil
}

func usage(d *caddyfile.Dispenser, syntax string) error {
	return d.Errf("write: %s", syntax)
}

// unknown is the error for what no option of the block is called. A brace there
// is that of an option which takes no block.
func unknown(d *caddyfile.Dispenser, block, options string) error {
	if d.Val() == "{" {
		return d.Errf("this option of %s takes no block; write its arguments into its line", block)
	}
	return d.Errf("unrecognized option %s in %s; known: %s", d.Val(), block, options)
}
