package application

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

const (
	leastTokenLifetime = 10 * time.Second
	mostTokenLifetime  = 24 * time.Hour
	longTokenLifetime  = time.Hour
)

var applicationObject = &strictyaml.Object{
	Title: "Application",
	Description: "A client that gets access tokens. It authenticates in one way: with one of secrets, jwks, jwks_file, jwks_uri, " +
		"federated and the names of certificates.",
	Kind: "application", By: "client_id",
	Fields: []strictyaml.Field{
		{
			Name: "client_id", Type: strictyaml.Text{Format: clientIDFormat}, Required: true,
			Description: "The name with which the client asks for tokens.", Examples: []any{"orders-worker"},
		},
		{
			Name: "client_name", Type: strictyaml.Text{Format: strictyaml.Label(longestName, " in one line")},
			Description: "A name for people.", Examples: []any{"Orders worker"},
		},
		{
			Name: "active", Type: strictyaml.Bool{Otherwise: "until it is true, the application is inactive"}, Default: true,
			Description: "Whether the Application gets tokens, and its tokens are accepted.",
		},
		{
			Name: "grant_types", Default: []string{GrantClientCredentials},
			Type: strictyaml.List{Of: strictyaml.Spelling{Format: &strictyaml.Format{OneOf: []string{GrantClientCredentials}}}, NotEmpty: true, Unique: true},
			Hint: fmt.Sprintf("leave it out for [%s], or write `active: false`", GrantClientCredentials),

			Description: "The grant types that the Application may use.",
		},
		{
			Name: "token_endpoint_auth_method", Type: strictyaml.Spelling{Format: &strictyaml.Format{OneOf: authMethods()}},
			Description: "The authentication method, for an Application that must not use another one.",
		},
		{
			Name: "token_endpoint_auth_signing_alg", Type: strictyaml.Spelling{Format: &strictyaml.Format{OneOf: jws.Names}},
			Description: "The algorithm of the assertions, for keys that do not name theirs.", Examples: []any{"ES256"},
		},
		{
			Name: "secrets", Type: strictyaml.List{Of: secretObject},
			Description: "The secrets with which the client authenticates, stored as hashes.",
		},
		{
			Name: "jwks", Type: jwksObject,
			Description: "The public keys with which the client authenticates, as a JWK Set.",
		},
		{
			Name: "jwks_file", Type: strictyaml.Text{Format: keysFileFormat},
			Description: "The path of a file with a JWK Set, or with public keys as PEM, from the folder of this file.",
			Examples:    []any{"keys/orders-worker.pem"},
		},
		{
			Name: "jwks_uri", Type: strictyaml.Spelling{Format: keysURLFormat},
			Description: "The https URL of a JWK Set that the client publishes.", Examples: []any{"https://worker.example.com/jwks.json"},
		},
		{
			Name: "federated", Type: strictyaml.List{Of: federationObject, Most: mostFederated},
			Description: "The workloads elsewhere that authenticate with tokens of their own issuers.",
		},
		{
			Name: fieldSubjectDN, Type: strictyaml.Spelling{Format: subjectDNFormat},
			Description: "The subject of the client's certificate (RFC 4514).", Examples: []any{"CN=orders,OU=batch,O=Example"},
		},
		{
			Name: fieldSANDNS, Type: strictyaml.Text{Format: sanDNSFormat},
			Description: "The DNS name in the client's certificate.", Examples: []any{"orders.example.com"},
		},
		{
			Name: fieldSANURI, Type: strictyaml.Spelling{Format: sanURIFormat},
			Description: "The URI in the client's certificate.", Examples: []any{"spiffe://example.com/orders"},
		},
		{
			Name: fieldSANIP, Type: strictyaml.Spelling{Format: sanIPFormat},
			Description: "The IP address in the client's certificate.", Examples: []any{"192.0.2.7"},
		},
		{
			Name: fieldSANEmail, Type: strictyaml.Spelling{Format: sanEmailFormat},
			Description: "The email address in the client's certificate.", Examples: []any{"orders@example.com"},
		},
		{
			Name: "scopes", Type: strictyaml.List{Of: strictyaml.Text{}, Unique: true, Most: mostScopes},
			Description: "The scopes that the Application may request.", Examples: []any{[]string{"orders.read"}},
		},
		{
			Name: "default_scopes", Type: strictyaml.List{Of: strictyaml.Text{}, NotEmpty: true, Unique: true, Most: mostScopes},
			Description: "The scopes of a request that asks for none; they are among scopes.", Examples: []any{[]string{"orders.read"}},
		},
		{
			Name: "token_lifetime", Type: strictyaml.Spelling{Format: durationFormat(leastTokenLifetime, mostTokenLifetime, "10s to 24h")},
			Description: "How long its access tokens are valid, in whole seconds, 10s to 24h.", Examples: []any{"30m"},
		},
		{
			Name: "claims", Type: strictyaml.Map{Names: claimNameFormat, Values: strictyaml.JSON{}},
			Description: "Further claims of its access tokens.", Examples: []any{map[string]string{"team": "shop"}},
		},
		{
			Name: "quota", Type: quotaObject,
			Description: "How many tokens the Application gets in a period.", Examples: []any{map[string]any{"tokens": 600, "per": "1h"}},
		},
		{
			Name: "introspection", Type: strictyaml.Bool{}, Default: false,
			Description: "Whether the Application may introspect every token of the issuer.",
		},
		{
			Name: "tls_client_certificate_bound_access_tokens", Type: strictyaml.Bool{}, Default: false,
			Description: "Whether it gets only tokens that are bound to its certificate (RFC 8705).",
		},
		{
			Name: "dpop_bound_access_tokens", Type: strictyaml.Bool{}, Default: false,
			Description: "Whether it gets only tokens that are bound to its key by DPoP (RFC 9449).",
		},
	},
	Choices: []strictyaml.Choice{{Of: wayFields(), Several: "it authenticates in one way, so keep one of them"}},
	Conditions: append(wayConditions(), strictyaml.Schema{"not": strictyaml.Schema{
		"properties": strictyaml.Schema{
			"tls_client_certificate_bound_access_tokens": strictyaml.Schema{"const": true},
			"dpop_bound_access_tokens":                   strictyaml.Schema{"const": true},
		},
		"required": []string{"tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens"},
	}}),
}

