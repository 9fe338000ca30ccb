package strictyaml

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

// Value reads what JSON can say too: string, bool, [json.Number], []any or
// map[string]any. Its errors repeat nothing: it may be a private key.
func (m *Mapping) Value(n *Node, field string) (any, bool) {
	return m.valueAt(n, field, 1)
}

func (m *Mapping) valueAt(n *Node, field string, depth int) (any, bool) {
	switch {
	case !m.isPlain(n, field):
		return nil, false
	case depth > mostDepth:
		m.FailField(n, field, "nests deeper than %d lists and mappings", mostDepth)
		return nil, false
	case n.Kind == yaml.SequenceNode:
		return m.listAt(n, field, depth)
	case n.Kind == yaml.MappingNode:
		return m.objectAt(n, field, depth)
	}
	value, err := scalar(n)
	if err != nil {
		m.FailField(n, field, "%v", err)
	}
	return value, err == nil
}

func (m *Mapping) listAt(n *Node, field string, depth int) (any, bool) {
	list, sound := []any{}, true
	for _, element := range n.Content {
		value, ok := m.valueAt(element, field, depth+1)
		list, sound = append(list, value), sound && ok
	}
	return list, sound
}

func (m *Mapping) objectAt(n *Node, field string, depth int) (any, bool) {
	object, sound := make(map[string]any), true
	for _, e := range m.entriesOf(n) {
		value, ok := m.valueAt(e.Value, field, depth+1)
		object[e.Name], sound = value, sound && ok
	}
	return object, sound && len(object) == len(n.Content)/2
}

func scalar(n *Node) (any, error) {
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

// Entry is a field of a mapping whose names are free.
type Entry struct {
	Name       string
	Key, Value *Node
}

// Entries returns those of a field that is a mapping, each name once, in their order.
func (m *Mapping) Entries(field string) []Entry {
	if n := m.Field(field); n != nil {
		return m.entriesOf(n)
	}
	return nil
}

func (m *Mapping) entriesOf(n *Node) (entries []Entry) {
	places := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, ok := m.name(key)
		if !ok {
			continue
		}
		if first, repeated := places[name]; repeated {
			m.Fail(key, "field %s is repeated; it was in line %d already", Quote(name), first)
			continue
		}
		places[name] = key.Line
		entries = append(entries, Entry{name, key, value})
	}
	return entries
}

// Fields returns all of a mapping that may be wrong. It is nil for another node.
func Fields(n *Node) (fields []Entry) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode {
			fields = append(fields, Entry{key.Value, key, n.Content[i+1]})
		}
	}
	return fields
}

// Take removes a field, which may be repeated, from a mapping that may be wrong otherwise.
// It returns a mapping of what it has removed, or nil.
func Take(n *Node, field string) *Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var taken, left []*Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode && key.Value == field {
			taken = append(taken, n.Content[i:i+2]...)
		} else {
			left = append(left, n.Content[i:i+2]...)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	n.Content = left
	return &Node{Kind: yaml.MappingNode, Tag: "!!map", Line: taken[0].Line, Content: taken}
}

// Values returns those of a field that may be repeated, of a mapping that may be wrong
// otherwise.
func Values(n *Node, field string) (values []*Node) {
	for _, f := range Fields(n) {
		if f.Name == field {
			values = append(values, f.Value)
		}
	}
	return values
}

// Elements returns those of a list, or else n itself.
func Elements(n *Node) []*Node {
	if IsList(n) {
		return n.Content
	}
	return []*Node{n}
}

// Target returns the node that an alias refers to, and any other node itself.
func Target(n *Node) *Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// Boolean returns the boolean that n is, if it leaves no doubt.
func Boolean(n *Node) (b, ok bool) {
	return n.Value == "true", notPlain(n) == "" && isBoolean(n)
}

// IsScalar reports whether n is neither a list nor a mapping nor null.
func IsScalar(n *Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" }

// IsList reports whether n is a list. It may be nil.
func IsList(n *Node) bool { return n != nil && n.Kind == yaml.SequenceNode }

// IsEmptyList reports whether n is a list without anything in it. It may be nil.
func IsEmptyList(n *Node) bool { return IsList(n) && len(n.Content) == 0 }

// IsEmptyMapping reports whether n is a mapping without anything in it. It may be nil.
func IsEmptyMapping(n *Node) bool {
	return n != nil && n.Kind == yaml.MappingNode && len(n.Content) == 0
}
