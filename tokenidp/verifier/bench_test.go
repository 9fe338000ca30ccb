package verifier

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// manyTokens are the tokens that a busy server remembers. Ed25519 signs fastest, and has no
// effect once they are remembered.
const manyTokens = 10_000

func remembering(t testing.TB) (v *Verifier, authorizations [][]string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	o := Options{URL: issuerA, Algorithms: []string{"EdDSA"}, Keys: keySet{ecKID: publicKey(t, ecKID, "EdDSA", key.Public())}}
	v = newWith(t, clock, 0, o)
	for i := range manyTokens {
		// The signature of RS256 is longer than that of EdDSA, and all of it is hashed.
		more := object{"jti": strconv.Itoa(i), "longer": strings.Repeat("x", rsaSignature-ed25519.SignatureSize)}
		token := compact(header(object{"alg": "EdDSA"}), claims(more), byEd25519(key))
		if _, err := v.Verify(context.Background(), token); err != nil {
			t.Fatal(err)
		}
		authorizations = append(authorizations, []string{"Bearer " + token})
	}
	return v, authorizations
}

const rsaSignature = 256

// check does everything that a protected route does before its own requirement. The header
// is the same each time, because a server has just read it.
func check(v *Verifier, h http.Header, authorization []string) error {
	h["Authorization"] = authorization
	presented, err := PresentedToken(h)
	if err != nil {
		return err
	}
	_, err = v.Verify(context.Background(), presented.Token)
	return err
}

func BenchmarkVerifyRemembered(b *testing.B) {
	v, authorizations := remembering(b)
	b.Logf("%d tokens of %d bytes", manyTokens, len(authorizations[0][0]))
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		h := make(http.Header)
		for i := 0; b.Loop(); i++ {
			if err := check(v, h, authorizations[i%manyTokens]); err != nil {
				b.Fatal(err)
			}
		}
	})
	parallel := func(tokens int) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				h := make(http.Header)
				for i := 0; pb.Next(); i++ {
					if err := check(v, h, authorizations[i%tokens]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("parallel", parallel(manyTokens))
	b.Run("parallel, one token", parallel(1))
}

// The key is found in a map and no token is remembered, so that the benchmark measures one
// verification: the signature, and our own work.
func benchmarkVerify(b *testing.B, v *Verifier, token string) {
	ctx := context.Background()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(ctx, token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Verify(ctx, token); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkVerifyRS256(b *testing.B) {
	benchmarkVerify(b, newVerifier(b).forgetful, compact(header(object{"alg": "RS256", "kid": rsaKID}), claims(nil), byRS256))
}

func BenchmarkVerifyES256(b *testing.B) {
	benchmarkVerify(b, newVerifier(b).forgetful, goodToken())
}

func BenchmarkVerifyEdDSA(b *testing.B) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	o := Options{URL: issuerA, Algorithms: []string{"EdDSA"}, Keys: keySet{ecKID: publicKey(b, ecKID, "EdDSA", key.Public())}}
	benchmarkVerify(b, newWith(b, clock, -1, o), compact(header(object{"alg": "EdDSA"}), claims(nil), byEd25519(key)))
}

// A refusal must cost an attacker more than it costs us.
func BenchmarkVerifyUnknownKey(b *testing.B) {
	v, ctx, token := newVerifier(b).mindful, context.Background(), headed(header(object{"kid": "x"}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(ctx, token); err == nil {
			b.Fatal("accepted")
		}
	}
}

// The comparisons with request.path cost more than others: see compareBoth.
func BenchmarkExpression(b *testing.B) {
	c := &Claims{Audience: []string{"orders-api"}, all: claimsOf(object{"tenant": "acme", "groups": []any{"a", "b", "c"}})}
	r := httptest.NewRequest("GET", "/tenants/acme/orders/17", nil)
	for name, source := range map[string]string{
		"claim":   `claims.tenant == "acme"`,
		"list":    `"c" in claims.groups && client_id != "x"`,
		"literal": `claims.tenant.matches("^[a-z]+$")`,
		"path":    `request.path.startsWith("/tenants/" + claims.tenant + "/")`,
		"pattern": `request.path.matches("^/tenants/[a-z]+/orders/[0-9]+$")`,
	} {
		e, err := NewExpression(source)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := e.evaluate(c, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
