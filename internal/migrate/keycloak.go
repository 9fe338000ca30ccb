package migrate

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// Keycloak reads the export of a realm: its clients with a service account, their scopes,
// and the audiences of the scopes. Secrets are hashed.
func Keycloak(export []byte) (*File, error) { return readKeycloak(export, secret.HashChosen) }

func readKeycloak(export []byte, hash func(string) (string, error)) (*File, error) {
	root, err := parse(export, "clients")
	if err != nil {
		return nil, err
	}
	if root.text("realm") == "" || root["clients"] == nil {
		return nil, errors.New("it is no export of a realm: it has no `realm` with `clients`")
	}
	k := keycloak{File: &File{From: "the Keycloak realm " + strconv.Quote(root.text("realm"))}, realm: root, hash: hash, scopes: make(map[string]object)}
	for _, s := range root.objects("clientScopes") {
		k.scopes[s.text("name")] = s
	}
	builtIn := 0
	for _, c := range root.objects("clients") {
		if slices.Contains(builtInClients, c.text("clientId")) {
			builtIn++
			continue
		}
		k.client(c)
	}
	if builtIn > 0 {
		k.note("%d clients of Keycloak itself are left out", builtIn)
	}
	return k.File, k.complete()
}

type keycloak struct {
	*File
	realm  object
	hash   func(secret string) (string, error)
	scopes map[string]object // client scopes, by name
}

var builtInClients = []string{"account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"}

// builtInScopes are of OpenID Connect, or of Keycloak itself.
var builtInScopes = []string{
	"openid", "profile", "email", "address", "phone", "offline_access", "roles", "web-origins", "microprofile-jwt", "acr", "basic",
	"service_account", "organization", "role_list", "saml_organization",
}

// client adds a client, or notes why not.
func (k *keycloak) client(c object) {
	id := c.text("clientId")
	switch err := application.CheckClientID(id); {
	case c.text("protocol") != "" && c.text("protocol") != "openid-connect":
		k.note("client %q: left out: its protocol is %s", title(id), title(c.text("protocol")))
		return
	case err != nil:
		k.note("client %q: left out: its client id %v", title(id), err)
		return
	case c.is("publicClient"):
		k.note("client %q: left out: it is public, and this server has only confidential clients", id)
		return
	case !c.is("serviceAccountsEnabled"):
		k.note("client %q: left out: it has no service account, and this server has no users", id)
		return
	}
	a := &Application{ClientID: id, ClientName: title(c.text("name"))}
	k.Applications = append(k.Applications, a)
	if enabled, ok := c["enabled"].(bool); ok && !enabled {
		a.Inactive = true
	}
	if c.is("standardFlowEnabled") || c.is("directAccessGrantsEnabled") || c.is("implicitFlowEnabled") {
		k.note("client %q: its flows for users do not come along", id)
	}
	k.credentials(a, c)
	k.grantScopes(a, c)
	k.lifetime(a, c)
	attributes := c.object("attributes")
	a.BoundToTLS = attributes.text("tls.client.certificate.bound.access.tokens") == "true"
	a.BoundToDPoP = attributes.text("dpop.bound.access.tokens") == "true"
	k.mappers(a, c)
	k.roles(a)
}

func (k *keycloak) credentials(a *Application, c object) {
	attributes := c.object("attributes")
	switch method := c.text("clientAuthenticatorType"); method {
	case "client-secret", "":
		k.secret(a, c)
	case "client-jwt":
		k.keys(a, attributes)
	case "client-x509":
		if attributes.text("x509.allow.regex.pattern.comparison") == "true" {
			k.note("client %q: a pattern for its certificate does not come along; write the one name", a.ClientID)
			return
		}
		a.Method, a.SubjectDN = "tls_client_auth", attributes.text("x509.subjectdn")
	default:
		k.note("client %q: the authentication %s does not come along", a.ClientID, title(method))
	}
}

