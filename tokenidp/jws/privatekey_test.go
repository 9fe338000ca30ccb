package jws

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Every kind of key is made, passes the gate, and is read again in each spelling.
func TestPrivateKeys(t *testing.T) {
	for _, algorithm := range Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			private, err := GeneratePrivate(algorithm)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := NewKey("", algorithm, private.Public()); err != nil {
				t.Error(err)
			}
			if got := AlgorithmOf(private.Public()); got != algorithm && (got != "" || algorithm[1] != 'S' || algorithm[0] == 'E') {
				t.Errorf("its algorithm is %q", got)
			}
			der, err := x509.MarshalPKCS8PrivateKey(private)
			spellings := []string{pemOf(t, "PRIVATE KEY", der, err)}
			switch key := private.(type) {
			case *rsa.PrivateKey:
				spellings = append(spellings, pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil))
			case *ecdsa.PrivateKey:
				der, err := x509.MarshalECPrivateKey(key)
				spellings = append(spellings, pemOf(t, "EC PRIVATE KEY", der, err))
			}
			for _, text := range append(spellings, "\uFEFF"+spellings[0]) {
				if !strings.HasPrefix(text, "\uFEFF") {
					text = "a key:\n" + text
				}
				read, err := ParsePrivatePEM([]byte(text + pemOf(t, "CERTIFICATE", []byte{1}, nil)))
				if err != nil || len(read) != 1 || !samePrivate(read[0], private) {
					t.Errorf("%v, %v", read, err)
				}
			}
		})
	}
}

// RFC 8725 section 3.1: a key that names no algorithm has one all the same, or is told
// why it has none.
func TestDefaultAlgorithm(t *testing.T) {
	public := func(private crypto.Signer, err error) crypto.PublicKey {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return private.Public()
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	x25519, err2 := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, row := range []struct {
		public     crypto.PublicKey
		want, says string
	}{
		{public(GeneratePrivate("PS512")), "RS256", ""},
		{public(GeneratePrivate("ES256")), "ES256", ""},
		{public(GeneratePrivate("ES384")), "ES384", ""},
		{public(GeneratePrivate("ES512")), "ES512", ""},
		{public(GeneratePrivate("EdDSA")), "EdDSA", ""},
		{p224.Public(), "", "of the curve P-224; RSA, P-256, P-384, P-521 and Ed25519 are accepted"},
		{x25519.Public(), "", "of another kind; RSA, P-256"},
		{nil, "", "of another kind"},
	} {
		got, err := DefaultAlgorithm(row.public)
		if got != row.want || (err == nil) != (row.says == "") || err != nil && (!errors.Is(err, ErrKey) || !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%T: %q, %v", row.public, got, err)
		}
	}
}

func TestPrivateKeysThatAreRefused(t *testing.T) {
	agreeing, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(agreeing)
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}}))
	for _, row := range []struct{ name, text, says string }{
		{"for key agreement", pemOf(t, "PRIVATE KEY", der, err), "not a private key of a kind that signs"},
		{"no key", pemOf(t, "PRIVATE KEY", []byte("marigold"), nil), "cannot be read as a key"},
		{"with a passphrase", pemOf(t, "ENCRYPTED PRIVATE KEY", []byte("marigold"), nil), "openssl pkey"},
		{"with a passphrase, of old", encrypted, "openssl pkey"},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys, err := ParsePrivatePEM([]byte(row.text))
			if err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "marigold") {
				t.Errorf("%v, %v", keys, err)
			}
		})
	}
	if keys, err := ParsePrivatePEM([]byte("marigold")); err != nil || len(keys) != 0 {
		t.Errorf("no PEM: %v, %v", keys, err)
	}
	if _, err := GeneratePrivate("HS256"); err == nil {
		t.Error("a key is made for HS256")
	}
}

func samePrivate(one, other crypto.Signer) bool {
	return one.(interface{ Equal(crypto.PrivateKey) bool }).Equal(other)
}
