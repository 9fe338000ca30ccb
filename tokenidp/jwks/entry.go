package jwks

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// entryVersion is the format of a storage entry. Entries of another format are ignored:
// the keys can be fetched again.
const entryVersion = 1

// maxEntry bounds an entry, in bytes. A set of maxBody is smaller when it is stored,
// because only the keys are.
const maxEntry = 2 * maxBody

// entry is the stored entry of an issuer: a JWK Set with further members, which RFC 7517
// section 5 permits. So it is read with the same checks as a fetched set.
type entry struct {
	Version     int               `json:"version"`
	Issuer      string            `json:"issuer"`
	FetchedAt   time.Time         `json:"fetched_at"`
	FetchedFrom string            `json:"fetched_from"`
	Discovered  bool              `json:"discovered"` // the issuer's metadata said where, not the operator
	Keys        []jose.JSONWebKey `json:"keys"`
}

func encodeEntry(issuer string, discovered bool, k *keys, fetchedAt time.Time) ([]byte, error) {
	return json.Marshal(entry{
		Version:     entryVersion,
		Issuer:      issuer,
		FetchedAt:   fetchedAt.UTC(),
		FetchedFrom: k.url,
		Discovered:  discovered,
		Keys:        k.public(),
	})
}

// public returns the keys.
func (k *keys) public() []jose.JSONWebKey {
	set := make([]jose.JSONWebKey, 0, k.count)
	for _, key := range k.all() {
		set = append(set, key.JWK())
	}
	return set
}

// decodeEntry checks everything in an entry: its issuer, where the keys came from, and the
// keys.
func decodeEntry(data []byte, issuer string, at place, algorithms []string) (*keys, time.Time, error) {
	if len(data) > maxEntry {
		return nil, time.Time{}, fmt.Errorf("more than %d KiB", maxEntry>>10)
	}
	members, err := strictjson.Object(data)
	if err != nil {
		return nil, time.Time{}, err
	}
	if members["version"] != strictjson.Number(fmt.Sprint(entryVersion)) {
		return nil, time.Time{}, fmt.Errorf("version %.20q is not %d", fmt.Sprint(members["version"]), entryVersion)
	}
	if members["issuer"] != issuer {
		return nil, time.Time{}, fmt.Errorf("belongs to issuer %.100q", fmt.Sprint(members["issuer"]))
	}
	if members["discovered"] != at.discovered() {
		return nil, time.Time{}, errors.New("was fetched when the keys were configured to be elsewhere")
	}
	from, _ := members["fetched_from"].(string)
	if !at.discovered() && from != at.jwksURL {
		return nil, time.Time{}, fmt.Errorf("was fetched from %.100q, where the keys no longer are", weburl.Display(from))
	}
	stamp, _ := members["fetched_at"].(string)
	fetchedAt, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return nil, time.Time{}, errors.New("does not say when it was fetched")
	}
	k, err := parseKeys(algorithms, document{body: data, from: weburl.Display(from), url: from}, nil)
	if err != nil {
		return nil, time.Time{}, err
	}
	k.restored = true
	return k, fetchedAt, nil
}
