package usage

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// entryVersion is the format of the entries that are written. Version 2 has three more kinds
// than version 1. Entries of a later version are not read, and not folded, so two releases
// can share one storage. While they do, the older one knows less.
const (
	entryVersion  = 2
	oldestVersion = 1
)

// mostEntrySize is in bytes. Larger entries are not read, and not written.
const mostEntrySize = 64 << 20

var errOtherVersion = errors.New("written by a newer version of this software, which it takes to read it")

// entry is a stored entry.
type entry struct {
	// sequence counts the writes of the entry.
	sequence int64
	// watch is the time in which, according to the writer, a process counted.
	watch watch
	// ended: its process no longer writes it.
	ended  bool
	values map[Key]Value
	// folded are the entries whose values are in this one.
	folded map[string]taken
}

// taken is the sequence of an entry when it was folded, and the time of the fold.
type taken struct{ sequence, at int64 }

// encode writes
//
//	{
//	  "version": 2,
//	  "sequence": <n>,
//	  "watched": [<from>, <until>],
//	  "ended": <bool>,
//	  "folded": {"<entry>": [<sequence>, <when>]},
//	  "names": ["<text>"],
//	  "counts": [[<kind>, <issuer>, <client>, <name>, <detail>, <count>, <first>, <last>]]
//	}
//
// with times in whole seconds since 1970, 0 for none, and texts by their index in names. A
// count may have four more: its hours and its days, each [<slot>, <count>, …], and the
// example as [<method>, <path>, <client_ip>] of names, or [].
func (e entry) encode() ([]byte, error) {
	names := &nameTable{index: make(map[string]int)}
	counts := make([]any, 0, len(e.values))
	for _, k := range slices.SortedFunc(maps.Keys(e.values), Key.compare) {
		counts = append(counts, names.row(k, e.values[k]))
	}
	folded := make(map[string][2]int64, len(e.folded))
	for name, t := range e.folded {
		folded[name] = [2]int64{t.sequence, t.at}
	}
	return json.Marshal(map[string]any{
		"version": entryVersion, "sequence": e.sequence, "watched": [2]int64{e.watch.from, e.watch.until},
		"ended": e.ended, "folded": folded, "names": append([]string{}, names.texts...), "counts": counts,
	})
}

// encodeBounded returns an error for an entry that is too large to read.
func (e entry) encodeBounded() ([]byte, error) {
	data, err := e.encode()
	if len(data) > mostEntrySize {
		return nil, fmt.Errorf("the usage to store takes %d bytes, and no entry may have more than %d", len(data), mostEntrySize)
	}
	return data, err
}

func (k Key) compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Kind, other.Kind), strings.Compare(k.Issuer, other.Issuer), strings.Compare(k.Client, other.Client),
		strings.Compare(k.Name, other.Name), strings.Compare(k.Detail, other.Detail))
}

// nameTable has each text once.
type nameTable struct {
	index map[string]int
	texts []string
}

func (t *nameTable) at(text string) int {
	i, known := t.index[text]
	if !known {
		i = len(t.texts)
		t.index[text], t.texts = i, append(t.texts, text)
	}
	return i
}

func (t *nameTable) row(k Key, v Value) []any {
	row := []any{int(k.Kind), t.at(k.Issuer), t.at(k.Client), t.at(k.Name), t.at(k.Detail), v.Count, v.First, v.Last}
	if len(v.Hours)+len(v.Days) == 0 && v.Example == nil {
		return row
	}
	example := []int{}
	if v.Example != nil {
		example = []int{t.at(v.Example.Method), t.at(v.Example.Path), t.at(v.Example.ClientIP)}
	}
	return append(row, v.Hours.flat(), v.Days.flat(), example)
}

func (s Series) flat() []int64 {
	flat := make([]int64, 0, 2*len(s))
	for _, b := range s {
		flat = append(flat, b.Slot, b.Count)
	}
	return flat
}

var (
	errMembers = errors.New("must have the members version, sequence, watched, ended, folded, names and counts alone")
	errCount   = errors.New("a count is not one that this software writes")
)

