package application

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// mostDepth is how deep lists and mappings may nest in a value.
const mostDepth = 8

var (
	// number is one of RFC 8259 section 6. YAML has more, such as 0x1F, 1_000 and .inf.
	number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

	errNotJSON = errors.New("must be text, a number as JSON has it, true, false, a list or a mapping; quote text that YAML takes for something else")
)

// mostExact is the end of the integers that every reader of JSON keeps whole (RFC
// 8259 section 6).
const mostExact = 1 << 53

// value reads what JSON can say too: string, bool, [json.Number], []any or
// map[string]any. Its errors repeat nothing: it may be a private key.
func (m *mapping) value(n *yaml.Node, field string) (any, bool) {
	return m.valueAt(n, field, 1)
}

func (m *mapping) valueAt(n *yaml.Node, field string, depth int) (any, bool) {
	switch {
	case !m.plain(n, field):
		return nil, false
	case depth > mostDepth:
		m.failField(n, field, "nests deeper than %d lists and mappings", mostDepth)
		return nil, false
	case n.Kind == yaml.SequenceNode:
		return m.listAt(n, field, depth)
	case n.Kind == yaml.MappingNode:
		return m.objectAt(n, field, depth)
	}
	value, err := scalar(n)
	if err != nil {
		m.failField(n, field, "%v", err)
	}
	return value, err == nil
}

func (m *mapping) listAt(n *yaml.Node, field string, depth int) (any, bool) {
	list, sound := []any{}, true
	for _, element := range n.Content {
		value, ok := m.valueAt(element, field, depth+1)
		list, sound = append(list, value), sound && ok
	}
	return list, sound
}

func (m *mapping) objectAt(n *yaml.Node, field string, depth int) (any, bool) {
	object, sound := make(map[string]any), true
	for _, e := range m.entriesOf(n) {
		value, ok := m.valueAt(e.value, field, depth+1)
		object[e.name], sound = value, sound && ok
	}
	return object, sound && len(object) == len(n.Content)/2
}

func scalar(n *yaml.Node) (any, error) {
	switch {
	case isString(n):
		return n.Value, nil
	case isBoolean(n):
		return n.Value == "true", nil
	case !slices.Contains([]string{"!!int", "!!float"}, n.ShortTag()) || !number.MatchString(n.Value):
		return nil, errNotJSON
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || n.ShortTag() == "!!int" && (f >= mostExact || f <= -mostExact) {
		return nil, errors.New("is a number that not every reader of JSON keeps exactly; quote it")
	}
	return json.Number(n.Value), nil
}

// entry is a field of a mapping whose names are free.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries are those of a field that is a mapping, each name once.
func (m *mapping) entries(field string) []entry {
	n := m.fields[field]
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.MappingNode:
		m.failField(n, field, "must be a mapping")
		return nil
	}
	return m.entriesOf(n)
}

func (m *mapping) entriesOf(n *yaml.Node) (entries []entry) {
	places := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, ok := m.key(key)
		if !ok {
			continue
		}
		if first, repeated := places[name]; repeated {
			m.fail(key, "field %s is repeated; it was in line %d already", quoted(name), first)
			continue
		}
		places[name] = key.Line
		entries = append(entries, entry{name, key, value})
	}
	return entries
}
