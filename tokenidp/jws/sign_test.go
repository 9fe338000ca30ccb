package jws

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// elsewhere is a key of which nothing is known but that it signs, as one in a KMS.
type elsewhere struct{ crypto.Signer }

func (e elsewhere) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return e.Signer.Sign(random, digest, opts)
}

// RFC 7515 section 5.1; RFC 7518 sections 3.3 to 3.5; RFC 8037 section 3.1. The
// signatures are verified by go-jose too, which is not ours.
func TestSignWithEveryAlgorithm(t *testing.T) {
	const payload = `{"sub":"orders-worker"}`
	for _, alg := range Algorithms {
		t.Run(alg, func(t *testing.T) {
			private := privateKey(t, alg)
			key := newKey(t, alg, private.Public())
			for range 20 { // numbers with a leading zero are among them, sooner or later
				token, err := Sign(elsewhere{private}, alg, b64(`{"alg":"`+alg+`","kid":"k","typ":"at+jwt"}`), []byte(payload))
				if err != nil {
					t.Fatal(err)
				}
				m, err := Parse(token)
				if err != nil {
					t.Fatal(err)
				}
				if want := (Header{Algorithm: alg, KeyID: "k", Type: "at+jwt", HasKeyID: true, HasType: true}); m.Header != want || m.Payload != payload {
					t.Errorf("read %+v", m)
				}
				if err := key.Verify(m.SigningInput, m.Signature); err != nil {
					t.Error(err)
				}
				object, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := object.Verify(private.Public()); err != nil {
					t.Errorf("go-jose: %v", err)
				}
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	for alg, private := range map[string]crypto.Signer{
		"none": privateKey(t, "ES256"), "HS256": privateKey(t, "ES256"), "": privateKey(t, "EdDSA"),
		"ES256": privateKey(t, "EdDSA"), "ES384": privateKey(t, "RS256"),
	} {
		if token, err := Sign(private, alg, "e30", []byte("{}")); err == nil {
			t.Errorf("%q: %s", alg, token)
		}
	}
}

// RFC 7518 section 3.4: each number has the length of the curve's, with zeros
// before it.
func TestFixedWidth(t *testing.T) {
	for name, row := range map[string]struct{ der, want []byte }{
		"short ones":             {[]byte{0x30, 6, 2, 1, 1, 2, 1, 2}, []byte{0, 1, 0, 2}},
		"the first bit is set":   {[]byte{0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0xff}, []byte{0, 0x80, 0, 0xff}},
		"as long as the curve's": {[]byte{0x30, 9, 2, 2, 1, 2, 2, 3, 0, 0xfe, 4}, []byte{1, 2, 0xfe, 4}},
		"too long":               {[]byte{0x30, 8, 2, 3, 1, 2, 3, 2, 1, 1}, nil},
		"negative":               {[]byte{0x30, 6, 2, 1, 0x80, 2, 1, 2}, nil},
		"one number":             {[]byte{0x30, 3, 2, 1, 1}, nil},
		"three numbers":          {[]byte{0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3}, nil},
		"something behind it":    {[]byte{0x30, 6, 2, 1, 1, 2, 1, 2, 0}, nil},
		"cut off":                {[]byte{0x30, 6, 2, 1, 1, 2, 1}, nil},
		"no ASN.1":               {[]byte{0, 1, 0, 2}, nil},
		"nothing":                {nil, nil},
	} {
		got, err := fixedWidth(row.der, 2)
		if !bytes.Equal(got, row.want) || (err == nil) != (row.want != nil) || err != nil && !errors.Is(err, errNotDER) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}
