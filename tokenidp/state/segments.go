package state

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
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/certmagic"
)

// segments are those in the storage. Each is named by when all in it has expired,
// by the process that wrote it, and by a number: no name is ever used twice, and
// what is written never changes. It never asks Storage.Exists, which answers "no"
// to an outage too.
type segments struct {
	storage certmagic.Storage
	folder  string
	process string
	written atomic.Int64 // how many names were used
}

func newSegments(storage certmagic.Storage, folder string) *segments {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return &segments{storage: storage, folder: folder, process: hex.EncodeToString(id[:])}
}

// segmentName leaves out what is none, such as the temporary file of a writer that
// was killed.
var segmentName = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{32}-[0-9]{1,18}\.revocations$`)

// expiry is when all in the segment has expired, by its name.
func expiry(name string) uint32 {
	until, _ := strconv.ParseUint(name[:min(len(name), 8)], 16, 32) // matches segmentName
	return uint32(until)
}

// list names the segments, sorted. A folder that does not exist is empty. But file
// storage also answers "does not exist" when a file vanishes while it lists, so
// Stat decides.
func (s *segments) list(ctx context.Context) ([]string, error) {
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

// attempts is far more than the times that others can have written or merged while
// this process reads.
const attempts = 10

func (s *segments) names(keys []string) (names []string) {
	for _, key := range keys {
		if strings.HasSuffix(path.Dir(key), s.folder) && segmentName.MatchString(path.Base(key)) {
			names = append(names, path.Base(key))
		}
	}
	slices.Sort(names)
	return names
}

// load looks at the size first: what is too large is not read at all.
func (s *segments) load(ctx context.Context, name string) (segment, error) {
	info, err := s.storage.Stat(ctx, s.key(name))
	if err != nil {
		return segment{}, err
	}
	if info.Size > mostSegmentSize {
		return segment{}, errTooLarge
	}
	data, err := s.storage.Load(ctx, s.key(name))
	if err != nil {
		return segment{}, err
	}
	return decodeSegment(data)
}

// write stores the segment under a new name, even after a failure: that may have
// stored it all the same.
func (s *segments) write(ctx context.Context, seg segment) (name string, err error) {
	name = fmt.Sprintf("%08x-%s-%d.revocations", latest(seg.records), s.process, s.written.Add(1))
	if err := s.storage.Store(ctx, s.key(name), seg.encode()); err != nil {
		return "", fmt.Errorf("writing %s: %w", s.key(name), err)
	}
	return name, nil
}

func (s *segments) remove(ctx context.Context, name string) error {
	err := s.storage.Delete(ctx, s.key(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", s.key(name), err)
	}
	return nil
}

func (s *segments) key(name string) string { return path.Join(s.folder, name) }
