package jws

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"sync"

	"filippo.io/bigmod"
)

// pkcs1v15Key is a public key that verifies RSASSA-PKCS1-v1_5 signatures. The standard
// library prepares the modulus for each signature, which is a third of the work. Here it
// is prepared once.
type pkcs1v15Key struct {
	public  *rsa.PublicKey
	prepare sync.Once
	modulus *bigmod.Modulus // nil leaves the work to the standard library
}

// prepared is nil if the validated module must do the work (FIPS 140-3).
func (k *pkcs1v15Key) prepared() *bigmod.Modulus {
	k.prepare.Do(func() {
		if !boringCrypto && !fips140.Enabled() {
			k.modulus, _ = bigmod.NewModulus(k.public.N.Bytes()) // or nil
		}
	})
	return k.modulus
}

// verifies implements RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2). It compares the whole
// decrypted signature with the one correct encoding, so nothing in it is parsed.
func (k *pkcs1v15Key) verifies(hash crypto.Hash, digest, signature []byte) bool {
	modulus := k.prepared()
	if modulus == nil {
		return rsa.VerifyPKCS1v15(k.public, hash, digest, signature) == nil
	}
	if len(signature) != modulus.Size() {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, modulus)
	if err != nil { // it is not less than the modulus
		return false
	}
	var buffer [MaxRSABits / 8]byte
	want := buffer[:len(signature)]
	encodePKCS1v15(want, hash, digest)
	exponent := uint(k.public.E)
	return bytes.Equal(want, bigmod.NewNat().ExpShortVarTime(s, exponent, modulus).Bytes(modulus))
}

// encodePKCS1v15 fills the encoding with EMSA-PKCS1-v1_5 (RFC 8017 section 9.2).
func encodePKCS1v15(encoding []byte, hash crypto.Hash, digest []byte) {
	prefix := digestInfo[hash]
	padding := len(encoding) - len(prefix) - len(digest) - 1
	for i := range padding {
		encoding[i] = 0xff
	}
	encoding[0], encoding[1], encoding[padding] = 0, 1, 0
	copy(encoding[padding+1:], prefix)
	copy(encoding[padding+1+len(prefix):], digest)
}

// digestInfo is the DER before a digest (RFC 8017 section 9.2, note 1).
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}