func (k *keycloak) secret(a *Application, c object) {
	plain := c.text("secret")
	switch {
	case plain == "":
		k.note("client %q: its secret is not in the export", a.ClientID)
		return
	case strings.Trim(plain, "*") == "":
		k.note("client %q: its secret is masked in the export; export with `kc.sh export`, which writes secrets", a.ClientID)
		return
	}
	hash, err := k.hash(plain)
	if err != nil {
		k.note("client %q: its secret does not come along: %v", a.ClientID, err)
		return
	}
	a.SecretID, a.Hash = "keycloak", hash
	if end := c.object("attributes").text("client.secret.expiration.time"); end != "" {
		seconds, err := strconv.ParseInt(end, 10, 64)
		if err != nil || seconds <= 0 {
			k.note("client %q: when its secret expires cannot be read, and does not come along", a.ClientID)
		} else {
			a.Expires = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
	}
	if c.object("attributes").text("client.secret.rotated") != "" {
		k.note("client %q: the secret before its last rotation does not come along", a.ClientID)
	}
}

func (k *keycloak) keys(a *Application, attributes object) {
	a.Method = "private_key_jwt"
	encoded := attributes.text("jwt.credential.certificate")
	if encoded == "" {
		encoded = attributes.text("jwt.credential.public.key")
	}
	switch {
	case attributes.text("use.jwks.url") == "true":
		if a.JWKSURI = attributes.text("jwks.url"); !strings.HasPrefix(a.JWKSURI, "https://") {
			a.JWKSURI = ""
			k.note("client %q: its JWKS URL is no https URL, and does not come along", a.ClientID)
		}
	case attributes.text("use.jwks.string") == "true":
		set, err := parse([]byte(attributes.text("jwks.string")), "keys")
		if err != nil {
			k.note("client %q: its JWKS does not come along: %v", a.ClientID, err)
			return
		}
		a.JWKS = k.jwks(a, set)
	case encoded == "":
		k.note("client %q: its public key is not in the export", a.ClientID)
	default:
		var err error
		if a.JWKS, err = jwksOf(encoded); err != nil {
			k.note("client %q: its public key does not come along: %v", a.ClientID, err)
		}
	}
}

// grantScopes grants the default and the optional scopes of a client. Keycloak adds the
// default ones to every token.
func (k *keycloak) grantScopes(a *Application, c object) {
	own := k.audience(c)
	var owners []*Resource
	for _, s := range c.texts("defaultClientScopes") {
		if owner := k.grant(a, s, own); owner != nil {
			a.DefaultScopes = append(a.DefaultScopes, s)
			owners = append(owners, owner)
		}
	}
	for _, s := range c.texts("optionalClientScopes") {
		k.grant(a, s, own)
	}
	if slices.ContainsFunc(owners, func(r *Resource) bool { return r != owners[0] }) {
		a.DefaultScopes = nil
		k.note("client %q: its default scopes are of several resources, but a token is for one; it must name its scopes", a.ClientID)
	}
}

// grant grants a scope, and returns the Resource that owns it, or nil if it is not of an
// API.
func (k *keycloak) grant(a *Application, scope, own string) *Resource {
	if slices.Contains(builtInScopes, scope) {
		return nil
	}
	if !isName(scope) {
		k.note("client %q: its scope %q does not come along: it is no name of a scope", a.ClientID, title(scope))
		return nil
	}
	definition := k.scopes[scope]
	audience := k.audience(definition)
	if audience == "" {
		audience = own
	}
	if audience == "" {
		audience = k.realm.text("realm")
		if k.owner(scope) == nil {
			k.note("scope %q: no mapper says which API it is for; it is of the resource %q: rename that as the API expects in aud", scope, audience)
		}
	}
	if !slices.Contains(a.Scopes, scope) {
		a.Scopes = append(a.Scopes, scope)
	}
	owner := k.own(audience, Scope{scope, title(definition.text("description"))})
	if owner.Audience != audience {
		k.note("client %q: its scope %s is of the resource %q; its tokens have that in aud, not %q", a.ClientID, scope, owner.Audience, audience)
	}
	return owner
}

// audience returns what an audience mapper of a client or a client scope adds, or "".
func (k *keycloak) audience(o object) string {
	for _, mapper := range o.objects("protocolMappers") {
		if mapper.text("protocolMapper") != "oidc-audience-mapper" {
			continue
		}
		config := mapper.object("config")
		for _, name := range []string{"included.client.audience", "included.custom.audience"} {
			if audience := config.text(name); isName(audience) {
				return audience
			}
		}
	}
	return ""
}

func (k *keycloak) lifetime(a *Application, c object) {
	text := c.object("attributes").text("access.token.lifespan")
	if text == "" || text == "-1" {
		return
	}
	seconds, err := strconv.Atoi(text)
	if err == nil && seconds < 1<<20 {
		a.TokenLifetime = tokenLifetime(time.Duration(seconds) * time.Second)
	}
	if a.TokenLifetime == "" {
		k.note("client %q: its lifetime of tokens is not within 10s to 24h, and does not come along", a.ClientID)
	}
}

// serviceAccountMappers are those that Keycloak gives to each service account.
var serviceAccountMappers = []string{"Client ID", "Client Host", "Client IP Address"}

// mappers notes the mappers of a client, which are code of Keycloak's.
func (k *keycloak) mappers(a *Application, c object) {
	for _, mapper := range c.objects("protocolMappers") {
		if name := mapper.text("name"); mapper.text("protocolMapper") != "oidc-audience-mapper" && !slices.Contains(serviceAccountMappers, name) {
			k.note("client %q: its mapper %q does not come along; `claims` puts fixed values into its tokens", a.ClientID, title(name))
		}
	}
}

// roles notes the roles of a service account.
func (k *keycloak) roles(a *Application) {
	for _, user := range k.realm.objects("users") {
		if user.text("serviceAccountClientId") != a.ClientID {
			continue
		}
		for _, role := range user.texts("realmRoles") {
			if !strings.HasPrefix(role, "default-roles-") {
				k.note("client %q: the role %q does not come along; make a scope of it", a.ClientID, title(role))
			}
		}
		clientRoles := user.object("clientRoles")
		for _, client := range slices.Sorted(maps.Keys(clientRoles)) {
			for _, role := range clientRoles.texts(client) {
				k.note("client %q: the role %q of %q does not come along; make a scope of it", a.ClientID, title(role), title(client))
			}
		}
	}
}
