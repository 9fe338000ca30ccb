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

// entryVersion is the format of a storage entry. A reader leaves entries of
// another version alone, so that two versions can share one storage.
const entryVersion = 1

// errOtherVersion marks an entry that a newer release wrote.
var errOtherVersion = errors.New("written by a newer version of this software, which it takes to read it")

// entry is what the storage holds for one key: written once, never overwritten.
type entry struct {
	Version   int       `json:"version"`
	Issuer    string    `json:"issuer"`
	KeyID     string    `json:"kid"`
	CreatedAt time.Time `json:"created_at"`
	// SignsFrom is missing where the key signed from the moment it was made:
	// releases that could not rotate wrote no other.
	SignsFrom *time.Time      `json:"signs_from,omitempty"`
	Key       jose.JSONWebKey `json:"key"`
}

// entryName names the entry of a key by its id and its RFC 7638 thumbprint: two
// writers that pick the same id never overwrite each other.
func entryName(k *Key) string {
	return k.ID + "." + k.thumbprint + ".json"
}

// parseEntryName tells a key's entry from anything else in the folder, such as
// the temporary file of a writer that was killed.
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
	return json.Marshal(entry{
		Version:   entryVersion,
		Issuer:    issuer,
		KeyID:     k.ID,
		CreatedAt: k.CreatedAt.UTC(),
		SignsFrom: &signsFrom,
		Key:       jose.JSONWebKey{Key: k.private, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"},
	})
}

// decodeEntry reads an entry and believes nothing of it: the key must be one that
// could have been made here, and the contents must be what the entry's name
// says.
func decodeEntry(data []byte, issuer string, id keyID, thumbprint string) (*Key, error) {
	// The version first, alone: what else an entry of another version holds is
	// not ours to judge.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not a key entry: %w", err)
	}
	if head.Version > entryVersion {
		return nil, errOtherVersion
	}
	if head.Version != entryVersion {
		return nil, errors.New("not a key entry: it has no version")
	}
	var e entry
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("not a key entry: %w", err)
	}
	if e.Issuer != issuer {
		return nil, fmt.Errorf("belongs to issuer %q", e.Issuer)
	}
	if e.KeyID != id.String() || e.Key.KeyID != e.KeyID {
		return nil, errors.New("its kid is not the one in its name")
	}
	private, ok := e.Key.Key.(crypto.Signer)
	if !ok || e.Key.Use != "sig" {
		return nil, errors.New("holds no private key for signing")
	}
	if key, ok := private.(*rsa.PrivateKey); ok {
		if key.E != rsaExponent {
			return nil, fmt.Errorf("its RSA exponent is %d, not %d", key.E, rsaExponent)
		}
		key.Precompute()
	}
	signsFrom := e.CreatedAt
	if e.SignsFrom != nil {
		signsFrom = *e.SignsFrom
	}
	k, err := newKey(e.KeyID, e.Key.Algorithm, e.CreatedAt, signsFrom, private)
	if err != nil {
		return nil, err
	}
	if k.thumbprint != thumbprint {
		return nil, errors.New("its thumbprint is not the one in its name")
	}
	return k, nil
}
