package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// What is no revocation of ours is left alone, and hides nothing that is.
func TestForeignEntriesInRedis(t *testing.T) {
	s := startRedis(t)
	until := time.Now().Add(time.Hour)
	unknown := append([]byte{9}, entryOf("", until)[1:]...)
	for _, row := range []struct {
		name  string
		entry []any
		knows []string
		why   string
	}{
		{"another field", []any{"other", "x"}, nil, "does not hold revocations"},
		{"cut off", []any{entryField, "short"}, nil, "does not hold revocations: 5 bytes"},
		{"a kind of a newer version", []any{entryField, unknown}, nil, "one of kind 9"},
		{"a kind of a newer version beside those that are known", []any{entryField, slices.Concat(entryOf("t1", until), unknown, entryOf("t2", until))}, []string{"t1", "t2"}, "one of kind 9"},
		{"a field of a newer version", []any{entryField, entryOf("t1", until), "more", "y"}, []string{"t1"}, "holds more than revocations"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.Do("FLUSHALL")
			c := newClocks()
			c.Set(time.Now())
			r := s.memberBy(c)
			id := s.Do(append([]any{"XADD", r.streamKey(0), "*"}, row.entry...)...)
			revokeIn(t, s.member(), "later")
			load(t, r)
			for _, known := range append(row.knows, "later") {
				if !knows(r, known) {
					t.Errorf("%s is not in force", known)
				}
			}
			if n := r.Health().Revocations; n != len(row.knows)+1 {
				t.Errorf("%d are in force", n)
			}
			if warnings := r.Health().Warnings; !contains(warnings, "has 1 entries that are not understood") || !contains(warnings, fmt.Sprint(id)) || !contains(warnings, row.why) {
				t.Errorf("%q", warnings)
			}
			s.Do("XDEL", r.streamKey(0), id)
			c.Advance(inspectInterval + time.Second)
			load(t, r)
			if warnings := r.Health().Warnings; len(warnings) != 0 {
				t.Errorf("it is gone, and yet %q", warnings)
			}
		})
	}
}

// However many entries are not understood, they take little memory, and are told of for
// as long as one of them is there.
func TestManyForeignEntriesInRedis(t *testing.T) {
	s, c := startRedis(t), newClocks()
	c.Set(time.Now())
	r := s.memberBy(c)
	const count = 3 * mostStrange
	var ids []any
	for range count {
		ids = append(ids, s.Do("XADD", r.streamKey(2), "*", "other", "x"))
	}
	load(t, r)
	if warnings := r.Health().Warnings; !contains(warnings, fmt.Sprint("has ", count, " entries")) || len(r.trails[2].strange) > mostStrange {
		t.Errorf("%q, %d are remembered", warnings, len(r.trails[2].strange))
	}
	last := count
	for _, left := range []int{count - mostStrange, 5, 0} {
		s.Do(append([]any{"XDEL", r.streamKey(2)}, ids[:last-left]...)...)
		ids, last = ids[last-left:], left
		for range 2 { // the first notices
			c.Advance(inspectInterval + time.Second)
			load(t, r)
		}
		warnings := r.Health().Warnings
		if left > 0 && !contains(warnings, fmt.Sprint("has ", left, " entries")) || left == 0 && len(warnings) > 0 {
			t.Errorf("%d are left: %q", left, warnings)
		}
	}
}

// What is put in force of an entry is what it holds.
func FuzzEntryRecords(f *testing.F) {
	for _, seed := range [][]byte{nil, []byte("short"), entryOf("t1", time.Unix(1, 0)), make([]byte, 3*recordSize), append([]byte{9}, make([]byte, recordSize-1)...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := entryRecords(redis.XMessage{Values: map[string]any{entryField: string(data)}})
		again := appendRecords(nil, records)
		switch {
		case err == nil && !bytes.Equal(again, data):
			t.Fatalf("%x became %x", data, again)
		case err != nil && !errors.Is(err, errRecords):
			t.Fatal(err)
		}
		for one := range slices.Chunk(again, recordSize) {
			if !bytes.Contains(data, one) {
				t.Fatalf("%x is not in %x", one, data)
			}
		}
	})
}
