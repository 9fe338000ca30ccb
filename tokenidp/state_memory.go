package tokenidp

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

func init() {
	caddy.RegisterModule(StateMemory{})
}

// StateMemory keeps single-use identifiers, revocations and quotas in the memory of this
// process. Other nodes do not see them. A restart loses them, so that a revoked token is
// valid again.
type StateMemory struct{}

// CaddyModule returns the Caddy module information.
func (StateMemory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "tokenidp.state.memory",
		New: func() caddy.Module { return new(StateMemory) },
	}
}

// UnmarshalCaddyfile sets up the state from Caddyfile tokens. Syntax:
//
//	state memory
func (*StateMemory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("write: state memory, with nothing behind it")
	}
	return nil
}

func (*StateMemory) identity(*storage.Bounded) string { return "memory" }

func (*StateMemory) open(node *state.Node, _ *storage.Bounded, _ *zap.Logger) (state.State, error) {
	return state.NewMemory(node), nil
}

func (*StateMemory) reads() bool { return true }

func (*StateMemory) announce(logger *zap.Logger) {
	logger.Warn("state memory: revocations and used identifiers are known to this process alone, and a restart forgets them", warning.StateInMemory.Log())
}

// Interface guards
var (
	_ stateModule           = (*StateMemory)(nil)
	_ caddyfile.Unmarshaler = (*StateMemory)(nil)
)
