package migrate

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Hydra reads the clients of Ory Hydra: the list of `GET /admin/clients`, or an object
// with the list as `items`. Hydra's API never shows the hashes of secrets: they are in
// hashes, a JSON object from client id to hash, or nil.
func Hydra(export, hashes []byte) (*File, error) {
	root, err := parse(export, "items")
	if err != nil {
		return nil, err
	}
	if _, ok := root["items"].([]any); !ok {
		return nil, errors.New("it is neither a list of clients nor an object with one as `items`")
	}
	h := hydra{File: &File{From: "Ory Hydra"}}
	if hashes != nil {
		if h.hashes, err = parse(hashes, "hashes"); err != nil {
			return nil, err
		}
	}
	clients := root.objects("items")
	for _, c := range clients { // first those that say whose scopes they have
		if audience := c.texts("audience"); len(audience) == 1 && isName(audience[0]) && usesClientCredentials(c) {
			for _, s := range hydraScopes(c) {
				h.own(audience[0], Scope{Name: s})
			}
		}
	}
	for _, c := range clients {
		h.client(c)
	}
	return h.File, h.complete()
}

type hydra struct {
	*File
	hashes object
}

func usesClientCredentials(c object) bool {
	return slices.Contains(c.texts("grant_types"), "client_credentials")
}

// client adds a client, or notes why not.
func (h *hydra) client(c object) {
	id := c.text("client_id")
	switch err := application.CheckClientID(id); {
	case err != nil:
		h.note("client %q: left out: its client_id %v", title(id), err)
		return
	case !usesClientCredentials(c):
		h.note("client %q: left out: it does not have the grant client_credentials, and this server has no users", id)
		return
	case c.text("token_endpoint_auth_method") == "none":
		h.note("client %q: left out: it is public (token_endpoint_auth_method none), and this server has only confidential clients", id)
		return
	}
	a := &Application{ClientID: id, ClientName: title(c.text("client_name"))}
	h.Applications = append(h.Applications, a)
	h.grants(a, c)
	h.credentials(a, c)
	h.scopes(a, c)
	h.lifetime(a, c)
	h.leftovers(a, c)
}

func (h *hydra) grants(a *Application, c object) {
	for _, grant := range c.texts("grant_types") {
		if grant != "client_credentials" {
			h.note("client %q: the grant %s does not come along", a.ClientID, grant)
		}
	}
}

func (h *hydra) credentials(a *Application, c object) {
	switch method := c.text("token_endpoint_auth_method"); method {
	case "private_key_jwt":
		a.Method = method
		a.JWKSURI = c.text("jwks_uri")
		if keys := c.object("jwks"); len(keys.objects("keys")) > 0 {
			a.JWKS, a.JWKSURI = h.jwks(a, keys), ""
		}
		if !strings.HasPrefix(a.JWKSURI, "https://") && a.JWKSURI != "" {
			a.JWKSURI = ""
			h.note("client %q: its jwks_uri is no https URL, and does not come along", a.ClientID)
		}
	case "client_secret_basic", "client_secret_post":
		a.Method = method
		h.secret(a, c)
	case "":
		h.secret(a, c)
	default:
		h.note("client %q: the authentication method %s does not come along", a.ClientID, title(method))
	}
}

func (h *hydra) secret(a *Application, c object) {
	stored := c.text("client_secret")
	if hash := h.hashes.text(a.ClientID); hash != "" {
		stored = hash
	}
	switch {
	case stored == "":
		h.note("client %q: the hash of its secret is not there; export it from the database, and pass it with --hashes", a.ClientID)
		return
	case !strings.HasPrefix(stored, "$"):
		h.note("client %q: what stands for its secret is no hash, and does not come along", a.ClientID)
		return
	}
	if err := new(secret.Secret).SetHash(stored); err != nil {
		h.note("client %q: its hash does not come along: %v", a.ClientID, err)
		return
	}
	a.SecretID, a.Hash = "hydra", stored
	switch end, ok := strictjson.NumericDate(c["client_secret_expires_at"]); {
	case ok && end.Unix() > 0:
		a.Expires = end.UTC().Format(time.RFC3339)
	case !ok && c["client_secret_expires_at"] != nil:
		h.note("client %q: when its secret expires cannot be read, and does not come along", a.ClientID)
	}
}

// hydraScopes returns the scopes of a client that are of an API.
func hydraScopes(c object) []string {
	var scopes []string
	for _, s := range strings.Fields(c.text("scope")) {
		if isName(s) && !slices.Contains([]string{"openid", "offline", "offline_access"}, s) && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// unknownAPI is the resource of scopes that no audience says anything about.
const unknownAPI = "hydra"

func (h *hydra) scopes(a *Application, c object) {
	audiences := c.texts("audience")
	audience := unknownAPI
	if len(audiences) > 0 && isName(audiences[0]) {
		audience = audiences[0]
	}
	if len(audiences) > 1 {
		h.note("client %q: it has %d audiences, but a token is for one; its scopes decide which", a.ClientID, len(audiences))
	}
	a.Scopes = hydraScopes(c)
	for _, s := range a.Scopes {
		owner := h.own(audience, Scope{Name: s})
		if owner.Audience == unknownAPI {
			h.note("client %q: no audience says which API its scope %s is for; it is of the resource %q: rename that as the API expects in aud", a.ClientID, s, unknownAPI)
		} else if len(audiences) > 0 && !slices.Contains(audiences, owner.Audience) {
			h.note("client %q: its scope %s is of the resource %q; its tokens have that in aud, not %q", a.ClientID, s, owner.Audience, audience)
		}
		if strings.Contains(s, "*") {
			h.note("client %q: its scope %s is a wildcard in Hydra, and a plain name here; list the scopes that it means", a.ClientID, s)
		}
	}
}

func (h *hydra) lifetime(a *Application, c object) {
	text := c.text("client_credentials_grant_access_token_lifespan")
	if text == "" {
		return
	}
	lifetime, err := time.ParseDuration(text)
	if a.TokenLifetime = tokenLifetime(lifetime); err != nil || a.TokenLifetime == "" {
		h.note("client %q: its lifetime of tokens is not within 10s to 24h in whole seconds, and does not come along", a.ClientID)
	}
}

// tokenLifetime returns a lifetime that the reader of Applications accepts, or "".
func tokenLifetime(d time.Duration) string {
	if d < 10*time.Second || d > 24*time.Hour || d%time.Second != 0 {
		return ""
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} { // without what says nothing
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// leftovers notes what has no counterpart.
func (h *hydra) leftovers(a *Application, c object) {
	if c.text("access_token_strategy") == "opaque" {
		h.note("client %q: its access tokens were opaque, and are JWTs here", a.ClientID)
	}
	if len(c.object("metadata")) > 0 {
		h.note("client %q: its metadata does not come along; `claims` puts values into its tokens", a.ClientID)
	}
}
