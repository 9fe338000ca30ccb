package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/certmagic"
)

// ErrTooLarge says that an entry is larger than any that was written, and was not
// read.
var ErrTooLarge = errors.New("is too large")

// Entries are values that are written once and never change, in a folder of their
// own. Each is named by the process that wrote it and a number, so that no name is
// ever used twice: processes need no lock among them.
type Entries struct {
	storage  certmagic.Storage
	folder   string
	names    *regexp.Regexp
	mostSize int64 // in bytes
	process  string
	written  atomic.Int64 // how many names were used
}

// NewEntries makes those in the folder whose name matches: what else is there, such
// as the temporary file of a writer that was killed, is left out.
func NewEntries(s certmagic.Storage, folder string, names *regexp.Regexp, mostSize int64) *Entries {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return &Entries{storage: s, folder: path.Clean(folder), names: names, mostSize: mostSize, process: hex.EncodeToString(id[:])}
}

// Folder is where they are, for people.
func (e *Entries) Folder() string { return e.folder }

// Process is the random part in the names of this process' entries: 32 hexadecimal
// digits.
func (e *Entries) Process() string { return e.process }

// Key is where the storage holds the entry of that name.
func (e *Entries) Key(name string) string { return path.Join(e.folder, name) }

// List names the entries, sorted.
func (e *Entries) List(ctx context.Context) (names []string, err error) {
	keys, err := List(ctx, e.storage, e.folder)
	for _, key := range keys {
		if name := path.Base(key); strings.HasSuffix(path.Dir(key), e.folder) && e.names.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// Load reads an entry. It looks at the size first: what is too large is not read at
// all. The error of one that is not there is fs.ErrNotExist.
func (e *Entries) Load(ctx context.Context, name string) ([]byte, error) {
	info, err := e.storage.Stat(ctx, e.Key(name))
	if err != nil {
		return nil, err
	}
	if info.Size > e.mostSize {
		return nil, e.tooLarge()
	}
	data, err := e.storage.Load(ctx, e.Key(name))
	if err == nil && int64(len(data)) > e.mostSize {
		return nil, e.tooLarge()
	}
	return data, err
}

func (e *Entries) tooLarge() error {
	return fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, e.mostSize)
}

// Store writes an entry and returns its name, which has the prefix and the suffix.
// The name is used up even by a failure, which may have stored it all the same, or may
// yet: nobody stores anything else under it.
func (e *Entries) Store(ctx context.Context, prefix, suffix string, data []byte) (name string, err error) {
	name = fmt.Sprintf("%s%s-%d%s", prefix, e.process, e.written.Add(1), suffix)
	store := e.storage.Store
	if b, ok := e.storage.(*Bounded); ok {
		store = b.storeOrLeave
	}
	if err := store(ctx, e.Key(name), data); err != nil {
		return "", fmt.Errorf("writing %s: %w", e.Key(name), err)
	}
	return name, nil
}

// Remove deletes an entry, which may be gone already.
func (e *Entries) Remove(ctx context.Context, name string) error {
	err := e.storage.Delete(ctx, e.Key(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", e.Key(name), err)
	}
	return nil
}
