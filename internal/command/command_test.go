package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// A binary of another name, as in the packages, is named in the help and in errors.
func TestNameOfTheBinary(t *testing.T) {
	caddy.CustomBinaryName = "caddy-tokenidp"
	t.Cleanup(func() { caddy.CustomBinaryName = "" })
	root := &cobra.Command{Use: "tokenidp"}
	addCommands(root)
	for _, cmd := range root.Commands() {
		if help := cmd.Long + cmd.Example; strings.Contains(help, "caddy tokenidp") {
			t.Errorf("%s: %s", cmd.Name(), help)
		}
	}
	if cmd, _, err := root.Find([]string{"secret"}); err != nil || !strings.Contains(cmd.Example, "caddy-tokenidp tokenidp secret") {
		t.Errorf("%v: %s", err, cmd.Example)
	}
	for text, want := range map[string]string{
		"say caddy tokenidp keys":            "say caddy-tokenidp tokenidp keys",
		"say 'caddy tokenidp keys'":          "say 'caddy-tokenidp tokenidp keys'",
		"say 'my-caddy tokenidp keys'":       "say 'my-caddy tokenidp keys'", // named by Caddy already
		"opening /etc/caddy tokenidp/a.yaml": "opening /etc/caddy tokenidp/a.yaml",
	} {
		if err := exit(root, errors.New(text)); err == nil || err.Error() != want {
			t.Error(err)
		}
	}
}
