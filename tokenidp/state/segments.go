package state

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// segments are those in the storage. Each is named by when all in it has expired, and
// by the process that wrote it.
type segments struct{ *storage.Entries }

func newSegments(s certmagic.Storage, folder string) segments {
	return segments{storage.NewEntries(s, folder, segmentName, mostSegmentSize)}
}

var segmentName = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{32}-[0-9]{1,18}\.revocations$`)

// expiry is when all in the segment has expired, by its name.
func expiry(name string) uint32 {
	until, _ := strconv.ParseUint(name[:min(len(name), 8)], 16, 32) // matches segmentName
	return uint32(until)
}

func (s segments) load(ctx context.Context, name string) (segment, error) {
	data, err := s.Load(ctx, name)
	if err != nil {
		return segment{}, err
	}
	return decodeSegment(data)
}

func (s segments) write(ctx context.Context, seg segment) (name string, err error) {
	return s.Store(ctx, fmt.Sprintf("%08x-", latest(seg.records)), ".revocations", seg.encode())
}
