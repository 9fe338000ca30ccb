package tokenidp

import (
	"slices"
	"testing"
)

// A request takes one route of a group, the first that matches; what only may
// match leaves the next ones within reach.
func TestVerifiesFor(t *testing.T) {
	const config = `{"apps": {"http": {"servers": {"a": {"routes": [{
		"match": [{"host": ["example.com"]}], "terminal": true,
		"handle": [{"handler": "subroute", "routes": [
			{"group": "g", "match": [{"path": ["/a/*", "/A2"]}], "handle": [{"handler": "subroute", "routes": [
				{"handle": [{"handler": "verify", "source": "a"}]},
				{"handle": [{"handler": "verify", "source": "deep", "match": [{"path": ["/a/deep*"]}, {"method": ["GET"], "path": ["/a/get"]}]}]}]}]},
			{"group": "g", "match": [{"path": ["/m*"], "method": ["POST"]}], "handle": [{"handler": "verify", "source": "post"}]},
			{"group": "g", "match": [{"not": [{"path": ["/n"]}], "path": ["/n*"]}, {"path": ["/z"]}], "handle": [{"handler": "verify", "source": "not"}]},
			{"group": "h", "match": [{"path": ["/a/*"]}], "handle": [{"handler": "verify", "source": "other group"}]},
			{"group": "g", "handle": [{"handler": "verify", "source": "rest"}]},
			{"group": "g", "handle": [{"handler": "verify", "source": "never"}]}
		]}]}]}}}}}`
	for path, want := range map[string][]string{
		"/a/1":     {"a", "other group"},
		"/a/deep1": {"a", "deep", "other group"},
		"/a/get":   {"a", "deep", "other group"},
		"/A2":      {"a"},
		"/m":       {"post", "rest"},
		"/n":       {"not", "rest"},
		"/z":       {"not"},
		"/":        {"rest"},
		"":         {"a", "deep", "post", "not", "other group", "rest", "never"},
	} {
		found, err := verifiesFor([]byte(config), path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range found {
			got = append(got, v.source)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
