// Command caddy is Caddy with its standard modules and this project's.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp"
)

func main() {
	caddycmd.Main()
}
