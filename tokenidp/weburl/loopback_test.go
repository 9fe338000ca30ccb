package weburl

import (
	"net/url"
	"testing"
)

func TestProtectedURLs(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://idp.example.com":      true,
		"http://idp.example.com":       false,
		"http://localhost:5001":        true,
		"http://idp.localhost":         true,
		"http://localhost.example.com": false,
		"http://127.0.0.1":             true,
		"http://127.9.9.9:80":          true,
		"http://[::1]:80":              true,
		"http://0.0.0.0":               false,
		"http://10.0.0.1":              false,
		"ftp://localhost":              false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := IsProtected(u); got != want {
			t.Errorf("%s: %t", raw, got)
		}
	}
}