func (l *loader) application(m *mapping) {
	a := &Application{Source: m.At(m.Node).String()}
	a.ClientID, a.at = l.clientID(m)
	a.ClientName, _ = m.Text("client_name")
	a.Active = m.Boolean("active", true) // for another value, see deactivated
	a.GrantTypes = m.grantTypes()
	a.Scopes = l.scopesOf(m, a, "scopes")
	a.DefaultScopes = l.scopesOf(m, a, "default_scopes")
	a.TokenLifetime = m.tokenLifetime()
	a.Quota = m.quota()
	a.Introspection = m.Boolean("introspection", false)
	a.CertificateBound = m.Boolean("tls_client_certificate_bound_access_tokens", false)
	a.DPoPBound = m.Boolean("dpop_bound_access_tokens", false)
	if a.CertificateBound && a.DPoPBound {
		m.Refuse(m.Node, "its tokens cannot be bound to a certificate and to a key of DPoP at once; keep one")
	}
	m.claims(a)
	l.authentication(m, a)
	if n := m.Field("client_id"); a.at.Line > 0 && a.Accepts(AuthMethodBasic) && strings.ContainsAny(a.ClientID, "+%") {
		m.Warn(warning.ClientIDEscaped, n, "client_id has a + or a %%, which a client must write as %%2B or %%25 in Basic authentication (RFC 6749 section 2.3.1); curl -u does not, and fails")
	}
	if a.Active && !m.Has("scopes") && !a.Introspection {
		l.scopeless = append(l.scopeless, a)
	}
	l.applications = append(l.applications, a)
	l.hashingTime = max(l.hashingTime, 2*a.Secrets.HashingTime())
}

var clientIDFormat = &strictyaml.Format{
	Check:   CheckClientID,
	Pattern: `^[!-9;-~]{1,255}$`,
	Says:    "must be 1 to 255 visible ASCII characters without spaces and colons",
	Loose:   "a secret",
}

// clientID returns the client_id and its place. It returns no place if the client_id is
// defined twice.
func (l *loader) clientID(m *mapping) (string, strictyaml.Position) {
	id, at := m.Text("client_id")
	if at == nil || !l.define(m.At(at), m.What, "client_id", id) {
		return id, strictyaml.Position{}
	}
	return id, m.At(at)
}

func (m *mapping) grantTypes() []string {
	if !m.Has("grant_types") {
		return []string{GrantClientCredentials}
	}
	values, _ := m.Texts("grant_types")
	return values
}

// mostScopes is more than a token can hold.
const mostScopes = 1000

func (l *loader) scopesOf(m *mapping, a *Application, field string) []string {
	scopes, nodes := m.Texts(field)
	if m.Has("scopes") && m.Field("scopes") == nil {
		return scopes // the same error implies that default_scopes is not part of it
	}
	byDefault := field == "default_scopes"
	for i, scope := range scopes {
		if byDefault && !slices.Contains(a.Scopes, scope) {
			m.FailField(nodes[i], field, "has %s, which is not in scopes", strictyaml.Quote(scope))
			continue
		}
		scopes[i] = l.name(scope)
		//nolint:gosec // no file has so many lines
		l.references = append(l.references, reference{a, scopes[i], int32(nodes[i].Line), byDefault})
	}
	return scopes
}

func (l *loader) name(s string) string {
	if known, ok := l.names[s]; ok {
		return known
	}
	l.names[s] = s
	return s
}

func (m *mapping) tokenLifetime() time.Duration {
	value, n := m.Text("token_lifetime")
	d, _ := parseDuration(value)
	if d > longTokenLifetime {
		m.Warn(warning.LongTokenLifetime, n, "token_lifetime is longer than 1h: for so long, a stolen token works and a withdrawn scope is still granted")
	}
	return d
}
