package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"unsafe"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

// newContext makes a context for modules of a configuration. Nothing else in the process
// sees it.
//
// Caddy's only function for that is ProvisionContext. It replaces the default logger of
// the process and the default storage of certmagic, and the tls app that it loads with
// http replaces the options of the one cache of certificates. So newContext fills the
// fields of the configuration and the context itself, and has a tls app that knows no
// certificate. It returns an error if another version of Caddy has other fields.
func newContext(parent context.Context, cfg *caddy.Config) (caddy.Context, context.CancelFunc, error) {
	cfg.Logging = new(caddy.Logging) // without a log, every logger discards
	tls := &caddytls.TLS{Automation: &caddytls.AutomationConfig{Policies: []*caddytls.AutomationPolicy{{}}}}
	ctx := caddy.Context{Context: parent}
	err := errors.Join(
		set(tls.Automation.Policies[0], "magic", new(certmagic.Config)),
		set(cfg, "apps", map[string]caddy.App{"tls": tls}),
		set(cfg, "failedApps", make(map[string]error)),
		set(cfg, "storage", emptyStorage{}),
		set(cfg, "fileSystems", ctx.FileSystems()),
		set(&ctx, "cfg", cfg),
	)
	if err != nil {
		return ctx, nil, err
	}
	ctx, end := caddy.NewContext(ctx)
	return ctx, end, nil
}

// set sets a field of Caddy that is not exported.
func set(structure any, name string, value any) error {
	field := reflect.ValueOf(structure).Elem().FieldByName(name)
	if !field.IsValid() || !reflect.TypeOf(value).AssignableTo(field.Type()) {
		return fmt.Errorf("this version of Caddy is not known: a %T has no field %s of the type %T", structure, name, value)
	}
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(value)) //nolint:gosec // of the type that was checked
	return nil
}

// emptyStorage holds nothing, and keeps nothing.
type emptyStorage struct{}

var errNotKept = errors.New("nothing is stored")

func (emptyStorage) Store(context.Context, string, []byte) error { return errNotKept }
func (emptyStorage) Load(context.Context, string) ([]byte, error) {
	return nil, fs.ErrNotExist
}
func (emptyStorage) Delete(context.Context, string) error { return errNotKept }
func (emptyStorage) Exists(context.Context, string) bool  { return false }
func (emptyStorage) List(context.Context, string, bool) ([]string, error) {
	return nil, fs.ErrNotExist
}
func (emptyStorage) Stat(context.Context, string) (certmagic.KeyInfo, error) {
	return certmagic.KeyInfo{}, fs.ErrNotExist
}
func (emptyStorage) Lock(context.Context, string) error   { return nil }
func (emptyStorage) Unlock(context.Context, string) error { return nil }
