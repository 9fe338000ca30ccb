package oauth

import (
	"maps"
	"net/http"
	"testing"
)

// Fetch Standard, "HTTP extensions": by default no page gets an answer that it
// can read, and never one with the browser's own credentials.
func TestCrossOriginAnswers(t *testing.T) {
	const page = "https://tools.example.com"
	some, all := []string{page}, []string{"*"}
	preflight := []string{"Origin", page, "Access-Control-Request-Method", "POST"}
	allowed := http.Header{
		"Vary":                         {"Origin"},
		"Access-Control-Allow-Origin":  {page},
		"Access-Control-Allow-Methods": {"POST"},
		"Access-Control-Allow-Headers": {"Authorization, Content-Type, DPoP"},
	}
	readable := http.Header{"Vary": {"Origin"}, "Access-Control-Allow-Origin": {page}}
	varies := http.Header{"Vary": {"Origin"}}

	for _, row := range []struct {
		name, method string
		origins      []string
		headers      []string
		status       int
		want         http.Header
	}{
		{"preflight, off", "OPTIONS", nil, preflight, 405, http.Header{}},
		{"preflight, allowed", "OPTIONS", some, preflight, 204, allowed},
		{"preflight, any", "OPTIONS", all, preflight, 204, allowed},
		{"preflight, another origin", "OPTIONS", some, []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 405, varies},
		{"preflight, origin null", "OPTIONS", some, []string{"Origin", "null", "Access-Control-Request-Method", "POST"}, 405, varies},
		{"plain OPTIONS of an allowed origin", "OPTIONS", some, []string{"Origin", page}, 405, readable},
		{"plain OPTIONS", "OPTIONS", some, nil, 405, varies},
		{"POST, off", "POST", nil, []string{"Origin", page}, 400, http.Header{}},
		{"POST, allowed", "POST", some, []string{"Origin", page, "Sec-Fetch-Site", "cross-site"}, 200, readable},
		{"POST, any", "POST", all, []string{"Origin", page}, 200, readable},
		{"POST, another origin", "POST", some, []string{"Origin", "https://evil.example"}, 400, varies},
		{"POST of a server", "POST", some, nil, 200, varies},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t)
			e.policy.BrowserOrigins = row.origins
			r := post(formType, "grant_type=client_credentials&scope=orders.read&client_id=worker&client_secret="+generated, row.headers...)
			r.Method = row.method
			w := e.answer(r)
			got := w.Header().Clone()
			maps.DeleteFunc(got, func(name string, _ []string) bool { return name != "Vary" && name[:3] != "Acc" })
			if w.Code != row.status || !maps.EqualFunc(got, row.want, func(a, b []string) bool { return len(a) == 1 && a[0] == b[0] }) {
				t.Errorf("status %d, headers %v; want %d, %v", w.Code, got, row.status, row.want)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" || w.Header().Get("Set-Cookie") != "" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}
