package state

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const replacedName = "00000001-0123456789abcdef0123456789abcdef-1.revocations"

func someSegment() segment {
	until := time.Unix(1_800_000_000, 0)
	return segment{
		replaces: []string{replacedName, strings.Replace(replacedName, "-1.", "-2.", 1)},
		records: newRecords([]Revocation{
			{Issuer: issuer, TokenID: "t1", Until: until},
			{Issuer: issuer, ClientID: "orders", Before: until.Add(-time.Hour), Until: until},
			{Issuer: issuer, Before: until.Add(-time.Minute), Until: until.Add(time.Second)},
		}),
	}
}

// sealed is the content with its sum, as a newer or a broken writer would leave it.
func sealed(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return append([]byte(content), sum[:]...)
}

func TestSegmentIsReadAsItWasWritten(t *testing.T) {
	for name, want := range map[string]segment{"full": someSegment(), "empty": {}, "records alone": {records: someSegment().records}} {
		got, err := decodeSegment(want.encode())
		if err != nil || !slices.Equal(got.replaces, want.replaces) || !slices.Equal(got.records, want.records) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if want := "tokenidp revocations 1\nreplaces " + replacedName + "\n"; !strings.HasPrefix(string(someSegment().encode()), want) {
		t.Errorf("%q", someSegment().encode())
	}
}

// Nothing of a segment is believed that is not whole.
func TestSegmentThatIsCutOffOrDamaged(t *testing.T) {
	whole := someSegment().encode()
	for n := range whole {
		if _, err := decodeSegment(whole[:n]); err == nil {
			t.Errorf("cut off after %d bytes, and read", n)
		}
		turned := bytes.Clone(whole)
		turned[n] ^= 0x40
		if _, err := decodeSegment(turned); err == nil {
			t.Errorf("byte %d is turned, and it is read", n)
		}
	}
}

func TestDecodeSegment(t *testing.T) {
	head := "tokenidp revocations 1\n"
	for _, row := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, errForeign},
		{"something else", []byte(`{"version":1}`), errForeign},
		{"no line", []byte("tokenidp revocations 1"), errDamaged},
		{"no sum", []byte(head + "\n"), errDamaged},
		{"a newer version", sealed("tokenidp revocations 2\nmore\n"), errOtherVersion},
		{"no end of the head", sealed(head), errForeign},
		{"an unknown line", sealed(head + "follows " + replacedName + "\n\n"), errForeign},
		{"a name that is none", sealed(head + "replaces ../keys\n\n"), errForeign},
		{"too many names", sealed(head + strings.Repeat("replaces "+replacedName+"\n", mostReplaced+1) + "\n"), errForeign},
		{"half a record", sealed(head + "\n" + strings.Repeat("x", recordSize-1)), errRecords},
		{"an unknown kind", sealed(head + "\n" + strings.Repeat("\x04", recordSize)), errRecords},
		{"no key", sealed(head + "\n\x01" + strings.Repeat("\x00", recordSize-1)), errRecords},
	} {
		if _, err := decodeSegment(row.data); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// The largest segment there is can be read.
func TestLargestSegmentFits(t *testing.T) {
	s := segment{records: make([]record, mostRecords)}
	for range mostReplaced {
		s.replaces = append(s.replaces, strings.Replace(replacedName, "-1.", "-"+strings.Repeat("9", 18)+".", 1))
	}
	for i := range s.records {
		s.records[i] = newRecord(Revocation{Issuer: issuer, TokenID: fmt.Sprint(i), Until: time.Now()})
	}
	if got, err := decodeSegment(s.encode()); err != nil || len(got.records) != mostRecords {
		t.Errorf("%d records: %v", len(got.records), err)
	}
}

func TestJoinedRecords(t *testing.T) {
	a := newRecord(Revocation{Issuer: issuer, TokenID: "a", Until: time.Unix(9, 0)})
	b := newRecord(Revocation{Issuer: issuer, ClientID: "b", Before: time.Unix(5, 0), Until: time.Unix(7, 0)})
	later := b
	later.before, later.until = 6, 3
	want := b
	want.before = 6
	if got := joined([]record{a, b, later, a}); !slices.Equal(got, []record{want, a}) {
		t.Errorf("%+v", got)
	}
}

// FuzzDecodeSegment: whatever is accepted could have been written here, and is read
// as the same again.
func FuzzDecodeSegment(f *testing.F) {
	for _, seed := range [][]byte{
		someSegment().encode(), segment{}.encode(), nil, []byte(segmentKind), sealed("tokenidp revocations 2\n"),
		sealed("tokenidp revocations 1\n\n"), sealed("tokenidp revocations 1\nreplaces x\n\n"), make([]byte, 100),
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal {
			data = sealed(string(data))
		}
		s, err := decodeSegment(data)
		if err == nil && !bytes.Equal(s.encode(), data) {
			t.Fatalf("%+v", s)
		}
	})
}
