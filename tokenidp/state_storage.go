package tokenidp

import (
	"fmt"
	"path"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

func init() {
	caddy.RegisterModule(StateStorage{})
}

// StateStorage keeps revocations in Caddy's storage, so that they outlive restarts
// and reach all nodes on that storage within seconds. Single-use identifiers and
// quotas are in the memory of each node.
type StateStorage struct {
	// How often the storage is looked at for what other nodes revoked, from 100ms to
	// 1m. Default: 2s.
	Poll caddy.Duration `json:"poll,omitempty"`

	// Where this state is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (StateStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "tokenidp.state.storage",
		New: func() caddy.Module { return new(StateStorage) },
	}
}

// UnmarshalCaddyfile sets up the state from Caddyfile tokens. Syntax:
//
//	state storage {
//	    poll <duration>
//	}
func (s *StateStorage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	s.Source = place(d)
	if d.NextArg() {
		return d.Err("write: state storage, with nothing behind it but a block")
	}
	for d.NextBlock(0) {
		if d.Val() != "poll" {
			return d.Errf("unrecognized option %s in state storage; known: poll", d.Val())
		}
		if s.Poll != 0 {
			return d.Err("poll is given twice")
		}
		text, err := stateArg(d, "poll <duration>, as in: poll 2s")
		if err != nil {
			return err
		}
		poll, err := caddy.ParseDuration(text)
		if err != nil {
			return d.Errf("poll: %q is not a duration; write it as 2s", text)
		}
		s.Poll = caddy.Duration(poll)
		if err := s.check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// Provision checks the configuration.
func (s *StateStorage) Provision(caddy.Context) error {
	if s.Poll == 0 {
		s.Poll = caddy.Duration(state.DefaultPoll)
	}
	return placed(s.Source, s.check())
}

func (s *StateStorage) check() error {
	if poll := time.Duration(s.Poll); poll < state.LeastPoll || poll > state.MostPoll {
		return fmt.Errorf("poll %s: must be from %s to %s", poll, state.LeastPoll, state.MostPoll)
	}
	return nil
}

func (s *StateStorage) identity(bounded *storage.Bounded) string {
	return fmt.Sprintf("storage %s %s", time.Duration(s.Poll), bounded)
}

func (s *StateStorage) open(node *state.Node, bounded *storage.Bounded, logger *zap.Logger) (state.State, error) {
	return state.NewStorage(node, bounded, stateFolder, time.Duration(s.Poll), logger), nil
}

func (*StateStorage) reads() bool { return true }

func (*StateStorage) announce(*zap.Logger) {}

// stateFolder is not the folder of an issuer, because issuers are URLs.
var stateFolder = path.Join(storage.Folder("state"), "revocations")

// stateArg returns the one argument of the current subdirective.
func stateArg(d *caddyfile.Dispenser, syntax string) (string, error) {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return "", d.Errf("write: %s", syntax)
	}
	return args[0], nil
}

// place returns the place of the current token, as file:line.
func place(d *caddyfile.Dispenser) string { return fmt.Sprintf("%s:%d", d.File(), d.Line()) }

// Interface guards
var (
	_ stateModule           = (*StateStorage)(nil)
	_ caddy.Provisioner     = (*StateStorage)(nil)
	_ caddyfile.Unmarshaler = (*StateStorage)(nil)
)