// decode parses an entry, and checks everything except whether its times are believable.
func decode(data []byte) (e entry, err error) {
	object, err := strictjson.Object(data)
	if err != nil {
		return e, err
	}
	if err := checkVersion(object["version"]); err != nil {
		return e, err
	}
	var sequence, watched int64s
	var ok [5]bool
	sequence, ok[0] = numbers([]any{object["sequence"]})
	watched, ok[1] = numbers(object["watched"])
	e.ended, ok[2] = object["ended"].(bool)
	e.folded, ok[3] = foldedFrom(object["folded"])
	names, isList := texts(object["names"])
	counts, isCounts := object["counts"].([]any)
	ok[4] = isList && isCounts
	if len(object) != 7 || slices.Contains(ok[:], false) || len(watched) != 2 || sequence[0] == 0 {
		return e, errMembers
	}
	e.sequence, e.watch = sequence[0], watch{watched[0], watched[1]}
	if e.watch.from == 0 || e.watch.from > e.watch.until || e.watch.until > lastSecond {
		return e, errors.New("watched is not the beginning and the end of a time")
	}
	e.values = make(map[Key]Value, len(counts))
	for _, count := range counts {
		k, v, err := rowFrom(count, names)
		if err != nil {
			return e, err
		}
		if _, twice := e.values[k]; twice {
			return e, fmt.Errorf("%w: it is there twice", errCount)
		}
		e.values[k] = v
	}
	return e, nil
}

// checkVersion comes first, because an entry of another version may have other content.
func checkVersion(value any) error {
	number, _ := value.(strictjson.Number)
	version, err := strconv.ParseUint(number.String(), 10, 32)
	switch {
	case err != nil || version < oldestVersion:
		return errors.New("has no version")
	case version > entryVersion:
		return errOtherVersion
	}
	return nil
}

type int64s = []int64

// mostNumber keeps sums within bounds.
const mostNumber = 1 << 52

// numbers reads a list of numbers. None may be negative.
func numbers(value any) (int64s, bool) {
	list, ok := value.([]any)
	all := make(int64s, len(list))
	for i, one := range list {
		number, _ := one.(strictjson.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil || n < 0 || n > mostNumber {
			return nil, false
		}
		all[i] = n
	}
	return all, ok
}

// texts reads a list of texts. They are copies, so that no text keeps the entry in memory.
func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	all := make([]string, len(list))
	for i, one := range list {
		text, isText := one.(string)
		if !isText || len(text) > longestName {
			return nil, false
		}
		all[i] = strings.Clone(text)
	}
	return all, ok
}

func foldedFrom(value any) (map[string]taken, bool) {
	object, ok := value.(map[string]any)
	folded := make(map[string]taken, len(object))
	for name, one := range object {
		n, isList := numbers(one)
		if !isList || len(n) != 2 || !entryName.MatchString(name) {
			return nil, false
		}
		folded[strings.Clone(name)] = taken{n[0], n[1]}
	}
	return folded, ok
}

const (
	shortRow = 8
	longRow  = shortRow + 3
)

func rowFrom(value any, names []string) (k Key, v Value, err error) {
	row, _ := value.([]any)
	if len(row) != shortRow && len(row) != longRow {
		return k, v, errCount
	}
	n, ok := numbers(row[:shortRow])
	if !ok || n[0] == 0 || n[0] > int64(lastKind) || n[6] > lastSecond || n[7] > lastSecond {
		return k, v, errCount
	}
	parts, ok := named(n[1:5], names)
	if !ok {
		return k, v, errCount
	}
	k = Key{Kind(n[0]), parts[0], parts[1], parts[2], parts[3]}
	v = Value{Count: n[5], First: n[6], Last: n[7]}
	if v.isZero() {
		return k, v, errCount
	}
	if len(row) == longRow {
		err = v.readMore(row[shortRow:], names)
	}
	return k, v, err
}

func named(indexes int64s, names []string) ([]string, bool) {
	found := make([]string, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(names)) {
			return nil, false
		}
		found[i] = names[index]
	}
	return found, true
}

func (v *Value) readMore(row []any, names []string) error {
	var ok [3]bool
	v.Hours, ok[0] = seriesFrom(row[0])
	v.Days, ok[1] = seriesFrom(row[1])
	example, isList := numbers(row[2])
	texts, known := named(example, names)
	ok[2] = isList && known && (len(texts) == 0 || len(texts) == 3)
	if slices.Contains(ok[:], false) {
		return errCount
	}
	if len(texts) == 3 {
		v.Example = &Example{texts[0], texts[1], texts[2]}
	}
	return nil
}

func seriesFrom(value any) (Series, bool) {
	flat, ok := numbers(value)
	if !ok || len(flat)%2 != 0 {
		return nil, false
	}
	var s Series
	for pair := range slices.Chunk(flat, 2) {
		if len(s) > 0 && s[len(s)-1].Slot >= pair[0] || pair[1] == 0 {
			return nil, false
		}
		s = append(s, Bucket{pair[0], pair[1]})
	}
	return s, true
}
