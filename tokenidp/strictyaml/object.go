package strictyaml

import (
	"slices"
	"strings"
)

// Object declares a mapping with known fields. It is the one source of what the reader
// accepts and of the JSON Schema: see [Object.Schema].
type Object struct {
	// Title and Description are one plain sentence or less, for people.
	Title, Description string
	// Fields are in the order in which errors list them.
	Fields  []Field
	Choices []Choice
	// Conditions are further JSON Schemas. The caller of the reader checks the same, and
	// reports it with Refuse.
	Conditions []Schema
	// Kind and By make up how errors call an element of a list: the kind, and the value of
	// a field. Without a Kind, it is called by the field that has the list.
	Kind, By string
	// Short is the field that somebody means who writes a scalar instead of the mapping, or
	// "". The error shows the scalar.
	Short string
}

// Field declares a field of an Object.
type Field struct {
	Name string
	Type Type
	// Required means that an error reports its absence.
	Required bool
	// Hint ends the error about an absent or empty value. It says what to write.
	Hint string
	// Description is one plain sentence, for people.
	Description string
	Default     any
	Examples    []any
}

// Choice declares fields that depend on each other: of some, there must be at least one,
// or at most one, or both.
type Choice struct {
	Of []string
	// None is the error if there is none of them. "": there may be none.
	None string
	// Several ends the error if there is more than one. "": there may be more.
	Several string
}

// Field returns the field of this name, or nil.
func (o *Object) Field(name string) *Field {
	for i := range o.Fields {
		if o.Fields[i].Name == name {
			return &o.Fields[i]
		}
	}
	return nil
}

// Names returns the names of the fields.
func (o *Object) Names() []string {
	names := make([]string, len(o.Fields))
	for i := range o.Fields {
		names[i] = o.Fields[i].Name
	}
	return names
}

// check adds no error: the mapping is checked when it is read, so that few of a long list
// are in memory at once.
func (o *Object) check(*Mapping, *Node, string) bool { return true }

// checkFields adds errors for fields that are absent, or must not be there together.
func (m *Mapping) checkFields() {
	for i := range m.object.Fields {
		if f := &m.object.Fields[i]; f.Required && !m.Has(f.Name) {
			m.Refuse(m.Node, "%s is missing%s", f.Name, f.hint())
		}
	}
	for _, c := range m.object.Choices {
		m.choose(c)
	}
}

func (m *Mapping) choose(c Choice) {
	first := ""
	for _, name := range c.Of {
		switch {
		case !m.Has(name):
		case first == "":
			first = name
		case c.Several != "":
			m.Refuse(m.Key(name), "has both %s in line %d and %s in line %d; %s", first, m.Key(first).Line, name, m.Key(name).Line, c.Several)
		}
	}
	// A refused field stands for one of them.
	refused := slices.ContainsFunc(m.entries, func(e entry) bool { _, is := m.reader.Refused[e.name]; return is })
	if first == "" && c.None != "" && !refused {
		m.Refuse(m.Node, "%s", c.None)
	}
}

func (f *Field) hint() string {
	if f.Hint == "" {
		return ""
	}
	return "; " + f.Hint
}

// hint returns that of a field, or "" for a value that is in no field of its own.
func (m *Mapping) hint(field string) string {
	if f := m.object.Field(field); f != nil {
		return f.hint()
	}
	return ""
}

func (o *Object) names() string { return strings.Join(o.Names(), ", ") }
