// Package version has the versions of what is in the build.
package version

import (
	"runtime/debug"
	"sync"
)

const (
	module = "github.com/tokenidp/caddy-tokenidp"
	caddy  = "github.com/caddyserver/caddy/v2"
)

// Of returns the versions of this module and of Caddy, such as v0.1.0, or "unknown". A
// build from a checkout has a version that names the commit, or "(devel)".
var Of = sync.OnceValues(func() (moduleVersion, caddyVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "unknown"
	}
	return of(info)
})

func of(info *debug.BuildInfo) (moduleVersion, caddyVersion string) {
	moduleVersion, caddyVersion = "unknown", "unknown"
	for _, m := range append(info.Deps, &info.Main) {
		switch m.Path {
		case module:
			moduleVersion = m.Version
		case caddy:
			caddyVersion = m.Version
		}
	}
	return moduleVersion, caddyVersion
}
