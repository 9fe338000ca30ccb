package verifier

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// FuzzVerify varies header and claims. It signs correctly unless a signature is given.
// Without header, the last argument is the whole token. The key is the same in every
// process, so that seeds stay valid.
func FuzzVerify(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	keys := keySet{ecKID: publicKey(f, ecKID, "EdDSA", public)}
	v := newTwins(f, clock,
		Options{URL: issuerA, Algorithms: []string{"EdDSA"}, Keys: keys},
		Options{URL: issuerB, Algorithms: []string{"EdDSA"}, Keys: keys, Types: []string{"jwt", ""}, Claims: foreign},
	)
	good := header(object{"alg": "EdDSA"})
	for _, seed := range [][3]string{
		{good, claims(nil), ""},
		{good, claims(object{"aud": []string{"a", "b"}, "nbf": at(0), "scope": removed{}}), ""},
		{good, claims(object{"exp": number("1e400"), "cnf": object{}}), ""},
		{good, claims(object{"exp": number("1.8e9"), "iat": 0}), ""},
		{good, `{"iss":"` + issuerA + `","iss":"x"}`, ""},
		{good, claims(nil), "\x00\x01"},
		{header(object{"alg": "Ed25519", "typ": "application/AT+JWT", "jku": "https://a.example"}), claims(nil), ""},
		{header(object{"alg": "none"}), claims(nil), ""},
		{header(object{"alg": "EdDSA", "crit": []string{"exp"}}), claims(nil), ""},
		{"", "", compact(good, claims(nil), byEd25519(key))},
		{"", "", "a.b.c"},
		{"", "", "....."},
		{header(object{"alg": "EdDSA", "typ": "JWT"}), claims(object{"iss": issuerB, "azp": "a", "scp": []string{"b"}, "scope": ""}), ""},
		{header(object{"alg": "EdDSA", "typ": removed{}}), claims(object{"iss": issuerB, "client_id": removed{}, "realm_access": object{"roles": []string{"a"}}}), ""},
		{header(object{"alg": "EdDSA", "typ": removed{}}), claims(object{"iss": issuerB, "nonce": "n"}), ""},
		{header(object{"alg": "EdDSA", "typ": "JWT"}), claims(object{"iss": issuerB, "roles": []any{"a b"}, "sub": 1}), ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, header, payload, tail string) {
		token := tail
		switch {
		case header != "" && tail == "":
			token = compact(header, payload, byEd25519(key))
		case header != "":
			token = compact(header, payload, by([]byte(tail)))
		}
		v := twins{t, v.forgetful, v.mindful}
		got, err := v.Verify(context.Background(), token)
		if err != nil {
			var refusal *Refusal
			if got != nil || !errors.As(err, &refusal) || refusal.Status != 401 || refusal.Code != "invalid_token" {
				t.Fatalf("claims %+v beside error %v", got, err)
			}
			return
		}
		dot := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		if err != nil || !ed25519.Verify(public, []byte(token[:dot]), signature) {
			t.Fatalf("accepted, but the signature does not verify: %v", err)
		}
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var standard object // a struct would fold case
		if err := json.Unmarshal(claims, &standard); err != nil {
			t.Fatal(err)
		}
		if standard["iss"] != got.Issuer || standard["exp"].(float64)+30 <= float64(now.Unix()) || len(got.Audience) == 0 || got.KeyID != ecKID ||
			slices.ContainsFunc(got.Scope, notScopeToken) {
			t.Fatalf("accepted %s as %+v", claims, got)
		}
		for name, value := range map[string]string{"sub": got.Subject, "jti": got.ID, "client_id": got.ClientID} {
			// Optional claims may be absent, and another claim may be the client's id.
			if written, found := standard[name]; written != value && (got.Issuer == issuerA || found) {
				t.Fatalf("%s of %s read as %q", name, claims, value)
			}
		}
	})
}
