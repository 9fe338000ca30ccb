package jwks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// maxReason bounds the text about one entry of a foreign document in a log or a status, in
// bytes.
const maxReason = 200

var errNoUsableKey = errors.New("the JWK Set has no usable key")

// keys is an immutable set of keys.
type keys struct {
	byID    map[string][]*jws.Key // one for each algorithm, in the order of the document
	count   int
	skipped []string // why entries were left out
	// ambiguous are kids that several keys of one algorithm have.
	ambiguous []string
	from      string // the URL without its query, or the file
	url       string // as it was fetched; may be empty
	etag      string // of the document (RFC 9110 section 8.8.3); may be empty
	// confirmed is when the issuer last confirmed that these are its keys. The age of the
	// set is measured from there.
	confirmed time.Duration
	restored  bool // from the storage, and not confirmed since
}

// parseKeys parses a JWK Set. It may have no usable key.
func parseKeys(algorithms []string, doc document, before *keys) (*keys, error) {
	set, err := jws.ParseKeySet(doc.body, algorithms...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", doc.from, clipped(err))
	}
	k := &keys{byID: make(map[string][]*jws.Key), ambiguous: set.Ambiguous, from: doc.from, url: doc.url, etag: doc.etag}
	for _, reason := range set.Skipped {
		k.skipped = append(k.skipped, clipped(reason).Error())
	}
	for i, key := range set.Keys() {
		if key.ID == "" {
			k.skipped = append(k.skipped, fmt.Sprintf("usable key %d: without kid, no token can name it", i))
			continue
		}
		k.byID[key.ID] = append(k.byID[key.ID], before.same(key))
		k.count++
	}
	return k, nil
}

// usable returns an error that says why, if there is no usable key.
func (k *keys) usable() error {
	if k.count > 0 {
		return nil
	}
	return fmt.Errorf("reading %s: %w%s", k.from, errNoUsableKey, firstOf(k.skipped))
}

// acceptable returns an error if the set is empty and must not be.
func (s *Source) acceptable(k *keys) error {
	if s.mayBeEmpty {
		return nil
	}
	return k.usable()
}

// same returns the pointer of the set before, if the key is equal. Caches of verified
// tokens compare pointers, so a refresh does not empty them.
func (k *keys) same(key *jws.Key) *jws.Key {
	if before, ok := k.key(key.ID, key.Algorithm); ok && before.Equal(key) {
		return before
	}
	return key
}

// key returns the key with this kid, compared byte for byte, and algorithm. If the kid has
// only keys of other algorithms, it returns the first of them. A nil set has no keys.
func (k *keys) key(kid, algorithm string) (*jws.Key, bool) {
	if k == nil {
		return nil, false
	}
	keys := k.byID[kid]
	for _, key := range keys {
		if key.Algorithm == algorithm {
			return key, true
		}
	}
	if len(keys) == 0 {
		return nil, false
	}
	return keys[0], true
}

// all returns the keys, sorted by kid.
func (k *keys) all() []*jws.Key {
	if k == nil {
		return nil
	}
	all := slices.Concat(slices.Collect(maps.Values(k.byID))...)
	slices.SortFunc(all, func(a, b *jws.Key) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Algorithm, b.Algorithm))
	})
	return all
}

// at returns the same set, confirmed at a time.
func (k *keys) at(confirmed time.Duration) *keys {
	again := *k
	again.confirmed = confirmed
	return &again
}

// changes compares with the set before. The kid of a replaced key is in both lists.
func (k *keys) changes(before *keys) (added, removed []string) {
	return k.without(before), before.without(k)
}

// without returns the kids of the keys that the others do not have.
func (k *keys) without(others *keys) (ids []string) {
	for _, key := range k.all() {
		if other, _ := others.key(key.ID, key.Algorithm); other != key {
			ids = append(ids, fmt.Sprintf("%.*s", maxReason, key.ID))
		}
	}
	return ids
}

// clipped shortens an error that quotes a foreign document.
func clipped(err error) error {
	if len(err.Error()) <= maxReason {
		return err
	}
	return &clippedError{err}
}

type clippedError struct{ error }

func (e *clippedError) Error() string { return fmt.Sprintf("%.*s…", maxReason, e.error.Error()) }
func (e *clippedError) Unwrap() error { return e.error }

func firstOf(reasons []string) string {
	if len(reasons) == 0 {
		return ": it is empty"
	}
	return fmt.Sprintf("; the first of %d: %s", len(reasons), reasons[0])
}
