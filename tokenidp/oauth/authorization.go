package oauth

import (
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// noUsers is the page at the authorization endpoint. It explains that there are no users.
const noUsers = "this issuer has no users: a client asks the token endpoint, with grant_type=client_credentials"

var (
	//go:embed authorization.html
	noUsersText string
	noUsersPage = template.Must(template.New("authorization").Parse(noUsersText))
)

// authorizationMethods are the methods of RFC 6749 section 3.1.
var authorizationMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost}

// WriteAuthorization answers at the authorization endpoint (RFC 6749 section 3.1) of an
// issuer that has no users. Clients and OpenID Connect Discovery require this endpoint in
// the metadata, and clients for people open it in a browser. A browser gets a page, other
// callers get an OAuth error. It never redirects, because no client has a redirect URI
// (section 4.1.2.1), and it neither reads nor repeats the parameters.
func WriteAuthorization(w http.ResponseWriter, r *http.Request, issuer string) error {
	if !slices.Contains(authorizationMethods, r.Method) {
		refusal := refuse(ReasonMethod, nil).saying("this endpoint takes GET and POST")
		refusal.Allow = strings.Join(authorizationMethods, ", ")
		return WriteError(w, Form, refusal)
	}
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html") {
		return WriteError(w, Form, &Error{Status: http.StatusBadRequest, Code: CodeUnauthorizedClient, Description: noUsers})
	}
	var page strings.Builder
	if err := noUsersPage.Execute(&page, struct{ Issuer string }{issuer}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the URL may have a state in it
	return write(w, http.StatusBadRequest, "text/html; charset=utf-8", []byte(page.String()))
}
