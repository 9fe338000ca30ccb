package lastuse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
)

// store holds the entries of all processes, each under the random id of the
// process that wrote it and a number: no name is ever used twice. It never asks
// Storage.Exists, which answers "no" to an outage too.
type store struct {
	storage certmagic.Storage
	folder  string
	process string
	written int // how many names were used
}

// entryName leaves out what is no entry, such as the temporary file of a writer
// that was killed.
var entryName = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]{1,18}\.json$`)

// list names the entries, sorted. A folder that does not exist is empty. But
// file storage also answers "does not exist" when a file vanishes while it
// lists, so Stat decides.
func (s *store) list(ctx context.Context) ([]string, error) {
	var err error
	for range attempts {
		var keys []string
		keys, err = s.storage.List(ctx, s.folder, false)
		if err == nil {
			return s.names(keys), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, statErr := s.storage.Stat(ctx, s.folder); errors.Is(statErr, fs.ErrNotExist) {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("listing %s: %w", s.folder, err)
}

// attempts is far more than the times that others can have written or folded
// while this process reads.
const attempts = 10

func (s *store) names(keys []string) (names []string) {
	for _, key := range keys {
		if strings.HasSuffix(path.Dir(key), s.folder) && entryName.MatchString(path.Base(key)) {
			names = append(names, path.Base(key))
		}
	}
	slices.Sort(names)
	return names
}

// load looks at the size first: what is too large is not read at all.
func (s *store) load(ctx context.Context, name string) (entry, error) {
	info, err := s.storage.Stat(ctx, s.key(name))
	if err != nil {
		return entry{}, err
	}
	if info.Size > mostEntrySize {
		return entry{}, errTooLarge
	}
	data, err := s.storage.Load(ctx, s.key(name))
	if err != nil {
		return entry{}, err
	}
	return decode(data)
}

// write stores the entry under a new name, even after a failure: that may have
// stored it all the same.
func (s *store) write(ctx context.Context, e entry) (name string, err error) {
	data, err := e.encode()
	if err != nil {
		return "", err
	}
	s.written++
	name = fmt.Sprintf("%s-%d.json", s.process, s.written)
	if err := s.storage.Store(ctx, s.key(name), data); err != nil {
		return "", fmt.Errorf("writing %s: %w", s.key(name), err)
	}
	return name, nil
}

func (s *store) remove(ctx context.Context, name string) error {
	err := s.storage.Delete(ctx, s.key(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", s.key(name), err)
	}
	return nil
}

func (s *store) key(name string) string { return path.Join(s.folder, name) }
