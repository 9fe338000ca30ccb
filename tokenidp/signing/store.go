package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
)

// store keeps the keys of one issuer in Caddy's storage: one immutable entry a
// key. It never asks Storage.Exists, which answers "no" to an outage too.
type store struct {
	storage certmagic.Storage
	issuer  string
	folder  string
}

func newStore(storage certmagic.Storage, issuer string) *store {
	return &store{storage: storage, issuer: issuer, folder: path.Join("tokenidp", folderName(issuer), "keys")}
}

// folderName is readable, and different for any two issuers.
func folderName(issuer string) string {
	digest := sha256.Sum256([]byte(issuer))
	readable := certmagic.StorageKeys.Safe(strings.TrimPrefix(strings.TrimPrefix(issuer, "https://"), "http://"))
	return readable[:min(len(readable), maxReadable)] + "-" + hex.EncodeToString(digest[:4])
}

// maxReadable keeps the folder's name, and the lock's, within the 255 bytes of a
// file name.
const maxReadable = 128

// listing is what the storage held at one moment.
type listing struct {
	keys       []*Key   // usable, oldest first, one a kid
	taken      []keyID  // every kid that some entry claims, usable or not
	unreadable []string // one line an entry that claims a kid and cannot be used
}

// list reads every entry. An error means that the storage could not be read,
// which is never the same as an empty storage.
func (s *store) list(ctx context.Context) (*listing, error) {
	names, err := s.names(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.folder, err)
	}
	slices.Sort(names) // by kid, then by thumbprint
	found := new(listing)
	for _, name := range names {
		id, thumbprint, ok := parseEntryName(name)
		if !ok || !strings.HasSuffix(path.Dir(name), s.folder) {
			continue
		}
		found.taken = append(found.taken, id)
		data, err := s.storage.Load(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			found.quarantine(name, errGone)
		case err != nil:
			return nil, fmt.Errorf("loading %s: %w", name, err)
		default:
			found.add(name, data, s.issuer, id, thumbprint)
		}
	}
	slices.SortFunc(found.keys, func(a, b *Key) int {
		idA, _ := parseKeyID(a.ID)
		idB, _ := parseKeyID(b.ID)
		return idA.compare(idB)
	})
	return found, nil
}

// errGone marks an entry that may be about to appear in a storage that lags, so
// that it is not the same as no entry.
var errGone = errors.New("listed, but not there: just deleted by a peer, or lost")

// names lists the folder. One that does not exist is empty. But file storage
// also answers "does not exist" when a file vanishes while it lists, as the
// temporary file of a peer does that is writing its key, so Stat decides.
func (s *store) names(ctx context.Context) ([]string, error) {
	var err error
	for range listAttempts {
		var names []string
		names, err = s.storage.List(ctx, s.folder, false)
		if !errors.Is(err, fs.ErrNotExist) {
			return names, err
		}
		if _, statErr := s.storage.Stat(ctx, s.folder); errors.Is(statErr, fs.ErrNotExist) {
			return nil, nil
		} else if statErr != nil {
			return nil, statErr
		}
	}
	return nil, fmt.Errorf("it changed during each of %d attempts: %w", listAttempts, err)
}

// listAttempts is far more than the files that can vanish at one moment: nodes
// write to the folder only when they make a key.
const listAttempts = 10

// add judges one entry. Of two usable keys that claim one kid the one with the
// lower thumbprint wins, here and on every other node; the loser was dropped
// before it signed anything.
func (l *listing) add(name string, data []byte, issuer string, id keyID, thumbprint string) {
	key, err := decodeEntry(data, issuer, id, thumbprint)
	if err != nil {
		l.quarantine(name, err)
		return
	}
	if slices.ContainsFunc(l.keys, func(k *Key) bool { return k.ID == key.ID }) {
		return
	}
	l.keys = append(l.keys, key)
}

// quarantine bounds what an entry can write into the log.
func (l *listing) quarantine(name string, cause error) {
	l.unreadable = append(l.unreadable, fmt.Sprintf("%s: %.300s", name, cause.Error()))
}

func (s *store) write(ctx context.Context, k *Key) error {
	data, err := encodeEntry(s.issuer, k)
	if err != nil {
		return err
	}
	name := path.Join(s.folder, entryName(k))
	if err := s.storage.Store(ctx, name, data); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// lockName names the cluster-wide lock under which keys are made.
func (s *store) lockName() string {
	return strings.ReplaceAll(s.folder, "/", "_")
}
