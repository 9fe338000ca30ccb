//go:build !goexperiment.boringcrypto

package jws

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// standing is the signature of an encoding, which need not be the right one.
func standing(encoding []byte) []byte {
	private, s := rsaPrivate(), new(big.Int).SetBytes(encoding)
	s.Mod(s, private.N)
	return s.Exp(s, private.D, private.N).FillBytes(make([]byte, private.Size()))
}

// agreed is the verdict of the standard library, which ours has to be.
func agreed(t *testing.T, signature []byte) bool {
	t.Helper()
	a, input, public := algorithms["RS256"], []byte("signing input"), &rsaPrivate().PublicKey
	want := rsa.VerifyPKCS1v15(public, crypto.SHA256, a.digest(input), signature) == nil
	if newKey(t, "RS256", public).pkcs1v15.verifies(crypto.SHA256, a.digest(input), signature) != want {
		t.Errorf("%x: the standard library says %v", signature, want)
	}
	return want
}

func rightEncoding() []byte {
	encoding := make([]byte, rsaPrivate().Size())
	encodePKCS1v15(encoding, crypto.SHA256, algorithms["RS256"].digest([]byte("signing input")))
	return encoding
}

// RFC 8017 section 8.2.2: every bit of the encoding counts, wherever it is.
func TestVerifyPKCS1v15AgreesWithTheStandardLibrary(t *testing.T) {
	if newKey(t, "RS256", rsaPrivate().Public()).pkcs1v15.prepared() == nil {
		t.Fatal("the standard library is compared with itself")
	}
	if !agreed(t, standing(rightEncoding())) {
		t.Error("the right encoding is refused")
	}
	for i := range rightEncoding() {
		for _, flip := range []byte{1, 0x80, 0xff} {
			encoding := rightEncoding()
			if encoding[i] ^= flip; agreed(t, standing(encoding)) {
				t.Errorf("byte %d is ignored", i)
			}
		}
	}
}

func TestVerifyPKCS1v15RefusesForgeries(t *testing.T) {
	size, right := rsaPrivate().Size(), rightEncoding()
	block := right[slices.Index(right[2:], 0)+2:] // from the zero before the digest's name
	shifted := func(padding int) []byte {         // garbage after the digest (CVE-2006-4339)
		encoding := append([]byte{0, 1}, slices.Repeat([]byte{0xff}, padding)...)
		return slices.Concat(encoding, block, make([]byte, size-len(encoding)-len(block)))
	}
	withoutNull := slices.Concat([]byte{0x30, 0x2f, 0x30, 0x0b}, block[5:16], block[18:]) // of the shorter lengths
	good, n := standing(right), rsaPrivate().N
	plus := new(big.Int).Add(new(big.Int).SetBytes(good), n)
	for name, signature := range map[string][]byte{
		"empty":                  {},
		"zero":                   make([]byte, size),
		"one":                    standing(append(make([]byte, size-1), 1)),
		"n":                      n.Bytes(),
		"n-1":                    new(big.Int).Sub(n, big.NewInt(1)).Bytes(),
		"n added":                plus.Bytes(),
		"longer by a zero":       append([]byte{0}, good...),
		"longer at the end":      append(slices.Clone(good), 0),
		"shorter":                good[1:],
		"garbage, padding of 8":  standing(shifted(8)),
		"garbage, no padding":    standing(shifted(0)),
		"without NULL":           standing(slices.Concat([]byte{0, 1}, slices.Repeat([]byte{0xff}, size-3-len(withoutNull)), []byte{0}, withoutNull)),
		"the encoding itself":    right,
		"of all ones":            slices.Repeat([]byte{0xff}, size),
		"type 2":                 standing(slices.Concat([]byte{0, 2}, right[2:])),
		"digest of another hash": standing(slices.Concat(right[:size-1], []byte{^right[size-1]})),
	} {
		if agreed(t, signature) {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzVerifyPKCS1v15(f *testing.F) {
	f.Add(rightEncoding(), true)
	f.Add(standing(rightEncoding()), false)
	f.Fuzz(func(t *testing.T, data []byte, encoding bool) {
		if encoding {
			data = standing(data)
		}
		agreed(t, data)
	})
}

// In FIPS 140-3 mode, only the validated module verifies.
func TestFIPSModeLeavesRSAToTheStandardLibrary(t *testing.T) {
	if !fips140.Enabled() {
		program := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		program.Env = append(os.Environ(), "GODEBUG=fips140=on")
		if output, err := program.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return
	}
	key := newKey(t, "RS256", rsaPrivate().Public())
	if err := key.Verify("signing input", standing(rightEncoding())); err != nil {
		t.Error(err)
	}
	if key.pkcs1v15.prepared() != nil {
		t.Error("the key is prepared")
	}
}
