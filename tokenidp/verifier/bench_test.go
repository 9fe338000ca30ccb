package verifier

import (
	"context"
	"testing"
)

// The key is found in a map and no token is remembered, so that what is measured
// is one verification: RSA or ECDSA, and what is ours around it.
func benchmarkVerify(b *testing.B, token string) {
	v, ctx := newVerifier(b), context.Background()
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
	benchmarkVerify(b, compact(header(object{"alg": "RS256", "kid": rsaKID}), claims(nil), byRS256))
}

func BenchmarkVerifyES256(b *testing.B) {
	benchmarkVerify(b, goodToken())
}

// A refusal must cost an attacker more than it costs us.
func BenchmarkVerifyUnknownKey(b *testing.B) {
	v, ctx, token := newVerifier(b), context.Background(), headed(header(object{"kid": "x"}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(ctx, token); err == nil {
			b.Fatal("accepted")
		}
	}
}
