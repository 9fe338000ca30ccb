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

// ErrTooLarge means that an entry is larger than any that is written. It was not read.
var ErrTooLarge = errors.New("is too large")

// Entries is a folder of values, most of which are written once and never change. Each name
// has the process that wrote it and a number, so no two processes write the same one, and
// no lock is needed.
type Entries struct {
	storage  certmagic.Storage
	folder   string
	names    *regexp.Regexp
	mostSize int64 // in bytes
	process  string
	written  atomic.Int64 // how many names were used
}

// NewEntries returns the entries in the folder whose names match. Others, such as the
// temporary file of a killed process, are ignored. mostSize is in bytes.
func NewEntries(s certmagic.Storage, folder string, names *regexp.Regexp, mostSize int64) *Entries {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return &Entries{storage: s, folder: path.Clean(folder), names: names, mostSize: mostSize, process: hex.EncodeToString(id[:])}
}

// Folder returns the folder, for logs.
func (e *Entries) Folder() string { return e.folder }

// Process returns the random part in the names of this process' entries: 32 hexadecimal
// digits.
func (e *Entries) Process() string { return e.process }

// Key returns the storage key of the entry with that name.
func (e *Entries) Key(name string) string { return path.Join(e.folder, name) }

// List returns the names of the entries, sorted.
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

// Load returns the value of an entry. The error is fs.ErrNotExist if there is none, and
// [ErrTooLarge] if it is too large. It checks the size before it reads.
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

// Name returns a name with the prefix and the suffix that was never used.
func (e *Entries) Name(prefix, suffix string) string {
	return fmt.Sprintf("%s%s-%d%s", prefix, e.process, e.written.Add(1), suffix)
}

// Store writes an entry, and returns its name, which has the prefix and the suffix. After
// an error the entry may be stored nevertheless, also later. So its name is never used
// again.
func (e *Entries) Store(ctx context.Context, prefix, suffix string, data []byte) (name string, err error) {
	name = e.Name(prefix, suffix)
	if err := e.Overwrite(ctx, name, data); err != nil {
		return "", err
	}
	return name, nil
}

// Overwrite writes the entry of that name. After an error it may be stored nevertheless,
// also later.
func (e *Entries) Overwrite(ctx context.Context, name string, data []byte) error {
	store := e.storage.Store
	if b, ok := e.storage.(*Bounded); ok {
		store = b.storeOrLeave
	}
	if err := store(ctx, e.Key(name), data); err != nil {
		return fmt.Errorf("writing %s: %w", e.Key(name), err)
	}
	return nil
}

// Remove deletes an entry. It is no error if there is none.
func (e *Entries) Remove(ctx context.Context, name string) error {
	err := e.storage.Delete(ctx, e.Key(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", e.Key(name), err)
	}
	return nil
}
