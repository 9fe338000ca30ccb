// Package statement reads what a token says of itself.
package statement

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/preset"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// Read returns what a JWT says of itself. It verifies nothing, and does not read what
// follows the second dot. It returns the zero value for a text that is not a JWT, because
// that may be a secret.
func Read(token string) adminapi.Statement {
	segments := strings.SplitN(token, ".", 3)
	if len(segments) != 3 {
		return adminapi.Statement{}
	}
	rawHeader, header := decodedObject(segments[0])
	rawClaims, claims := decodedObject(segments[1])
	if header == nil || claims == nil {
		return adminapi.Statement{}
	}
	s := adminapi.Statement{Header: rawHeader, Claims: rawClaims, Audience: stated(claims, "aud")}
	s.KeyID, _ = header["kid"].(string)
	s.Algorithm, _ = header["alg"].(string)
	s.Type, _ = header["typ"].(string)
	s.Issuer, _ = claims["iss"].(string)
	for _, name := range preset.Defaults.ClientIDClaims {
		if s.ClientID == "" {
			s.ClientID, _ = claims[name].(string)
		}
	}
	for _, name := range preset.Defaults.ScopeClaims {
		if s.Scope == "" {
			s.Scope = strings.Join(stated(claims, name), " ")
		}
	}
	s.BoundTo = statedBinding(claims)
	s.IssuedAt, s.ExpiresAt = statedTime(claims, "iat"), statedTime(claims, "exp")
	return s
}

// statedBinding describes what a token is bound to.
func statedBinding(claims map[string]any) string {
	cnf, _ := claims["cnf"].(map[string]any)
	var bound []string
	if jkt, ok := cnf["jkt"].(string); ok {
		bound = append(bound, "the DPoP key "+jkt)
	}
	if thumbprint, ok := cnf["x5t#S256"].(string); ok {
		bound = append(bound, "the certificate "+thumbprint)
	}
	return strings.Join(bound, " and ")
}

func decodedObject(segment string) (json.RawMessage, map[string]any) {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return nil, nil
	}
	object, err := strictjson.Object(raw)
	var compact bytes.Buffer
	if err != nil || json.Compact(&compact, raw) != nil {
		return nil, nil
	}
	return compact.Bytes(), object
}

// stated returns a claim that is a string or a list of strings.
func stated(claims map[string]any, name string) []string {
	var all []string
	switch value := claims[name].(type) {
	case string:
		return []string{value}
	case []any:
		for _, element := range value {
			if text, ok := element.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

func statedTime(claims map[string]any, name string) *time.Time {
	date, ok := strictjson.NumericDate(claims[name])
	if !ok {
		return nil
	}
	return adminapi.Moment(date)
}
