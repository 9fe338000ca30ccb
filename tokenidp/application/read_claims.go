package application

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// mostClaims is in bytes of JSON. A token is sent with every request.
const mostClaims = 4 << 10

// reservedClaims are the claims with the kind, issuer, subject, audience and lifetime of a
// token (RFC 7519 section 4.1, RFC 7800, RFC 8693, RFC 9068, OpenID Connect), also with
// the names of other issuers. An applications file must not set them.
var reservedClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "cnf",
	"azp", "appid", "cid", "scp", "act", "may_act", "auth_time", "acr", "amr", "sid",
	"nonce", "at_hash", "c_hash", "s_hash", "events", "token_introspection", "authorization_details",
}

var claimNameFormat = &strictyaml.Format{
	Check: func(name string) error {
		reserved := slices.ContainsFunc(reservedClaims, func(claim string) bool { return strings.EqualFold(claim, name) })
		switch {
		case !strictyaml.IsLabel(name, longestName):
			return fmt.Errorf("must have names of 1 to %d printable characters", longestName)
		case reserved:
			return fmt.Errorf("must not have %s, which this server sets, or which means something else in a token; choose another name", strictyaml.Quote(name))
		}
		return nil
	},
	Pattern: "^" + strictyaml.NoControl + "+$",
	Not:     anyCase(reservedClaims),
	Longest: longestName,
	Says:    "must be a name that has no meaning of its own in a token",
	Loose:   "a character that Unicode does not count as printable, or as another case of a letter",
}

// anyCase returns a pattern that matches the names in any case.
func anyCase(names []string) string {
	var b strings.Builder
	for _, c := range strings.Join(names, "|") {
		if c >= 'a' && c <= 'z' {
			fmt.Fprintf(&b, "[%c%c]", c-'a'+'A', c)
		} else {
			b.WriteRune(c)
		}
	}
	return "^(" + b.String() + ")$"
}

func (m *mapping) claims(a *Application) {
	object := make(map[string]any)
	for _, e := range m.Entries("claims") {
		if value, ok := m.Value(e.Value, "claims "+strictyaml.Quote(e.Name)); ok {
			object[e.Name] = value
			a.ClaimNames = append(a.ClaimNames, e.Name)
		}
	}
	if len(object) == 0 {
		return
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		m.FailField(m.Field("claims"), "claims", "cannot be written as JSON: %v", err)
		return
	}
	if encoded.Len() > mostClaims {
		m.FailField(m.Field("claims"), "claims", "have %d bytes as JSON; at most %d are accepted, since a token goes with every request", encoded.Len(), mostClaims)
	}
	a.Claims = bytes.TrimSpace(encoded.Bytes())
}

// ClaimNames returns the names of the claims of all active Applications, sorted.
func (s *Set) ClaimNames() (names []string) {
	for _, a := range s.byClientID {
		if a.Active {
			names = append(names, a.ClaimNames...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
