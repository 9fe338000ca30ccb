package lastuse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEntryIsWrittenAsDocumented(t *testing.T) {
	data, err := entry{watch{5, 7}, map[Secret]knowledge{{"b", "2"}: {6, 5}, {"a<\"", "ä"}: {0, 1}}}.encode()
	if want := `{"secrets":{"a\u003c\"":{"ä":[0,1]},"b":{"2":[6,5]}},"version":1,"watched":[5,7]}`; err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
}

const goodEntry = `{"version":1,"watched":[5,7],"secrets":{"a":{"x":[6,5]}}}`

func TestDecode(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"as written", "", "", ""},
		{"no secrets", `"a":{"x":[6,5]}`, "", ""},
		{"never used", "[6,5]", "[0,5]", ""},
		{"never observed", "[6,5]", "[6,0]", ""},
		{"the end of the year 9999", "[6,5]", "[253402300799,5]", ""},
		{"watched for a moment", "[5,7]", "[5,5]", ""},
		{"nothing", goodEntry, "", "JSON is not an object"},
		{"cut off", "}}}", "", "JSON is malformed at byte 54"},
		{"a list", goodEntry, "[]", "JSON is not an object"},
		{"another after it", "}}}", "}}}{}", "JSON object is followed by something else"},
		{"an unknown member", `"version"`, `"x":1,"version"`, "must have the members version, watched and secrets alone"},
		{"no secrets at all", `,"secrets":{"a":{"x":[6,5]}}`, "", "must have the members version, watched and secrets alone"},
		{"null secrets", `{"a":{"x":[6,5]}}`, "null", "must have the members version, watched and secrets alone"},
		{"a repeated member", `"version":1`, `"version":1,"version":1`, "JSON object has two members of one name"},
		{"a repeated secret", `"x":[6,5]`, `"x":[6,5],"x":[6,5]`, "JSON object has two members of one name"},
		{"no version", `"version":1,`, "", "has no version"},
		{"version 0", `"version":1`, `"version":0`, "has no version"},
		{"a textual version", `"version":1`, `"version":"1"`, "has no version"},
		{"a version of another case", `"version":1`, `"Version":1`, "has no version"},
		{"a newer version", `"version":1,"watched"`, `"version":2,"more":{},"watched"`, errOtherVersion.Error()},
		{"not watched", `"watched":[5,7],`, ``, "must have the members version, watched and secrets alone"},
		{"watched since nothing", "[5,7]", "[0,7]", "watched is not the beginning and the end of a time"},
		{"watched backwards", "[5,7]", "[7,5]", "watched is not the beginning and the end of a time"},
		{"watched for one time", "[5,7]", "[5]", "watched is not the beginning and the end of a time"},
		{"watched as text", "[5,7]", `["5","7"]`, "watched is not the beginning and the end of a time"},
		{"no id", `"x"`, `""`, `secret "" of "a" is not named and timed as any could be`},
		{"no client_id", `"a"`, `""`, `secret "x" of "" is not named and timed as any could be`},
		{"a long id", `"x"`, `"` + strings.Repeat("x", 257) + `"`, `secret "` + strings.Repeat("x", 100) + `" of "a" is not named and timed as any could be`},
		{"a client without secrets", `{"x":[6,5]}`, "{}", `secrets of "a" is not an object with a member`},
		{"a client that is none", `{"x":[6,5]}`, "[]", `secrets of "a" is not an object with a member`},
		{"nothing known", "[6,5]", "[0,0]", `secret "x" of "a" is not named and timed as any could be`},
		{"a negative time", "[6,5]", "[-6,5]", `secret "x" of "a" is not named and timed as any could be`},
		{"a fraction", "[6,5]", "[6.5,5]", `secret "x" of "a" is not named and timed as any could be`},
		{"an exponent", "[6,5]", "[6e0,5]", `secret "x" of "a" is not named and timed as any could be`},
		{"after the year 9999", "[6,5]", "[253402300800,5]", `secret "x" of "a" is not named and timed as any could be`},
		{"three times", "[6,5]", "[6,5,4]", `secret "x" of "a" is not named and timed as any could be`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := decode([]byte(strings.Replace(goodEntry, row.old, row.new, 1)))
			if got := fmt.Sprint(err); got != row.want && (err != nil || row.want != "") {
				t.Errorf("%s\nwant %s", got, row.want)
			}
		})
	}
}

