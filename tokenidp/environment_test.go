package tokenidp

import "testing"

func TestArgumentsThatPrintTheEnvironment(t *testing.T) {
	for argument, want := range map[string]bool{
		"--environ": true, "-e": true, "--environ=true": true, "-we": true, "-er": true,
		"--environ=false": false, "--envfile": false, "environ": false, "-c": false, "--resume": false, "-": false,
	} {
		if got := printsEnvironment([]string{"caddy", "run", argument, "--config", "Caddyfile"}); got != want {
			t.Errorf("%s: %t", argument, got)
		}
	}
}
