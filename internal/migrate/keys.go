package migrate

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// privateMembers are those of a JWK that must not leave the client (RFC 7518 section 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// jwks returns a JWK Set without private members, as JSON in one line.
func (f *File) jwks(a *Application, set object) string {
	keys := []object{}
	for _, key := range set.objects("keys") {
		if key.text("kty") == "oct" {
			f.note("client %q: a symmetric key does not come along", a.ClientID)
			continue
		}
		private := false
		for _, member := range privateMembers {
			if _, ok := key[member]; ok {
				private = true
				delete(key, member)
			}
		}
		if private {
			f.note("client %q: a key had its private part in the export; make another key pair", a.ClientID)
		}
		delete(key, "x5c")
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return ""
	}
	encoded, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		f.note("client %q: its keys do not come along: %v", a.ClientID, err)
		return ""
	}
	return string(encoded)
}

// jwksOf returns a JWK Set of the public key in a certificate or a SubjectPublicKeyInfo,
// in base64 or PEM. It has no kid, so that an assertion may name any.
func jwksOf(encoded string) (string, error) {
	var lines []string
	for line := range strings.Lines(encoded) {
		if !strings.HasPrefix(line, "-----") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
	if err != nil {
		return "", errors.New("it is no base64")
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return "", errors.New("it is neither a certificate nor a public key")
		}
		key = certificate.PublicKey
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key}}})
	return string(set), err
}
