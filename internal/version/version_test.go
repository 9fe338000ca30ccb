package version

import (
	"runtime/debug"
	"testing"
)

func TestOf(t *testing.T) {
	dependencies := []*debug.Module{{Path: caddy, Version: "v2.11.9"}, {Path: "example.com/other", Version: "v1.0.0"}}
	for _, row := range []struct {
		name                      string
		info                      debug.BuildInfo
		wantModule, wantOfTheCore string
	}{
		{"its own main", debug.BuildInfo{Main: debug.Module{Path: module, Version: "(devel)"}, Deps: dependencies}, "(devel)", "v2.11.9"},
		{"xcaddy", debug.BuildInfo{
			Main: debug.Module{Path: "caddy", Version: "(devel)"},
			Deps: append([]*debug.Module{{Path: module, Version: "v0.1.0"}}, dependencies...),
		}, "v0.1.0", "v2.11.9"},
		{"neither", debug.BuildInfo{Main: debug.Module{Path: "example.com/main", Version: "v3.0.0"}}, "unknown", "unknown"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if m, c := of(&row.info); m != row.wantModule || c != row.wantOfTheCore {
				t.Errorf("got %s and %s", m, c)
			}
		})
	}
}
