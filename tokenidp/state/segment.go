package state

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
)

const (
	// mostRecords is how many records a segment holds at most: some storages take 512 KiB.
	mostRecords = 1 << 14
	// mostReplaced is how many segments one segment replaces at most.
	mostReplaced = 512
	// mostSegmentSize, in bytes, is more than any segment needs.
	mostSegmentSize = 2 << 20

	segmentKind    = "tokenidp revocations "
	segmentVersion = "1"
)

// segment is a part of the revocations. Its encoding is a line with the version, a line
// for each segment that it replaces, an empty line, the records, and the SHA-256 of all
// that.
type segment struct {
	replaces []string
	records  []record
}

func (s segment) encode() []byte {
	data := []byte(segmentKind + segmentVersion + "\n")
	for _, name := range s.replaces {
		data = append(data, "replaces "+name+"\n"...)
	}
	data = appendRecords(append(data, '\n'), s.records)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

var (
	errOtherVersion = errors.New("is of a newer version of this software")
	errForeign      = errors.New("is no part of the revocations")
	errDamaged      = errors.New("is cut off or damaged")
)

// decodeSegment returns an error for a segment that is not complete.
func decodeSegment(data []byte) (segment, error) {
	var s segment
	rest, ok := bytes.CutPrefix(data, []byte(segmentKind))
	version, rest, whole := bytes.Cut(rest, []byte("\n"))
	switch {
	case !ok:
		return s, errForeign
	case !whole || len(rest) < sha256.Size:
		return s, errDamaged
	case string(version) != segmentVersion:
		return s, errOtherVersion
	}
	content, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if want := sha256.Sum256(content); !bytes.Equal(sum, want[:]) {
		return s, errDamaged
	}
	rest = rest[:len(rest)-sha256.Size]
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return segment{}, errForeign
		}
		rest = after
		if len(line) == 0 {
			break
		}
		replaced, ok := strings.CutPrefix(string(line), "replaces ")
		if !ok || !segmentName.MatchString(replaced) || len(s.replaces) >= mostReplaced {
			return segment{}, errForeign
		}
		s.replaces = append(s.replaces, replaced)
	}
	var err error
	if s.records, err = decodeRecords(rest); err != nil {
		return segment{}, err
	}
	return s, nil
}
