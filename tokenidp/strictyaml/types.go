package strictyaml

import (
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Type declares what a value must be. It is an [*Object] or one of the other types here.
type Type interface {
	// check reports whether n is such a value, and adds errors if it is not.
	check(m *Mapping, n *Node, field string) bool
	schema() Schema
}

// Text is a string. A scalar that YAML takes for something else must be quoted.
type Text struct{ Format *Format }

func (t Text) check(m *Mapping, n *Node, field string) bool {
	return m.isText(n, field) && t.Format.accept(m, n, field)
}

// Spelling is a scalar as it is spelled, whatever YAML takes it for. It is for a field of
// one form, such as a duration: the format says what to write, and 3600 is no duration in
// quotes either. So a number or a boolean must never be of the format.
type Spelling struct{ Format *Format }

func (t Spelling) check(m *Mapping, n *Node, field string) bool {
	return m.isSpelled(n, field) && t.Format.accept(m, n, field)
}

// Bool is true or false, without quotes.
type Bool struct {
	// True, if not "", means that only true is accepted, and says what to write instead.
	True string
	// Otherwise ends the error about another value. It says what happens meanwhile.
	Otherwise string
}

func (t Bool) check(m *Mapping, n *Node, field string) bool {
	switch {
	case !isBoolean(n):
		otherwise := t.Otherwise
		if otherwise != "" {
			otherwise = "; " + otherwise
		}
		// A schema takes True for true.
		m.refuseIf(n.ShortTag() != "!!bool", n, field, "must be true or false, without quotes%s", otherwise)
	case t.True != "" && n.Value != "true":
		m.RefuseField(n, field, "must be true; %s", t.True)
	default:
		return true
	}
	return false
}

// Count is a whole number from 1 to Most, in its plain spelling.
type Count struct{ Most int }

func (t Count) check(m *Mapping, n *Node, field string) bool {
	count, err := strconv.Atoi(n.Value)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" && err == nil && strconv.Itoa(count) == n.Value && count >= 1 && count <= t.Most {
		return true
	}
	// A schema takes 600.0 and 0x258 for 600.
	var number float64
	isNumber := n.Kind == yaml.ScalarNode && slices.Contains([]string{"!!int", "!!float"}, n.ShortTag()) && n.Decode(&number) == nil
	whole := isNumber && number == float64(int(number)) && number >= 1 && number <= float64(t.Most)
	m.refuseIf(!whole, n, field, "must be a whole number, 1 to %d, without quotes", t.Most)
	return false
}

// List is a list.
type List struct {
	Of Type
	// NotEmpty means that it must have an element.
	NotEmpty bool
	// Unique means that no element is there twice. They are scalars.
	Unique bool
	// Most is the largest number of elements. 0: any number.
	Most int
}

func (t List) check(m *Mapping, n *Node, field string) bool {
	switch {
	case n.Kind != yaml.SequenceNode:
		m.RefuseField(n, field, "must be a list")
		return false
	case t.NotEmpty && len(n.Content) == 0:
		m.RefuseField(n, field, "is empty%s", m.hint(field))
		return false
	case t.Most > 0 && len(n.Content) > t.Most:
		m.RefuseField(n, field, "has %d entries; at most %d are accepted", len(n.Content), t.Most)
		return false
	}
	if _, later := t.Of.(*Object); later {
		return true
	}
	return t.checkElements(m, n, field)
}

func (t List) checkElements(m *Mapping, n *Node, field string) bool {
	sound, seen := true, make(map[string]bool)
	for _, element := range n.Content {
		switch {
		case !m.isPlain(element, field) || !t.Of.check(m, element, field):
			sound = false
		case t.Unique && seen[element.Value]:
			m.RefuseField(element, field, "has %s twice", Quote(element.Value))
			sound = false
		case t.Unique:
			seen[element.Value] = true
		}
	}
	return sound
}

// OneOrMore is a value of a type, or a list of them that is not empty.
type OneOrMore struct{ Of Type }

func (t OneOrMore) check(m *Mapping, n *Node, field string) bool {
	switch {
	case n.Kind != yaml.SequenceNode:
		return t.Of.check(m, n, field)
	case len(n.Content) == 0:
		m.RefuseField(n, field, "has no value that is accepted")
		return false
	}
	return List{Of: t.Of}.checkElements(m, n, field)
}

// Map is a mapping whose names are free, each once.
type Map struct {
	Names  *Format
	Values Type
	// NotEmpty means that it must have an entry.
	NotEmpty bool
}

func (t Map) check(m *Mapping, n *Node, field string) bool {
	switch {
	case n.Kind != yaml.MappingNode:
		m.RefuseField(n, field, "must be a mapping")
		return false
	case t.NotEmpty && len(n.Content) == 0:
		m.RefuseField(n, field, "is empty%s", m.hint(field))
		return false
	}
	entries := m.entriesOf(n)
	sound := len(entries) == len(n.Content)/2
	for _, e := range entries {
		named := field + " " + Quote(e.Name)
		sound = t.Names.accept(m, e.Key, field) && m.isPlain(e.Value, named) && t.Values.check(m, e.Value, named) && sound
	}
	return sound
}

// JSON is anything that JSON can say too, except null. [Mapping.Value] checks it.
type JSON struct {
	// Object, if not "", means that only a mapping is accepted, and says of what.
	Object string
	// Never are names that the mapping must not have. Only the schema has them: the caller
	// of the reader reports them with Refuse.
	Never []string
}

func (t JSON) check(m *Mapping, n *Node, field string) bool {
	if t.Object != "" && n.Kind != yaml.MappingNode {
		m.RefuseField(n, field, "must be a mapping of %s", t.Object)
		return false
	}
	return true
}
