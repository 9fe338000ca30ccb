package application

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const (
	leastTokenLifetime = 10 * time.Second
	mostTokenLifetime  = 24 * time.Hour
	longTokenLifetime  = time.Hour
)

var applicationFields = []string{
	"client_id", "client_name", "active", "grant_types",
	"token_endpoint_auth_method", "token_endpoint_auth_signing_alg",
	"secrets", "jwks", "jwks_file", "jwks_uri", "federated",
	fieldSubjectDN, fieldSANDNS, fieldSANURI, fieldSANIP, fieldSANEmail,
	"scopes", "default_scopes", "token_lifetime", "claims", "quota", "introspection",
	"tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens",
}

// application reads
//
//	client_id: <text>
//	client_name: <text>                           # optional
//	active: true                                  # default
//	grant_types: [client_credentials]             # default
//	token_endpoint_auth_method: <method>          # default: what the next fields are for
//	secrets:                                      # see secret; or one of the next four
//	jwks: {keys: [<public JWK>, …]}
//	jwks_file: <path, from the folder of this file>
//	jwks_uri: https://…
//	federated:                                    # see federated
//	token_endpoint_auth_signing_alg: ES256        # optional, beside keys
//	tls_client_auth_…: <name>                     # see certificateName
//	scopes: [<scope>, …]
//	default_scopes: [<scope>, …]                  # optional
//	token_lifetime: 1h                            # optional
//	claims: {<name>: <value>}                     # optional
//	quota: {tokens: 600, per: 1h}                 # optional
//	introspection: false                          # default
//	tls_client_certificate_bound_access_tokens: false   # default
//	dpop_bound_access_tokens: false                     # default
func (l *loader) application(n *strictyaml.Node, index int) {
	m := l.mapping(n, l.NameOf("application", n, "client_id", index), applicationFields...)
	if m == nil {
		return
	}
	a := &Application{Source: m.At(n).String()}
	a.ClientID, a.at = l.clientID(m)
	a.ClientName = m.Label("client_name", longestName)
	a.Active = m.active()
	a.GrantTypes = m.grantTypes()
	a.Scopes = l.scopesOf(m, a, "scopes")
	a.DefaultScopes = l.scopesOf(m, a, "default_scopes")
	a.TokenLifetime = m.tokenLifetime()
	a.Quota = l.quota(m)
	a.Introspection = m.Boolean("introspection", false)
	a.CertificateBound = m.Boolean("tls_client_certificate_bound_access_tokens", false)
	a.DPoPBound = m.Boolean("dpop_bound_access_tokens", false)
	if a.CertificateBound && a.DPoPBound {
		m.Fail(n, "its tokens cannot be bound to a certificate and to a key of DPoP at once; keep one")
	}
	m.claims(a)
	l.authentication(m, a)
	if n := m.Field("client_id"); a.at.Line > 0 && a.Accepts(AuthMethodBasic) && strings.ContainsAny(a.ClientID, "+%") {
		m.Warn(n, "client_id has a + or a %%, which a client must write as %%2B or %%25 in Basic authentication (RFC 6749 section 2.3.1); curl -u does not, and fails")
	}
	if a.Active && !m.Has("scopes") && !a.Introspection {
		l.scopeless = append(l.scopeless, a)
	}
	l.applications = append(l.applications, a)
	l.hashingTime = max(l.hashingTime, 2*a.Secrets.HashingTime())
}

// clientID returns the client_id and its place. It returns no place for an invalid one,
// and no text for one that must not be shown.
func (l *loader) clientID(m *mapping) (string, strictyaml.Position) {
	id, at := m.Required("client_id")
	switch {
	case at == nil:
	case CheckClientID(id) != nil:
		m.FailField(at, "client_id", "%s", CheckClientID(id))
	case l.define(m.At(at), m.What, "client_id", id):
		return id, m.At(at)
	default:
		return id, strictyaml.Position{}
	}
	return "", strictyaml.Position{}
}

func (m *mapping) grantTypes() []string {
	if !m.Has("grant_types") {
		return []string{GrantClientCredentials}
	}
	values, nodes := m.Spellings("grant_types")
	if n := m.Field("grant_types"); strictyaml.IsEmptyList(n) {
		m.FailField(n, "grant_types", "is empty; leave it out for [%s], or write `active: false`", GrantClientCredentials)
	}
	for i, value := range values {
		if value != GrantClientCredentials {
			m.FailField(nodes[i], "grant_types", "has the unknown %s; %s", strictyaml.Quote(value), strictyaml.Known(value, []string{GrantClientCredentials}))
		}
	}
	return values
}

// mostScopes is more than fit into a token.
const mostScopes = 1000

func (l *loader) scopesOf(m *mapping, a *Application, field string) []string {
	scopes, nodes := m.Texts(field)
	if n := m.Field(field); strictyaml.IsEmptyList(n) && (a.Active || field == "default_scopes") {
		m.FailField(n, field, "is empty")
	}
	if n := m.Field("scopes"); m.Has("scopes") && !strictyaml.IsList(n) {
		return scopes // that default_scopes is not part of it follows from the error
	}
	if len(scopes) > mostScopes {
		m.FailField(m.Field(field), field, "has %d scopes; at most %d fit", len(scopes), mostScopes)
		return nil
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
	value, n := m.Spelling("token_lifetime")
	if n == nil {
		return 0
	}
	d, ok := parseDuration(value)
	switch {
	case !ok:
		m.FailField(n, "token_lifetime", "%s", noDuration(value))
	case d < leastTokenLifetime || d > mostTokenLifetime || d%time.Second != 0:
		m.FailField(n, "token_lifetime", "must be whole seconds, 10s to 24h")
	case d > longTokenLifetime:
		m.Warn(n, "token_lifetime is longer than 1h: for so long, a stolen token works and a withdrawn scope is still granted")
	}
	return d
}

// noDuration returns an error that says what to write instead. A number without a unit may
// mean seconds, like expires_in.
func noDuration(s string) string {
	const such = "is not a duration such as 1h, 90m or 1d"
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil && seconds >= uint64(leastTokenLifetime/time.Second) && seconds <= uint64(mostTokenLifetime/time.Second) {
		return fmt.Sprintf("%s; if it is in seconds, write %ds", such, seconds)
	}
	return such
}

// parseDuration reads time.ParseDuration's format, with days (of 24 hours) in front.
func parseDuration(s string) (time.Duration, bool) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	count, err := strconv.ParseUint(days, 10, 8)
	if err != nil {
		return 0, false
	}
	d := time.Duration(0)
	if rest != "" {
		if d, err = time.ParseDuration(rest); err != nil || d < 0 {
			return 0, false
		}
	}
	return time.Duration(count)*24*time.Hour + d, true
}
