package weburl

import "testing"

// RFC 3986 section 6.2.3.
func TestWithPath(t *testing.T) {
	for url, want := range map[string]string{
		"https://localhost:5001":    "https://localhost:5001/",
		"https://localhost:5001/":   "https://localhost:5001/",
		"http://[::1]:8080":         "http://[::1]:8080/",
		"https://a.example?b=/":     "https://a.example/?b=/",
		"https://a.example#/":       "https://a.example/#/",
		"https://a.example/b":       "https://a.example/b",
		"https://a.example/b/":      "https://a.example/b/",
		"https://a.example//":       "https://a.example//",
		"https://A.example:443/%7e": "https://A.example:443/%7e",
		"HTTPS://a.example":         "HTTPS://a.example",
		"urn:orders":                "urn:orders",
		"api://orders":              "api://orders",
		"orders-api":                "orders-api",
		"":                          "",
	} {
		if got := WithPath(url); got != want || WithPath(got) != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
