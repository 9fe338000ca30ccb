package adminapi

import "testing"

func TestTokenIn(t *testing.T) {
	for pasted, want := range map[string]string{
		"a.b.c": "a.b.c", " a.b.c\r\n": "a.b.c", `"a.b.c"`: "a.b.c", "'a.b.c'\n": "a.b.c",
		"Bearer a.b.c": "a.b.c", "bearer  a.b.c": "a.b.c", "DPoP a.b.c": "a.b.c", "\"Bearer a.b.c\"\n": "a.b.c",
		"Authorization: Bearer a.b.c": "a.b.c", `'authorization:Bearer a.b.c'`: "a.b.c", "Bearer\na.b.c": "a.b.c",
		"": "", "\n": "", `""`: "", "Bearer": "", "Bearer ": "", `"Bearer "`: "", "Authorization: Bearer": "", "'Bearer'": "",
		// These are no token, and are explained as they are.
		"Bearera.b.c": "Bearera.b.c", "Basic YTpi": "Basic YTpi", "a b": "a b", "Bearer Bearer a": "Bearer a", "a\nb": "a\nb",
	} {
		if got := TokenIn(pasted); got != want {
			t.Errorf("TokenIn(%q) = %q, want %q", pasted, got, want)
		}
	}
}
