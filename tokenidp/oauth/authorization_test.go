package oauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const interactive = "/authorize?response_type=code&client_id=orders-worker&redirect_uri=https%3A%2F%2Fevil.example.com%2F%3Cscript%3E&state=zzzz&scope=orders.read&code_challenge=x&code_challenge_method=S256"

// RFC 6749 section 4.1.2.1: nobody is redirected to a URI that is not registered, and
// none is.
func TestAuthorizationEndpoint(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, row := range []struct {
		name, method, accept string
		status               int
		contentType          string
		says                 []string
	}{
		{"browser", "GET", browser, 400, "text/html; charset=utf-8", []string{"Nobody signs in here", "https://idp.example.com/token", "client credentials"}},
		{"browser, by a form", "POST", browser, 400, "text/html; charset=utf-8", []string{"Nobody signs in here"}},
		{"browser, in capitals", "GET", "TEXT/HTML", 400, "text/html; charset=utf-8", []string{"Nobody signs in here"}},
		{"client", "GET", "application/json", 400, "application/json", []string{`{"error":"unauthorized_client","error_description":"this issuer has no users: `, "grant_type=client_credentials"}},
		{"client that takes anything", "GET", "*/*", 400, "application/json", []string{`"error":"unauthorized_client"`}},
		{"client that says nothing", "POST", "", 400, "application/json", []string{`"error":"unauthorized_client"`}},
		{"other method", "PUT", browser, 405, "application/json", []string{`"error":"invalid_request"`}},
		{"preflight", "OPTIONS", "", 405, "application/json", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(row.method, interactive, strings.NewReader("response_type=code&redirect_uri=https://evil.example.com"))
			if row.accept != "" {
				r.Header.Set("Accept", row.accept)
			}
			w := httptest.NewRecorder()
			if err := WriteAuthorization(w, r, "https://idp.example.com"); err != nil {
				t.Fatal(err)
			}
			h, body := w.Header(), w.Body.String()
			if w.Code != row.status || h.Get("Content-Type") != row.contentType || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d %v", w.Code, h)
			}
			for _, want := range row.says {
				if !strings.Contains(body, want) {
					t.Errorf("lacks %q: %s", want, body)
				}
			}
			for _, sent := range []string{"evil", "<script", "zzzz", "orders-worker", "orders.read"} {
				if strings.Contains(body, sent) || strings.Contains(h.Get("Location")+h.Get("Refresh"), sent) {
					t.Errorf("repeats %q: %v %s", sent, h, body)
				}
			}
			if (row.status == http.StatusMethodNotAllowed) != (h.Get("Allow") == "GET, HEAD, POST") || h.Get("Location") != "" || h.Get("Set-Cookie") != "" {
				t.Errorf("%v", h)
			}
			if html := strings.HasPrefix(row.contentType, "text/html"); html != strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%v", h)
			}
		})
	}
}
