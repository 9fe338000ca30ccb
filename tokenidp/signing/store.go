package signing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// store keeps the keys of one issuer in Caddy's storage, with one immutable entry for each
// key. It does not use Storage.Exists, which also returns false during an outage.
type store struct {
	storage    certmagic.Storage
	issuer     string
	folder     string
	encryption *Encryption // nil: private keys are stored in the clear

	mu      sync.Mutex
	decoded map[string]decoded // by the entry's name in the folder
}

// decoded caches the keys of entries: entries do not change, and the check of an RSA key
// takes milliseconds.
type decoded struct {
	digest [sha256.Size]byte
	key    *Key
}

func newStore(s certmagic.Storage, issuer string) *store {
	return &store{
		storage: s,
		issuer:  issuer,
		folder:  path.Join(storage.Folder(issuer), "keys"),
		decoded: make(map[string]decoded),
	}
}

// listing is the content of the storage at one moment.
type listing struct {
	keys       []*Key       // usable, by kid; those of one kid are entries of one key
	taken      []keyID      // every kid that some entry claims, usable or not
	unreadable []unreadable // entries that claim a kid and cannot be used
	begun      moment       // when the reading began
}

// unreadable is an entry that claims a kid and cannot be used.
type unreadable struct {
	id    keyID
	name  string
	cause string
}

// lines describes the entries, one a line.
func lines(entries []unreadable) []string {
	described := make([]string, 0, len(entries))
	for _, u := range entries {
		described = append(described, u.name+": "+u.cause)
	}
	return described
}

// list reads every entry. It returns an error if the storage could not be read; an empty
// storage is not an error.
func (s *store) list(ctx context.Context) (*listing, error) {
	names, err := storage.List(ctx, s.storage, s.folder)
	if err != nil {
		return nil, err
	}
	slices.Sort(names) // by kid, then by thumbprint
	found := new(listing)
	var refused error
	for _, name := range names {
		id, thumbprint, ok := parseEntryName(name)
		if !ok || !strings.HasSuffix(path.Dir(name), s.folder) {
			continue
		}
		found.taken = append(found.taken, id)
		data, err := s.storage.Load(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			found.quarantine(name, id, errGone)
		case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EISDIR):
			// The error is of this entry, not of the storage, if others can be read.
			found.quarantine(name, id, err)
			refused = fmt.Errorf("loading %s: %w", name, err)
		case err != nil:
			return nil, fmt.Errorf("loading %s: %w", name, err)
		default:
			key, err := s.decode(name, data, id, thumbprint)
			if err != nil {
				found.quarantine(name, id, err)
				continue
			}
			found.add(key)
		}
	}
	if len(found.keys) == 0 && refused != nil {
		return nil, refused
	}
	slices.SortFunc(found.keys, byID)
	s.forget(found.keys)
	return found, nil
}

// decode parses an entry, or returns its cached key if it has not changed.
func (s *store) decode(name string, data []byte, id keyID, thumbprint string) (*Key, error) {
	base, digest := path.Base(name), sha256.Sum256(data)
	s.mu.Lock()
	before, known := s.decoded[base]
	s.mu.Unlock()
	if known && before.digest == digest {
		return before.key, nil
	}
	key, err := decodeEntry(data, s.issuer, id, thumbprint)
	if err == nil {
		key, err = s.encryption.open(s.issuer, key)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decoded[base] = decoded{digest, key}
	return key, nil
}

// forget drops cached keys whose entries are gone.
func (s *store) forget(but []*Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.decoded, func(_ string, d decoded) bool { return !slices.Contains(but, d.key) })
}

// checkWritable writes an entry that means nothing, and deletes it.
func (s *store) checkWritable(ctx context.Context) error {
	name := path.Join(path.Dir(s.folder), "writable")
	err := s.storage.Store(ctx, name, []byte("deleted at once"))
	if err == nil {
		err = s.storage.Delete(ctx, name)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) { // another node deleted it
		return nil
	}
	return fmt.Errorf("the storage cannot be written to, so that no key can be rotated; check its permissions and its space: %w", err)
}

// errGone is for an entry that is listed and cannot be loaded. The storage may lag, so the
// entry may appear later.
var errGone = errors.New("listed, but not there: just deleted by a peer, or lost")

// add adds a usable key. Of two keys with one kid, the one with the lower thumbprint wins,
// on every node.
func (l *listing) add(key *Key) {
	if slices.ContainsFunc(l.keys, func(k *Key) bool { return k.ID == key.ID && k.thumbprint < key.thumbprint }) {
		return
	}
	l.keys = slices.DeleteFunc(l.keys, func(k *Key) bool { return k.ID == key.ID && k.thumbprint > key.thumbprint })
	l.keys = append(l.keys, key)
}

// quarantine adds an unreadable entry, with a bounded text for the log.
func (l *listing) quarantine(name string, id keyID, cause error) {
	l.unreadable = append(l.unreadable, unreadable{id, name, fmt.Sprintf("%.300s", cause.Error())})
}

// holds reports whether the entry exists. A listing that lags may not show it, and it may
// exist and not be readable.
func (s *store) holds(ctx context.Context, k *Key) (bool, error) {
	name := s.nameOf(k)
	_, err := s.storage.Load(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("loading %s: %w", name, err)
	}
	return true, nil
}

// remove deletes the entry of the key.
func (s *store) remove(ctx context.Context, k *Key) error {
	if err := s.storage.Delete(ctx, s.nameOf(k)); err != nil {
		return fmt.Errorf("deleting %s: %w", s.nameOf(k), err)
	}
	return nil
}

func (s *store) nameOf(k *Key) string { return path.Join(s.folder, entryName(k)) }

func (s *store) write(ctx context.Context, k *Key) error {
	data, err := encodeEntry(s.issuer, k)
	if err != nil {
		return err
	}
	name := s.nameOf(k)
	if err := s.storage.Store(ctx, name, data); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// lockName returns the name of the lock of the cluster under which keys are made.
func (s *store) lockName() string {
	return strings.ReplaceAll(s.folder, "/", "_")
}
