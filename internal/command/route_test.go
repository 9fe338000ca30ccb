package command

import (
	"slices"
	"testing"
)

// An operator names a route by its ID, its source, or a request, whether the server knows
// the IDs or only the sources.
func TestRoutesFor(t *testing.T) {
	const config = `{"apps": {"http": {"servers": {"s": {"listen": [":443"], "routes": [
		{"match": [{"host": ["a.example"]}], "handle": [{"handler": "verify", "source": "Caddyfile:2"}], "terminal": true},
		{"match": [{"host": ["b.example"], "path": ["/orders*"]}], "handle": [{"handler": "verify", "source": "Caddyfile:2"}]},
		{"match": [{"host": ["b.example"]}], "handle": [{"handler": "verify", "source": "Caddyfile:8"}]}]}}}}}`
	type place struct{ id, source string }
	known := []place{{"a.example", "Caddyfile:2"}, {"b.example/orders*", "Caddyfile:2"}, {"b.example", "Caddyfile:8"}}
	unknown := []place{{"Caddyfile:2", "Caddyfile:2"}, {"Caddyfile:2", "Caddyfile:2"}, {"Caddyfile:8", "Caddyfile:8"}}
	for asked, want := range map[string][]place{
		"":                      known,
		"a.example":             known[:1],
		"b.example/orders*":     known[1:2],
		"Caddyfile:2":           known[:2],
		":8":                    known[2:],
		"GET a.example/orders":  known[:1],
		"b.example/orders/1":    known[1:],
		"https://b.example/any": known[2:],
	} {
		got, err := routesFor(known, func(p place) (string, string) { return p.id, p.source }, asked, []byte(config))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v (%v)", asked, got, want, err)
		}
	}
	for asked, want := range map[string][]place{"": unknown, "Caddyfile:2": unknown[:2], "b.example/any": unknown[2:]} {
		got, err := routesFor(unknown, func(p place) (string, string) { return p.id, p.source }, asked, []byte(config))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("by sources, %q: %v, want %v (%v)", asked, got, want, err)
		}
	}
	if _, err := routesFor(known, func(p place) (string, string) { return p.id, p.source }, "c.example/x", []byte(config)); err == nil {
		t.Error("a request that takes no route is no error")
	}
}

func TestTitleOf(t *testing.T) {
	for want, given := range map[string][2]string{
		"a.example/orders* (Caddyfile:2)": {"a.example/orders*", "Caddyfile:2"},
		"a.example":                       {"a.example", ""},
		"Caddyfile:2":                     {"Caddyfile:2", "Caddyfile:2"},
		"Caddyfile:3":                     {"", "Caddyfile:3"},
		"verify":                          {"", ""},
	} {
		if got := titleOf(given[0], given[1]); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
