// Package client is the client's side of the client credentials grant (RFC 6749
// section 4.4): it finds a token endpoint, proves who it is there in each way that
// the endpoint knows, and gets a token. It logs nothing, and what it was given as a
// secret is in none of its errors.
package client

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// Key is a client's own key pair, which signs its assertions or its DPoP proofs. It
// belongs to one algorithm.
type Key struct {
	public  *jws.Key
	private crypto.Signer
}

// GenerateKey returns a new key pair for one of [jws.Algorithms].
func GenerateKey(algorithm string) (*Key, error) {
	private, err := jws.GeneratePrivate(algorithm)
	if err != nil {
		return nil, err
	}
	return newKey(private, algorithm)
}

// ParseKey reads the one private key in PEM. Without an algorithm, the key has that
// of its type, as the server takes it for: see [jws.DefaultAlgorithm].
func ParseKey(text []byte, algorithm string) (*Key, error) {
	keys, err := jws.ParsePrivatePEM(text)
	switch {
	case err != nil:
		return nil, err
	case len(keys) != 1:
		return nil, fmt.Errorf("there are %d private keys in it, not one; write one as PEM", len(keys))
	}
	if algorithm == "" {
		if algorithm, err = jws.DefaultAlgorithm(keys[0].Public()); err != nil {
			return nil, err
		}
	}
	return newKey(keys[0], algorithm)
}

func newKey(private crypto.Signer, algorithm string) (*Key, error) {
	public, err := jws.NewKey("", algorithm, private.Public())
	if err != nil {
		return nil, err
	}
	public.ID = public.Thumbprint()
	return &Key{public, private}, nil
}

// Named returns the key with the kid under which the server has registered it.
func (k *Key) Named(kid string) *Key {
	public := *k.public
	public.ID = kid
	return &Key{&public, k.private}
}

// Public is what the server registers. Its kid is its thumbprint (RFC 7638), unless
// it was [Key.Named].
func (k *Key) Public() *jws.Key { return k.public }

// PEM is the private key as PKCS #8.
func (k *Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// String keeps the private half out of whatever prints a key.
func (k *Key) String() string { return k.public.ID }

// header is the protected one (RFC 7515 section 4).
type header struct {
	Type      string           `json:"typ"`
	Algorithm string           `json:"alg"`
	KeyID     string           `json:"kid,omitempty"`
	Key       *jose.JSONWebKey `json:"jwk,omitempty"`
}

// sign makes a compact JWS with the kid in its header, or, where embed asks for it,
// the public key itself.
func (k *Key) sign(typ string, embed bool, claims any) (string, error) {
	h := header{Type: typ, Algorithm: k.public.Algorithm}
	if embed {
		h.Key = &jose.JSONWebKey{Key: k.public.Public}
	} else {
		h.KeyID = k.public.ID
	}
	protected, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return jws.Sign(k.private, h.Algorithm, base64.RawURLEncoding.EncodeToString(protected), payload)
}

var errNoClientID = errors.New("client_id is missing")

// newID is 128 random bits, so that no two are the same.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: the program ends instead
	return base64.RawURLEncoding.EncodeToString(random[:])
}
