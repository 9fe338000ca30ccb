package caddyfile

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// parseAudit reads where the lines of decisions go. Syntax:
//
//	audit {
//	    output <module> ...
//	    omit   <decision>...
//	}
//
// The outputs are those of Caddy's log directive.
func parseAudit(d *caddyfile.Dispenser) (*tokenidp.Audit, error) {
	if d.NextArg() {
		return nil, usage(d, "audit { … } without an argument, and into that block: output file /var/log/caddy/audit.log")
	}
	a := new(tokenidp.Audit)
	given := make(once)
	for d.NextBlock(1) {
		if err := given.check(d); err != nil {
			return nil, err
		}
		var err error
		switch d.Val() {
		case "output":
			a.WriterRaw, err = parseOutput(d)
		case "omit":
			a.Omit, err = someArgs(d, "omit <decision>..., as in: omit allowed")
		default:
			err = unknown(d, "audit", "output, omit")
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// parseOutput reads an output as the log directive does. Three of them are not Caddyfile
// modules.
func parseOutput(d *caddyfile.Dispenser) (json.RawMessage, error) {
	if !d.NextArg() {
		return nil, usage(d, "output <module>, as in: output file /var/log/caddy/audit.log")
	}
	name := d.Val()
	var output any
	switch name {
	case "stdout":
		output = caddy.StdoutWriter{}
	case "stderr":
		output = caddy.StderrWriter{}
	case "discard":
		output = caddy.DiscardWriter{}
	default:
		const namespace = "caddy.logging.writers."
		if _, err := caddy.GetModule(namespace + name); err != nil {
			return nil, d.Errf("unknown output %s; known: file, net, stderr, stdout, discard and those of other modules", name)
		}
		var err error
		if output, err = caddyfile.UnmarshalModule(d, namespace+name); err != nil {
			return nil, err
		}
	}
	return caddyconfig.JSONModuleObject(output, "output", name, nil), nil
}
