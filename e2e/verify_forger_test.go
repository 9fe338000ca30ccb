package e2e

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// members are those of a JSON object, as the changes to another.
type members map[string]any

// absent as a value removes the member.
type absent struct{}

// literal is a value as it is spelled.
type literal string

func (l literal) MarshalJSON() ([]byte, error) { return []byte(l), nil }

// forger makes tokens with the server's own key, so that each can be wrong in
// exactly one way.
type forger struct {
	t           *testing.T
	issuer, kid string
	key         *rsa.PrivateKey
	now         time.Time
}

// newForger takes the key of the shop's issuer out of the storage.
func newForger(t *testing.T, c *caddy) *forger {
	t.Helper()
	return newForgerOf(t, c, "https://localhost:5001")
}

func newForgerOf(t *testing.T, c *caddy, issuer string) *forger {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(c.home, ".local/share/caddy/tokenidp/*/keys/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var entry struct {
			Issuer string          `json:"issuer"`
			Key    jose.JSONWebKey `json:"key"`
		}
		if err := json.Unmarshal([]byte(read(t, name)), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Issuer == c.url(issuer) {
			return &forger{t, entry.Issuer, entry.Key.KeyID, entry.Key.Key.(*rsa.PrivateKey), time.Now()}
		}
	}
	t.Fatalf("no key of %s among %q", issuer, names)
	return nil
}

// at is a NumericDate from now.
func (f *forger) at(d time.Duration) int64 { return f.now.Add(d).Unix() }

func (f *forger) header(changes members) string {
	return f.object(members{"alg": "RS256", "typ": "at+jwt", "kid": f.kid}, changes)
}

func (f *forger) claims(changes members) string {
	return f.object(members{
		"iss": f.issuer, "sub": "orders-worker", "client_id": "orders-worker", "aud": "orders-api",
		"scope": "orders.read orders.write", "jti": "forged", "iat": f.at(-time.Minute), "exp": f.at(time.Hour),
	}, changes)
}

func (f *forger) object(base, changes members) string {
	f.t.Helper()
	object := make(members)
	maps.Copy(object, base)
	maps.Copy(object, changes)
	maps.DeleteFunc(object, func(_ string, value any) bool { _, gone := value.(absent); return gone })
	encoded, err := json.Marshal(object)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(encoded)
}

func segment[T string | []byte](s T) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign is a token of the header and the claims as they are spelled.
func (f *forger) sign(header, claims string) string { return f.signBy(f.key, header, claims) }

func (f *forger) signBy(key *rsa.PrivateKey, header, claims string) string {
	f.t.Helper()
	return compact(header, claims, func(input []byte) []byte {
		digest := sha256.Sum256(input)
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		if err != nil {
			f.t.Fatal(err)
		}
		return signature
	})
}

func compact(header, claims string, sign func(input []byte) []byte) string {
	input := segment(header) + "." + segment(claims)
	return input + "." + segment(sign([]byte(input)))
}

// headed is a token that is good but for the changes to its header.
func (f *forger) headed(changes members) string { return f.sign(f.header(changes), f.claims(nil)) }

// claiming is a token that is good but for the changes to its claims.
func (f *forger) claiming(changes members) string { return f.sign(f.header(nil), f.claims(changes)) }

func (f *forger) good() string { return f.claiming(nil) }

func byHMAC(secret []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	}
}

// attackerKey is a key that no server knows.
var attackerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// forgeries are tokens by name, all refused for one reason each.
type forgeries map[string]forgery

type forgery struct{ token, reason string }

// refuseAll presents the tokens to a route that would accept a good one.
func (f *forger) refuseAll(t *testing.T, g *guarded, rows forgeries) {
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			path := "/orders/" + segment(t.Name())
			if strings.ContainsAny(row.token, "\r\n\x00") {
				t.Fatal("no client can send this")
			}
			g.checkRefused(t, g.ask(t, "GET", path, "", bearer(row.token)), path, row.reason, "")
		})
	}
}

// claimOf reads a claim of a token without verifying anything.
func claimOf(t *testing.T, token, name string) string {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded, &claims); err != nil {
		t.Fatal(err)
	}
	value, _ := claims[name].(string)
	return value
}
