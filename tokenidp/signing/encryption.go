package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// Encryption encrypts the private keys in the storage (AES-256-GCM, NIST SP
// 800-38D). The public halves stay readable, so that a server that only verifies
// needs no key encryption key.
type Encryption struct {
	keys []keyEncryptionKey // the first encrypts, all decrypt
}

// keyEncryptionKey is a key from the configuration. It is never stored.
type keyEncryptionKey struct {
	id   string // shown to operators, and stored: it reveals nothing about the secret
	aead cipher.AEAD
}

// keyEncryptionKeySize is in bytes.
const keyEncryptionKeySize = 32

// NewEncryption returns an Encryption with key encryption keys of 32 random bytes each, in
// base64. The first one encrypts, all of them decrypt. The errors never have a key.
func NewEncryption(encoded ...string) (*Encryption, error) {
	e := new(Encryption)
	for i, text := range encoded {
		k, err := newKeyEncryptionKey(text)
		if err != nil {
			return nil, fmt.Errorf("key encryption key %d: %w", i+1, err)
		}
		e.keys = append(e.keys, k)
	}
	if len(e.keys) == 0 {
		return nil, errors.New("no key encryption key")
	}
	return e, nil
}

func newKeyEncryptionKey(encoded string) (keyEncryptionKey, error) {
	// The base64 may be standard or URL-safe, padded or not.
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(string(ascii.WithoutBOM([]byte(encoded)))), "="))
	secret, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || len(secret) != keyEncryptionKeySize { // the error would quote the secret's characters
		return keyEncryptionKey{}, fmt.Errorf("it is not base64 of %d bytes; make one with: openssl rand -base64 %d", keyEncryptionKeySize, keyEncryptionKeySize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return keyEncryptionKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return keyEncryptionKey{}, err
	}
	digest := sha256.Sum256(append([]byte("tokenidp key encryption key\x00"), secret...))
	return keyEncryptionKey{id: hex.EncodeToString(digest[:4]), aead: aead}, nil
}

// ids lists the ids of all keys, for an operator.
func (e *Encryption) ids() string {
	if e == nil {
		return "none"
	}
	ids := make([]string, 0, len(e.keys))
	for _, k := range e.keys {
		ids = append(ids, k.id)
	}
	return strings.Join(ids, ", ")
}

// sealed is an encrypted private key.
type sealed struct {
	KeyEncryptionKey string `json:"key_encryption_key"` // its id
	Ciphertext       []byte `json:"ciphertext"`         // of the private JWK
}

// seal encrypts the private half of a new key.
func (e *Encryption) seal(issuer string, k *Key) error {
	if e == nil {
		return nil
	}
	private, err := json.Marshal(jose.JSONWebKey{Key: k.private})
	if err != nil {
		return err
	}
	k.sealed = &sealed{
		KeyEncryptionKey: e.keys[0].id,
		Ciphertext:       e.keys[0].aead.Seal(nil, nil, private, binding(issuer, k)), //nolint:gosec // this AEAD draws its nonces itself
	}
	return nil
}

// open returns the key with its private half, or the same key if no key encryption key
// decrypts it.
func (e *Encryption) open(issuer string, k *Key) (*Key, error) {
	if e == nil || k.sealed == nil {
		return k, nil
	}
	for _, kek := range e.keys {
		if kek.id != k.sealed.KeyEncryptionKey {
			continue
		}
		plain, err := kek.aead.Open(nil, nil, k.sealed.Ciphertext, binding(issuer, k))
		if err != nil {
			return nil, errors.New("its private key is damaged: it cannot be decrypted with the key encryption key that it names")
		}
		return k.withJWK(plain)
	}
	return k, nil
}

// withJWK returns the key with the private half of the JWK.
func (k *Key) withJWK(plain []byte) (*Key, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(plain); err != nil {
		return nil, errors.New("its private key is not a JWK")
	}
	private, err := storedPrivate(jwk)
	if err != nil {
		return nil, err
	}
	return k.with(private)
}

// binding is authenticated with the private key, so it can be decrypted in its own entry
// only.
func binding(issuer string, k *Key) []byte {
	return []byte(strings.Join([]string{
		"tokenidp signing key", issuer, k.ID, k.Algorithm, k.thumbprint,
		k.CreatedAt.UTC().Format(time.RFC3339Nano), k.SignsFrom.UTC().Format(time.RFC3339Nano),
	}, "\n"))
}
