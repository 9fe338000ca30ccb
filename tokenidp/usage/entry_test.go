package usage

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEntryIsWrittenAsDocumented(t *testing.T) {
	e := entry{
		sequence: 3, watch: watch{5, 7}, ended: true, folded: map[string]taken{"0123456789abcdef0123456789abcdef-1.json": {2, 6}},
		values: map[Key]Value{
			{Kind: Issued, Issuer: "i", Client: "a"}: {Count: 3, First: 5, Last: 7, Hours: Series{{1, 1}, {2, 2}}, Days: Series{{0, 3}}},
			{Kind: Refused, Name: "r", Detail: "a"}:  {Count: 1, First: 6, Last: 6, Example: &Example{"GET", "/", "::1"}},
			{Kind: Secret, Issuer: "i", Client: "a"}: {First: 5},
		},
	}
	data, err := e.encode()
	want := `{"counts":[[1,0,1,2,2,0,5,0],[3,0,1,2,2,3,5,7,[1,1,2,2],[0,3],[]],[8,2,2,3,1,1,6,6,[],[],[4,5,6]]],` +
		`"ended":true,"folded":{"0123456789abcdef0123456789abcdef-1.json":[2,6]},"names":["i","a","","r","GET","/","::1"],"sequence":3,"version":2,"watched":[5,7]}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
	if again, err := decode(data); err != nil || !reflect.DeepEqual(again, e) {
		t.Errorf("read as %+v, %v", again, err)
	}
}

const goodEntry = `{"version":1,"sequence":2,"watched":[5,7],"ended":false,"folded":{"0123456789abcdef0123456789abcdef-1.json":[2,6]},` +
	`"names":["a","b"],"counts":[[8,0,0,1,1,2,5,6,[1,1,2,2],[0,3],[0,1,1]],[1,0,0,0,0,1,2,3]]}`

func TestDecode(t *testing.T) {
	members, count := errMembers.Error(), errCount.Error()
	for _, row := range []struct{ name, old, new, want string }{
		{"as written", "", "", ""},
		{"as written now", `"version":1`, `"version":2`, ""},
		{"no counts", goodEntry[strings.Index(goodEntry, "[[8"):], "[]}", ""},
		{"the end of the year 9999", "1,2,3]]", "1,2,253402300799]]", ""},
		{"nothing", goodEntry, "", "JSON is not an object"},
		{"a list", goodEntry, "[]", "JSON is not an object"},
		{"cut off", "]]}", "", "JSON is malformed at byte 201"},
		{"another after it", "]]}", "]]}{}", "JSON object is followed by something else"},
		{"an unknown member", `"version"`, `"x":1,"version"`, members},
		{"a repeated member", `"version":1`, `"version":1,"version":1`, "JSON object has two members of one name"},
		{"no version", `"version":1,`, "", "has no version"},
		{"version 0", `"version":1`, `"version":0`, "has no version"},
		{"a textual version", `"version":1`, `"version":"1"`, "has no version"},
		{"a newer version", `"version":1`, `"version":3,"more":{}`, errOtherVersion.Error()},
		{"no sequence", `"sequence":2,`, "", members},
		{"sequence 0", `"sequence":2`, `"sequence":0`, members},
		{"a negative sequence", `"sequence":2`, `"sequence":-2`, members},
		{"ended as text", `"ended":false`, `"ended":"false"`, members},
		{"folded what is no entry", "0123456789abcdef0123", "../../0123456789abcd", members},
		{"folded without a time", "[2,6]", "[2]", members},
		{"names that are none", `"b"`, `1`, members},
		{"a long name", `"b"`, `"` + strings.Repeat("x", longestName+1) + `"`, members},
		{"counts that are none", `"counts":[`, `"counts":{},"x":[`, members},
		{"watched since nothing", "[5,7]", "[0,7]", "watched is not the beginning and the end of a time"},
		{"watched backwards", "[5,7]", "[7,5]", "watched is not the beginning and the end of a time"},
		{"watched after the year 9999", "[5,7]", "[5,253402300800]", "watched is not the beginning and the end of a time"},
		{"an unknown kind", "[1,0,0", "[99,0,0", count},
		{"kind 0", "[1,0,0", "[0,0,0", count},
		{"an unknown name", "[1,0,0", "[1,2,0", count},
		{"too short", "1,2,3]]", "1,2]]", count},
		{"too long", "1,2,3]]", "1,2,3,4]]", count},
		{"a negative count", "1,2,3]]", "-1,2,3]]", count},
		{"a huge count", "1,2,3]]", "9223372036854775807,2,3]]", count},
		{"a fraction", "1,2,3]]", "1.5,2,3]]", count},
		{"after the year 9999", "1,2,3]]", "1,2,253402300800]]", count},
		{"nothing counted", "1,2,3]]", "0,0,0]]", count},
		{"twice", "[1,0,0,0,0,1", "[8,0,0,1,1,1", count + ": it is there twice"},
		{"hours backwards", "[1,1,2,2]", "[2,2,1,1]", count},
		{"half an hour", "[1,1,2,2]", "[1,1,2]", count},
		{"an hour of nothing", "[1,1,2,2]", "[1,0,2,2]", count},
		{"half an example", "[0,1,1]", "[0,1]", count},
		{"an example of an unknown name", "[0,1,1]", "[0,1,2]", count},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := decode([]byte(strings.Replace(goodEntry, row.old, row.new, 1)))
			if got := fmt.Sprint(err); got != row.want && (err != nil || row.want != "") {
				t.Errorf("%s\nwant %s", got, row.want)
			}
		})
	}
}

// FuzzDecode: every accepted entry could have been written here, and decodes to the same
// values again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		goodEntry, "", "null", "[]", "{}", `{"version":1}`, `{"version":3}`, `{"version":1e99}`, `{"version":-1}`,
		`{"version":1,"sequence":1,"watched":[1,1],"ended":true,"folded":{},"names":[],"counts":[]}`,
		`{"version":1,"sequence":1,"watched":[1,1],"ended":true,"folded":{},"names":["\ud800"],"counts":[[1,0,0,0,0,1,1,1]]}`,
		`{"version":1,"sequence":1,"watched":[1,1],"ended":true,"folded":{},"names":[""],"counts":[[3,0,0,0,0,1,1,1,[],[],[]]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		same, err := decode(again)
		if err != nil || same.watch != e.watch || same.ended != e.ended || same.sequence != e.sequence || !maps.Equal(same.folded, e.folded) || len(same.values) != len(e.values) {
			t.Fatalf("written again, it reads as %+v: %v", same, err)
		}
		for k, v := range e.values {
			if !sameValue(v, same.values[k]) || v.Count < 0 {
				t.Fatalf("%v: %+v %+v", k, v, same.values[k])
			}
		}
	})
}

// TestTheFormerVersionIsRead, and is folded into an entry of this one. So servers can be
// updated one after the other.
func TestTheFormerVersionIsRead(t *testing.T) {
	s, c := newStorage(t), newTestClock()
	earlier := entry{sequence: 1, watch: watch{testTime.Unix() - 60, testTime.Unix()}, ended: true, values: map[Key]Value{passed: {Count: 7, First: testTime.Unix() - 50, Last: testTime.Unix()}}}
	data, err := earlier.encode()
	if err != nil {
		t.Fatal(err)
	}
	former := strings.Replace(string(data), `"version":2`, `"version":1`, 1)
	for i := range leastFold {
		s.put(fmt.Sprintf("0123456789abcdef0123456789abcdef-%d.json", i), former)
	}
	n := node(s, c)
	n.CountHourly(refusals)
	for range 2 {
		mustSync(t, n)
		c.pass(time.Minute)
	}
	if names := s.names(); len(names) != 2 || !strings.Contains(string(s.values[folder+"/"+names[1]]), `"version":2`) {
		t.Errorf("%v", names)
	}
	want(t, reader(t, s, c), passed, 7*leastFold)
	want(t, reader(t, s, c), refusals, 1)
}
