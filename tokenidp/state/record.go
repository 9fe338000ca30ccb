package state

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// record is the stored form of a revocation: names as hashes, times in whole seconds.
type record struct {
	kind          kind
	key           key
	before, until uint32
}

func newRecord(r Revocation) record {
	switch until := seconds(r.Until); {
	case r.TokenID != "":
		return record{tokenKind, newKey(tokenKind, r.Issuer, r.TokenID), 0, until}
	case r.ClientID != "":
		return record{clientKind, newKey(clientKind, r.Issuer, r.ClientID), seconds(r.Before), until}
	default:
		return record{issuerKind, newKey(issuerKind, r.Issuer, ""), seconds(r.Before), until}
	}
}

func newRecords(revocations []Revocation) []record {
	records := make([]record, len(revocations))
	for i, r := range revocations {
		records[i] = newRecord(r)
	}
	return records
}

// recordSize is the size of a stored record, in bytes: its kind, its key, and its two
// times.
const recordSize = 1 + 16 + 4 + 4

func appendRecords(data []byte, records []record) []byte {
	data = slices.Grow(data, len(records)*recordSize)
	for _, r := range records {
		data = append(data, byte(r.kind))
		data = binary.BigEndian.AppendUint64(data, r.key.high)
		data = binary.BigEndian.AppendUint64(data, r.key.low)
		data = binary.BigEndian.AppendUint32(data, r.before)
		data = binary.BigEndian.AppendUint32(data, r.until)
	}
	return data
}

var errRecords = errors.New("does not hold revocations")

// decodeRecords returns an error for data that appendRecords does not write.
func decodeRecords(data []byte) ([]record, error) {
	records, err := knownRecords(data)
	if err != nil {
		return nil, err
	}
	return records, nil
}

// knownRecords returns the records of kinds that this version knows. The error describes
// the others.
func knownRecords(data []byte) (records []record, err error) {
	if len(data)%recordSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", errRecords, len(data))
	}
	records = make([]record, 0, len(data)/recordSize)
	for one := range slices.Chunk(data, recordSize) {
		r := record{
			kind:   kind(one[0]),
			key:    key{binary.BigEndian.Uint64(one[1:]), binary.BigEndian.Uint64(one[9:])},
			before: binary.BigEndian.Uint32(one[17:]),
			until:  binary.BigEndian.Uint32(one[21:]),
		}
		if r.kind < tokenKind || r.kind > issuerKind || r.key.high == 0 {
			err = fmt.Errorf("%w: one of kind %d", errRecords, r.kind)
			continue
		}
		records = append(records, r)
	}
	return records, err
}

// latest returns when all of the records have expired.
func latest(records []record) (until uint32) {
	for _, r := range records {
		until = max(until, r.until)
	}
	return until
}

// name names what a record revokes.
type name struct {
	kind kind
	key  key
}

// byName returns one record for each name, which joins all records of the name.
func byName(records []record) map[name]record {
	all := make(map[name]record, len(records))
	for _, r := range records {
		n := name{r.kind, r.key}
		known := all[n]
		r.before, r.until = max(r.before, known.before), max(r.until, known.until)
		all[n] = r
	}
	return all
}

// joined returns the records of byName, sorted by expiry.
func joined(records []record) []record {
	return slices.SortedFunc(maps.Values(byName(records)), func(a, b record) int { return cmp.Compare(a.until, b.until) })
}
