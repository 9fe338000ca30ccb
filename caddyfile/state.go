package caddyfile

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseState reads what the nodes share. Its syntax is that of its module:
//
//	state <module> ...
func parseState(d *caddyfile.Dispenser) (json.RawMessage, error) {
	const namespace = "tokenidp.state"
	if !d.NextArg() || d.Val() == "" {
		return nil, usage(d, "state memory, storage or redis, as in: state redis rediss://redis.example.com:6379")
	}
	name := d.Val()
	if _, err := caddy.GetModule(namespace + "." + name); err != nil {
		return nil, d.Errf("unknown state %s; known: memory, redis, storage", name)
	}
	module, err := caddyfile.UnmarshalModule(d, namespace+"."+name)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(module, "module", name, nil), nil
}
