package weburl

import (
	"strings"
	"testing"
)

// RFC 9728 section 1.2. The error says what is wrong.
func TestParseResource(t *testing.T) {
	for identifier, want := range map[string]string{
		"https://api.example.com": "", "https://api.example.com/": "", "https://api.example.com:8443/orders": "", "http://localhost:9000": "",
		"":                              "must be an https URL",
		"orders-api":                    "must be an https URL",
		"urn:example:orders":            "must be an https URL",
		"ftp://api.example.com":         "must be an https URL",
		"https://":                      "must be an https URL",
		"https://:8443":                 "must be an https URL",
		"https://me@api.example.com":    "must be an https URL",
		"http://api.example.com":        "must be https",
		"https://api.example.com?x":     "no query",
		"https://api.example.com#x":     "no fragment",
		"https://api.example.com/x/":    "write https://api.example.com/x",
		"https://api.example.com/a%62c": "plain form",
	} {
		u, err := ParseResource(identifier)
		switch {
		case want == "" && (err != nil || u.String() != identifier):
			t.Errorf("%s: %v, %v", identifier, u, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", identifier, err, want)
		}
	}
}
