package signing

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// clearVersion is the format of an entry that holds the whole key.
	clearVersion = 1
	// publicVersion is the format of an entry that has the public half unencrypted, and
	// the private half of a key that was made here encrypted. Entries of a later version
	// are ignored, so two versions can share one storage.
	publicVersion = 2
)

// errOtherVersion marks an entry that a newer release wrote.
var errOtherVersion = errors.New("written by a newer version of this software, which it takes to read it")

// entry is the stored entry of a key. It is written once, never overwritten.
type entry struct {
	Version   int       `json:"version"`
	Issuer    string    `json:"issuer"`
	KeyID     string    `json:"kid"`
	CreatedAt time.Time `json:"created_at"`
	// SignsFrom is absent if the key signed from the moment it was made. Old releases
	// without rotation wrote only such keys.
	SignsFrom *time.Time      `json:"signs_from,omitempty"`
	Key       jose.JSONWebKey `json:"key"`
	// PrivateKey is the private half, from publicVersion on. A key from outside
	// has none here.
	PrivateKey *sealed `json:"private_key,omitempty"`
}

// entryName returns the name of an entry: the id and the RFC 7638 thumbprint of the key.
// So two writers that choose the same id never overwrite each other.
func entryName(k *Key) string {
	return k.kid.String() + "." + k.thumbprint + ".json"
}

// parseEntryName parses the name of a key's entry. ok is false for anything else in the
// folder, such as the temporary file of a killed process.
func parseEntryName(storageKey string) (id keyID, thumbprint string, ok bool) {
	base, isJSON := strings.CutSuffix(path.Base(storageKey), ".json")
	dot := strings.LastIndexByte(base, '.')
	if !isJSON || dot < 0 {
		return keyID{}, "", false
	}
	id, ok = parseKeyID(base[:dot])
	return id, base[dot+1:], ok
}

func encodeEntry(issuer string, k *Key) ([]byte, error) {
	signsFrom := k.SignsFrom.UTC()
	e := entry{
		Version:    clearVersion,
		Issuer:     issuer,
		KeyID:      k.ID,
		CreatedAt:  k.CreatedAt.UTC(),
		SignsFrom:  &signsFrom,
		Key:        jose.JSONWebKey{Key: k.private, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"},
		PrivateKey: k.sealed,
	}
	if k.sealed != nil || k.outside {
		e.Version, e.Key = publicVersion, k.public.JWK()
	}
	return json.Marshal(e)
}

// decodeEntry parses an entry, and checks everything: the key must be one that could have
// been made here, and the contents must fit the entry's name. An encrypted private half
// stays encrypted.
func decodeEntry(data []byte, issuer string, id keyID, thumbprint string) (*Key, error) {
	// The version comes first, because an entry of another version may have other content.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not a key entry: %w", err)
	}
	switch {
	case head.Version > publicVersion:
		return nil, errOtherVersion
	case head.Version < clearVersion:
		return nil, errors.New("not a key entry: it has no version")
	}
	var e entry
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("not a key entry: %w", err)
	}
	if e.Issuer != issuer {
		return nil, fmt.Errorf("belongs to issuer %q", e.Issuer)
	}
	if fits := e.KeyID == id.String() || id.outside() && plainKeyID(e.KeyID); !fits || e.Key.KeyID != e.KeyID {
		return nil, errors.New("its kid is not the one in its name")
	}
	k, err := e.decode()
	if err != nil {
		return nil, err
	}
	if k.thumbprint != thumbprint {
		return nil, errors.New("its thumbprint is not the one in its name")
	}
	if k.kid = id; k.outside != id.outside() {
		return nil, errors.New("its name and its contents differ about where its private half is kept")
	}
	return k, nil
}

// decode returns the key of an entry of a known version.
func (e *entry) decode() (*Key, error) {
	signsFrom := e.CreatedAt
	if e.SignsFrom != nil {
		signsFrom = *e.SignsFrom
	}
	if e.Version == publicVersion {
		if !e.Key.IsPublic() || e.Key.Use != "sig" {
			return nil, errors.New("holds no public key for verifying")
		}
		k, err := newPublicKey(e.KeyID, e.Key.Algorithm, e.CreatedAt, signsFrom, e.Key.Key)
		if err != nil {
			return nil, err
		}
		k.sealed, k.outside = e.PrivateKey, e.PrivateKey == nil
		return k, nil
	}
	if e.Key.Use != "sig" {
		return nil, errNoPrivateKey
	}
	private, err := storedPrivate(e.Key)
	if err != nil {
		return nil, err
	}
	return newKey(e.KeyID, e.Key.Algorithm, e.CreatedAt, signsFrom, private)
}

var errNoPrivateKey = errors.New("holds no private key for signing")

// storedPrivate returns the private half of a JWK, with precomputed values. It refuses an
// RSA key that was not made here.
func storedPrivate(jwk jose.JSONWebKey) (crypto.Signer, error) {
	private, ok := jwk.Key.(crypto.Signer)
	if !ok {
		return nil, errNoPrivateKey
	}
	if key, isRSA := private.(*rsa.PrivateKey); isRSA {
		if key.E != rsaExponent {
			return nil, fmt.Errorf("its RSA exponent is %d, not %d", key.E, rsaExponent)
		}
		key.Precompute()
	}
	return private, nil
}
