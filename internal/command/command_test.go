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
	if err := exit(root, errors.New("say caddy tokenidp keys")); err == nil || err.Error() != "say caddy-tokenidp tokenidp keys" {
		t.Error(err)
	}
}