// FuzzDecode: whatever is accepted could have been written here, and is read as
// the same again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		goodEntry, "", "null", "[]", "{}", `{"version":1}`, `{"version":2}`, `{"version":1e99}`, `{"version":-1}`,
		`{"version":1,"watched":[1,1],"secrets":{}}`, `{"version":1,"watched":[1,1],"secrets":{"a":{"b":[18446744073709551616,1]}}}`,
		`{"version":1,"watched":[1,253402300799],"secrets":{"\ud800":{"\u0000":[1,1]}}}`,
		`{"version":1,"watched":[1,2],"secrets":{"a":{"x":[1,0],"y":[0,1]},"b":{"x":[1,2]}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		for s, k := range e.secrets {
			if !s.storable() || k == (knowledge{}) || min(k.used, k.since) < 0 || max(k.used, k.since) > lastSecond {
				t.Fatalf("%v: %v", s, k)
			}
		}
		again, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		same, err := decode(again)
		if err != nil || same.watch != e.watch || !maps.Equal(same.secrets, e.secrets) {
			t.Fatalf("written again, it reads as %+v: %v", same, err)
		}
	})
}

// TestSplit: what is written can be read, whatever the ids.
func TestSplit(t *testing.T) {
	secrets := make(map[Secret]knowledge)
	for i := range 10_000 {
		secrets[Secret{fmt.Sprint(strings.Repeat("<", 200), i), strings.Repeat("\x01", longestID)}] = knowledge{lastSecond, lastSecond}
	}
	entries := split(watch{lastSecond, lastSecond}, secrets)
	if len(entries) < 3 {
		t.Errorf("%d entries", len(entries))
	}
	got := make(map[Secret]knowledge)
	for _, e := range entries {
		data, err := e.encode()
		if err != nil || len(data) > mostEntrySize {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		read, err := decode(data)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(got, read.secrets)
	}
	if !maps.Equal(got, secrets) {
		t.Error("not the same")
	}
	if none := split(watch{1, 1}, nil); len(none) != 1 || len(none[0].secrets) != 0 {
		t.Errorf("nothing is split into %v", none)
	}
}

// TestUnreadableEntry fails closed: it is left alone, told once, and SyncedAt
// stays what it was; what this process knows is written all the same.
func TestUnreadableEntry(t *testing.T) {
	const name = "0123456789abcdef0123456789abcdef-1.json"
	newer := strings.Replace(goodEntry, `"version":1`, `"version":2`, 1)
	for _, row := range []struct {
		name, content, cause string
		fails                string
	}{
		{"corrupt", "{", "JSON is malformed at byte 1", ""},
		{"empty", "", "not an object", ""},
		{"newer", newer, "newer version", ""},
		{"too large", strings.Repeat(" ", mostEntrySize+1), "is too large: it has more than 8388608 bytes", ""},
		{"of another owner", goodEntry, errFault.Error(), "Load"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			r, logs := logged(s, c, old)
			r.foldsAt = 0
			mustSync(t, r)
			s.put(name, row.content)
			s.before = func(op, key string) error {
				if op == "Load" && strings.HasSuffix(key, name) && row.name == "too large" {
					t.Error("it was read")
				}
				if op == row.fails && strings.HasSuffix(key, name) {
					return errFault
				}
				return nil
			}
			c.pass(time.Hour)
			r.Used(old)
			for range 3 {
				c.pass(time.Minute)
				err := r.Sync(t.Context())
				if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), row.cause) {
					t.Error(err)
				}
			}
			if got := r.SyncedAt(); !got.Equal(testTime) {
				t.Errorf("synced at %v", got)
			}
			if n := logs.FilterMessageSnippet("cannot be read").Len(); n != 1 || logs.Len() != n {
				t.Errorf("logged %d times: %v", n, logs.All())
			}
			if !slices.Contains(s.entries(), name) {
				t.Error("it was deleted")
			}
			got := newRecord(s.sharing(), c.reboot())
			if err := got.Sync(t.Context()); (err == nil) != (row.fails != "") {
				t.Error(err)
			}
			wantUsed(t, got, old, testTime.Add(time.Hour))
			if row.fails == "" && !got.SyncedAt().IsZero() {
				t.Error("a process that could never read all has synced")
			}

			s.heal()
			if err := s.FileStorage.Delete(t.Context(), folder+"/"+name); err != nil {
				t.Fatal(err)
			}
			mustSync(t, r)
			if got := r.SyncedAt(); !got.Equal(c.now()) {
				t.Errorf("synced at %v after it was removed", got)
			}
		})
	}
}

func TestOtherFilesAreIgnored(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	r := newRecord(s, c, old)
	r.foldsAt = 0
	names := []string{"readme.txt", ".0123456789abcdef0123456789abcdef-1.json.tmp12", "0123456789abcdef0123456789abcdef.json", "sub/0123456789abcdef0123456789abcdef-1.json"}
	for _, name := range names {
		s.put(name, "{")
	}
	for range 3 {
		c.pass(time.Hour)
		mustSync(t, r)
	}
	if got := s.entries(); len(got) != len(names)+1 {
		t.Errorf("%v", got)
	}
}

// TestTooManyEntries are read in parts, which are folded.
func TestTooManyEntries(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	for i := range mostEntries + 100 {
		s.put(fmt.Sprintf("0123456789abcdef0123456789abcdef-%d.json", i), strings.Replace(goodEntry, `"x"`, fmt.Sprintf("%q", fmt.Sprint(i)), 1))
	}
	r := newRecord(s, c, old)
	err := r.Sync(t.Context())
	if n := s.count("Load"); n != mostEntries {
		t.Errorf("%d were read at once", n)
	}
	if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "more than 1024 entries") || !r.SyncedAt().IsZero() {
		t.Error(err, r.SyncedAt())
	}
	mustSync(t, r, r)
	if got := len(s.entries()); got > 2*leastFold {
		t.Errorf("%d entries", got)
	}
	got := reader(t, s, c)
	for i := range mostEntries + 100 {
		if used := got.knowledge(Secret{"a", fmt.Sprint(i)}, got.clock.moment()); used != (knowledge{6, 5}) {
			t.Fatalf("%d: %v", i, used)
		}
	}
}

func TestStorageFailures(t *testing.T) {
	for _, op := range []string{"List", "Stat", "Load", "Store", "Delete"} {
		t.Run(op, func(t *testing.T) {
			s, c := newStorage(t), newTestClock()
			r, peer := newRecord(s, c, old), newRecord(s.sharing(), c, old, fresh)
			r.foldsAt, peer.foldsAt = 0, 100
			mustSync(t, r)
			c.pass(time.Hour)
			r.Used(old)
			peer.Used(fresh)
			mustSync(t, peer)
			s.failing(op)
			for range 3 {
				if err := r.Sync(t.Context()); !errors.Is(err, errFault) && !errors.Is(err, ErrIncomplete) {
					t.Errorf("%v", err)
				}
			}
			wantUsed(t, r, old, testTime.Add(time.Hour))
			s.heal()
			mustSync(t, r, r)
			got := reader(t, s, c)
			wantUsed(t, got, old, testTime.Add(time.Hour))
			wantUsed(t, got, fresh, testTime.Add(time.Hour))
			if op == "Delete" && len(s.entries()) > 2 {
				t.Errorf("%v are left", s.entries())
			}
		})
	}
}

func TestContextEnds(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	mustSync(t, newRecord(s.sharing(), c, old))
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(op, _ string) error {
		if op == "Load" {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	r := newRecord(s, c, old)
	if err := r.Sync(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrIncomplete) {
		t.Error(err)
	}
	if !r.SyncedAt().IsZero() {
		t.Error("synced")
	}
}
