package signing

import (
	"bytes"
	"path"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// FuzzDecodeEntry: whatever the storage holds, a key that comes of it signs and
// verifies, and is what the entry's name says.
func FuzzDecodeEntry(f *testing.F) {
	id := keyID{"2026-03-16", 1}
	for _, algorithm := range []string{"RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"} {
		k := testKey(f, id.String(), algorithm)
		data := encoded(f, k)
		f.Add(data, k.Public().Thumbprint())
		f.Add(data[:len(data)/2], k.Public().Thumbprint())
		for _, signsFrom := range []string{"", `"signs_from":null,`, `"signs_from":"9999-12-31T23:59:59Z",`, `"signs_from":"0001-01-01T00:00:00Z",`,
			`"signs_from":"2026-03-16T23:30:00+02:00",`, `"signs_from":1,`, `"signs_from":[],`, `"signs_from":"never",`} {
			f.Add(bytes.Replace(data, []byte(`"signs_from":"2026-03-16T23:30:00Z",`), []byte(signsFrom), 1), k.Public().Thumbprint())
		}
		f.Add(bytes.Replace(data, []byte(`"alg":"EdDSA"`), []byte(`"alg":"Ed25519"`), 1), k.Public().Thumbprint())
	}
	for _, made := range []*Key{sealedKey(f, id.String()), outsideKey(f, "from-outside")} {
		f.Add(encoded(f, made), made.Public().Thumbprint())
	}
	for _, data := range []string{
		"", "null", "[]", "{}", `{"version":1}`, `{"version":2,"key":[]}`, `{"version":3}`, `{"version":1e99}`,
		`{"version":1,"issuer":"https://idp.example.com","kid":"2026-03-16","key":{"kty":"oct","kid":"2026-03-16","k":"AA"}}`,
		`{"version":1,"issuer":"https://idp.example.com","kid":"2026-03-16","key":{"kty":"RSA","kid":"2026-03-16","use":"sig","alg":"RS256","n":"AQ","e":"AQAB","d":"AQ","p":"AQ","q":"AQ"}}`,
		`{"version":1,"issuer":"https://idp.example.com","kid":"2026-03-16","key":{"kty":"EC","crv":"P-256","kid":"2026-03-16","use":"sig","alg":"ES256","x":"","y":"","d":""}}`,
	} {
		f.Add([]byte(data), "")
	}
	f.Fuzz(func(t *testing.T, data []byte, thumbprint string) {
		k, err := decodeEntry(data, testIssuer, id, thumbprint)
		if err != nil {
			if k != nil {
				t.Fatal("a key and an error")
			}
			return
		}
		again, err := encodeEntry(testIssuer, k)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decodeEntry(again, testIssuer, id, thumbprint); err != nil || !same.SignsFrom.Equal(k.SignsFrom) || !same.CreatedAt.Equal(k.CreatedAt) {
			t.Fatalf("written again, it reads as %+v: %v", same, err)
		}
		if !k.signs() {
			return
		}
		token, err := k.Sign([]byte(`{"sub":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		m, err := jws.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Public().Verify(m.SigningInput, m.Signature); err != nil {
			t.Fatal(err)
		}
		if k.ID != id.String() || k.Public().ID != k.ID || k.Public().Thumbprint() != thumbprint ||
			m.Header.KeyID != k.ID || m.Header.Algorithm != k.Algorithm || k.Algorithm != k.Public().Algorithm {
			t.Fatalf("key %s for %s, header %+v", k.ID, k.Algorithm, m.Header)
		}
	})
}

// FuzzParseEntryName: a name that is accepted is one that entryName could write.
func FuzzParseEntryName(f *testing.F) {
	for _, name := range []string{
		"2026-03-16.NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs.json", "2026-03-16.2.thumbprint.json",
		"tokenidp/idp.example.com-01234567/keys/2026-03-16.10.thumbprint.json", "2026-03-16.json", "2026-03-16..json",
		"2026-03-16.2.json", ".json", "json", "", "/", "..", "2026-03-16.x.json/", "2026-03-16.x.JSON", "2026-03-16.x.json.tmp",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		id, thumbprint, ok := parseEntryName(name)
		if !ok {
			return
		}
		if again := id.String() + "." + thumbprint + ".json"; again != path.Base(name) {
			t.Errorf("%q reads as %q", name, again)
		}
	})
}
