package weburl

import "testing"

func TestEndpoints(t *testing.T) {
	for raw, want := range map[string]error{
		"https://idp.example.com/token?a=b": nil,
		"http://idp.example.com":            nil,
		"https://idp.example.com#":          ErrUserOrFragment,
		"https://user@idp.example.com":      ErrUserOrFragment,
		"https:idp.example.com":             ErrNoHost,
		"https:///token":                    ErrNoHost,
		"https://:443/token":                ErrNoHost,
		"/token":                            ErrNoHost,
		"https://idp.example.com:x":         ErrNoHost,
		"":                                  ErrNoHost,
	} {
		if u, err := ParseEndpoint(raw); err != want || (u == nil) != (err != nil) {
			t.Errorf("%q: %v, %v", raw, u, err)
		}
	}
	if _, err := ParseForeignIssuer("https://idp.example.com/?"); err != ErrQuery {
		t.Errorf("issuer with a query: %v", err)
	}
}
