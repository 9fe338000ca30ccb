package weburl

import (
	"strings"
	"testing"
)

// RFC 3986 sections 6.2.2 and 6.2.3.
func TestTargetsThatAreTheSame(t *testing.T) {
	for want, all := range map[Target][]string{
		"https://api.example.com/":        {"https://api.example.com", "https://api.example.com/", "HTTPS://API.EXAMPLE.COM:443/", "https://api.example.com:", "https://api.example.com?a", "https://api.example.com#a"},
		"http://localhost/a":              {"http://localhost:80/a", "http://LOCALHOST/%61", "http://localhost/a?"},
		"https://[::1]:8443/a":            {"https://[::1]:8443/a"},
		"https://[::1]/":                  {"https://[::1]:443", "https://[::1]"},
		"https://a.example/%2F%C3%A4-._~": {"https://a.example/%2f%c3%a4%2d%2E%5f%7e", "https://a.example/%2F%C3%A4-._~"},
		"https://a.example:80/":           {"https://a.example:80"},
		"https://a.example/a%20b":         {"https://a.example/a%20b"},
		"https://a.example/a+b":           {"https://a.example/a+b", "https://a.example/a+b?c#d"},
		"https://a.example/a/../b":        {"https://a.example/a/../b", "https://a.example/a/%2e%2E/b"},
	} {
		for _, s := range all {
			if got, err := ParseTarget(s); err != nil || got != want {
				t.Errorf("%s: %s, %v", s, got, err)
			}
		}
	}
}

func TestOrigins(t *testing.T) {
	for s, want := range map[string]Origin{
		"https://api.example.com": "https://api.example.com", "https://API.example.com:443": "https://api.example.com", "http://localhost:8080": "http://localhost:8080",
	} {
		if got, err := ParseOrigin(s); err != nil || got != want || got.At("/%6f?") != Target(want+"/o?") || got.At("") != Target(want+"/") {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "*", "api.example.com", "https://", "https://api.example.com/", "https://api.example.com/a", "https://api.example.com?a", "https://api.example.com#a", "https://u@api.example.com", "https://api.example.com:443/"} {
		if got, err := ParseOrigin(s); err == nil {
			t.Errorf("%q: %s", s, got)
		}
	}
}

// No percent-encoding in a host is another spelling of it: the parser would decode some.
func TestEncodedHosts(t *testing.T) {
	for _, s := range []string{"https://api.example.com%25", "https://%61pi.example.com", "https://api.ex%C3%A4mple.com", "https://[fe80::1%25eth0]", "https://[fe80::1%25a%20b]/"} {
		if got, err := ParseTarget(s); err == nil {
			t.Errorf("%s: %s", s, got)
		}
	}
}

// A spelling never changes by being brought into the one form again.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"https://api.example.com/a%2fb?c#d", "https://[::1]:443", "http://a:80/%", "https://a/%25%32%66", "https://a:/..", "https:///a", "http://a%25", "http://%c3%a4", "http://[::1%25a%20b]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseTarget(s)
		if err != nil {
			return
		}
		again, err := ParseTarget(string(u))
		if err != nil || again != u || strings.ContainsAny(string(u), "?#") {
			t.Errorf("%q: %q, then %q, %v", s, u, again, err)
		}
	})
}
