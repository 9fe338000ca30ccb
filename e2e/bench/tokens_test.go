//go:build linux

package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// keys are the issuers', made here so that the tokens can be too: /token alone
// would take a minute for those that are used once.
var keys = map[string]func() crypto.Signer{
	"RS256": sync.OnceValue(func() crypto.Signer {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		return must(key, err)
	}),
	"ES256": sync.OnceValue(func() crypto.Signer {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return must(key, err)
	}),
	"EdDSA": sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	}),
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func encodeKey(b *testing.B, algorithm string) []byte {
	b.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(keys[algorithm]())
	check(b, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// sign is what an issuer cannot do without: one signature of the standard library.
func sign(algorithm string, input []byte) []byte {
	switch key := keys[algorithm]().(type) {
	case *rsa.PrivateKey:
		digest := sha256.Sum256(input)
		return must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]))
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		must(r, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input)
	}
	panic("no key for " + algorithm)
}

// tokenRequest asks an issuer for a token, as its client would.
func (s *server) tokenRequest(issuer, clientID string) *http.Request {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}}
	r := must(http.NewRequest(http.MethodPost, "http://"+s.site+"/"+issuer+"/token", strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(s.secrets[clientID]))
	return r
}

// tokens are n of an issuer's: a real one, and others that differ in jti.
func (s *server) tokens(b *testing.B, issuer, algorithm string, n int) []string {
	b.Helper()
	response, err := http.DefaultClient.Do(s.tokenRequest(issuer, "generated"))
	check(b, err)
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	check(b, json.NewDecoder(response.Body).Decode(&answer))
	parts := strings.Split(answer.AccessToken, ".")
	if len(parts) != 3 {
		b.Fatalf("no token from %s: %d", issuer, response.StatusCode)
	}
	var claims map[string]any
	check(b, json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[1])), &claims))
	tokens := make([]string, n)
	for i := range tokens {
		claims["jti"] = fmt.Sprintf("%022d", i)
		input := parts[0] + "." + base64.RawURLEncoding.EncodeToString(must(json.Marshal(claims)))
		tokens[i] = input + "." + base64.RawURLEncoding.EncodeToString(sign(algorithm, []byte(input)))
	}
	return tokens
}
