package route_test

import (
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

func TestSourcesAreInOrder(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"Caddyfile:9", "Caddyfile:10", -1}, {"Caddyfile:10", "Caddyfile:9", 1}, {"a:2", "b:1", -1}, {"a:1", "a:1", 0}, {"", "a:1", -1},
	} {
		if got := route.CompareSources(row.a, row.b); (got > 0) != (row.want > 0) || (got < 0) != (row.want < 0) {
			t.Errorf("%q and %q: %d", row.a, row.b, got)
		}
	}
}
