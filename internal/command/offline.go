package command

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// config reads the configuration that the flags name, and adapts it.
func (c *call) config() ([]byte, error) {
	config, _, _, err := caddycmd.LoadConfig(c.String("config"), c.String("adapter"))
	if err != nil {
		return nil, err
	}
	if len(config) == 0 {
		return nil, errors.New("there is no Caddyfile here; name the configuration with --config")
	}
	return caddy.RemoveMetaFields(config), nil
}
