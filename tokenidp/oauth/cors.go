package oauth

import "net/http"

// AllowBrowser sets the CORS headers for a page of an allowed origin. It answers a
// preflight request, and then returns true. It never allows credentials of the browser,
// such as cookies.
func (p Policy) AllowBrowser(w http.ResponseWriter, r *http.Request) (answered bool) {
	if len(p.BrowserOrigins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !p.allowsOrigin(origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
	w.WriteHeader(http.StatusNoContent)
	return true
}
