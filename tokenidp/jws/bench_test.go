package jws

import "testing"

func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			private := privateKey(b, alg)
			header, payload := b64(`{"alg":"`+alg+`"}`), make([]byte, 300) // an access token's
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(private, alg, header, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
