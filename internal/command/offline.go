package command

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// loadConfig reads a configuration and adapts it.
func loadConfig(fl caddycmd.Flags) ([]byte, error) {
	config, _, _, err := caddycmd.LoadConfig(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return nil, err
	}
	if len(config) == 0 {
		return nil, errors.New("there is no Caddyfile here; name the configuration with --config")
	}
	return caddy.RemoveMetaFields(config), nil
}
