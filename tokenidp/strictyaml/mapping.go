// Package strictyaml reads YAML in one way, and guesses nothing: known fields alone,
// each once; no aliases, anchors, tags, merge keys and nulls; one document. Whatever is
// wrong is collected, each mistake with its file and line.
package strictyaml

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Node is a part of a document, at its Line. A file is read node by node, because
// decoding into a struct guesses: 0123 becomes "83" or "0123", null becomes "", an
// alias becomes what it points to, a billion times over.
type Node = yaml.Node

// Reader reads one file, and collects what is wrong in it.
type Reader struct {
	// File is the path, for errors.
	File string
	// Errors make the file unusable; Warnings do not.
	Errors, Warnings Problems

	// Empty says what is wrong with a file that has nothing in it.
	Empty string
	// Refused are names of fields that no mapping has, and what to write instead. They
	// are distinguished from other unknown fields.
	Refused map[string]string
	// Hidden are the fields of which no error repeats the value: it may be a secret in
	// the wrong place.
	Hidden []string
	// IsSecret reports whether a text is a secret, by which nothing can be called; nil:
	// none is.
	IsSecret func(string) bool

	// Misshapen reports whether one of the errors is about what a JSON Schema of the
	// Objects refuses too. Other errors are about the meaning of values and the spelling
	// of YAML.
	Misshapen bool
}

// Mapping is a YAML mapping that has been checked against its declaration.
type Mapping struct {
	// Node is its node in the file.
	Node *Node
	// What is how errors call it, as in `application "orders-worker"`, or "".
	What string

	reader  *Reader
	object  *Object
	entries []entry
}

// entry is a field that was given. value is nil if it was refused.
type entry struct {
	name       string
	key, value *Node
}

// Mapping reads n, which must be what the Object declares: known fields, each once, with
// values of their types. Nested mappings are checked when they are read. It returns nil if
// n is not a mapping.
func (r *Reader) Mapping(n *Node, what string, o *Object) *Mapping {
	m := &Mapping{Node: n, What: what, reader: r, object: o}
	if !m.isPlain(n, "") {
		return nil
	}
	switch {
	case o.Short != "" && n.Kind == yaml.ScalarNode:
		m.Refuse(n, "must be a mapping; write `- %s: %s`", o.Short, Quote(n.Value))
		return nil
	case n.Kind != yaml.MappingNode:
		m.Refuse(n, "must be a mapping with the fields %s", o.names())
		return nil
	}
	m.entries = make([]entry, 0, min(len(n.Content)/2, len(o.Fields)))
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name, ok := m.name(n.Content[i]); ok {
			m.add(name, n.Content[i], n.Content[i+1])
		}
	}
	m.checkFields()
	return m
}

// add checks a field, and adds it if it is known or refused by name.
func (m *Mapping) add(name string, key, value *Node) {
	field := m.object.Field(name)
	refused, isRefused := m.reader.Refused[name]
	switch first := m.entry(name); {
	case first != nil:
		m.Fail(key, "field %s is repeated; it was in line %d already", Quote(name), first.key.Line)
	case field != nil:
		if !m.isPlain(value, name) || !field.Type.check(m, value, name) {
			value = nil
		}
		m.entries = append(m.entries, entry{name, key, value})
	case isRefused:
		m.entries = append(m.entries, entry{name, key, nil})
		m.Refuse(key, "field %q %s", name, refused)
	default:
		m.Refuse(key, "unknown field %s; %s", Quote(name), KnownField(name, m.object.Names()))
	}
}

func (m *Mapping) entry(name string) *entry {
	for i := range m.entries {
		if m.entries[i].name == name {
			return &m.entries[i]
		}
	}
	return nil
}

// NameOf returns how errors call the mapping n: by the value of one of its fields, which
// have not been checked yet, or else by its index in a list.
func (r *Reader) NameOf(kind string, n *Node, field string, index int) string {
	for _, value := range Values(n, field) {
		if value.Kind == yaml.ScalarNode && value.ShortTag() == "!!str" && (r.IsSecret == nil || !r.IsSecret(value.Value)) {
			return kind + " " + Quote(value.Value)
		}
	}
	return fmt.Sprintf("%s %d", kind, index+1)
}

// name reads the name of a field.
func (m *Mapping) name(n *Node) (string, bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
		m.Fail(n, "merge keys (<<) are not accepted; write the fields out")
	case n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || n.ShortTag() == "!!null":
		m.Fail(n, "a field name must be a plain word")
	default:
		return n.Value, true
	}
	return "", false
}

// isPlain reports whether n is what it looks like. Aliases make a small file large,
// tags change what a value means, and null is most often a value that somebody forgot.
func (m *Mapping) isPlain(n *Node, field string) bool {
	problem := notPlain(n)
	if problem != "" {
		m.refuseIf(problem == isNull, n, field, "%s", problem)
	}
	return problem == ""
}

const isNull = "is null; give it a value or leave it out"

func notPlain(n *Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "is an alias (*), which is not accepted; write the value out"
	case n.Anchor != "":
		return "has an anchor (&), which is not accepted; write the value out where it is needed"
	case n.Style&yaml.TaggedStyle != 0 && !isStandardTag(n):
		return "has a tag (!), which is not accepted; leave it out"
	case n.ShortTag() == "!!null":
		return isNull
	}
	return ""
}

func isStandardTag(n *Node) bool {
	switch n.Kind {
	case yaml.MappingNode:
		return n.ShortTag() == "!!map"
	case yaml.SequenceNode:
		return n.ShortTag() == "!!seq"
	default:
		return slices.Contains([]string{"!!str", "!!bool", "!!int", "!!float", "!!timestamp", "!!null"}, n.ShortTag())
	}
}

// Has reports whether the field was given, rightly or wrongly.
func (m *Mapping) Has(field string) bool { return m.entry(field) != nil }

// Field returns the value of the field, or nil if it is absent or was refused.
func (m *Mapping) Field(field string) *Node {
	if e := m.entry(field); e != nil {
		return e.value
	}
	return nil
}

// Key returns where the name of a field stands, or nil if it is absent.
func (m *Mapping) Key(field string) *Node {
	if e := m.entry(field); e != nil {
		return e.key
	}
	return nil
}

// List returns the elements of a list, or none if it is absent or was refused.
func (m *Mapping) List(field string) []*Node {
	if n := m.Field(field); n != nil {
		return n.Content
	}
	return nil
}

// Text returns a scalar as it is spelled, and where it stands, or nil if it is absent or
// was refused.
func (m *Mapping) Text(field string) (string, *Node) {
	if n := m.Field(field); n != nil {
		return n.Value, n
	}
	return "", nil
}

// Texts returns the scalars of a list, and where each stands.
func (m *Mapping) Texts(field string) (values []string, nodes []*Node) {
	nodes = m.List(field)
	for _, n := range nodes {
		values = append(values, n.Value)
	}
	return values, nodes
}

// Boolean returns the field, or otherwise if it is absent or was refused.
func (m *Mapping) Boolean(field string, otherwise bool) bool {
	if n := m.Field(field); n != nil {
		return n.Value == "true"
	}
	return otherwise
}

// Count returns the number, or 0 if it is absent or was refused.
func (m *Mapping) Count(field string) int {
	text, _ := m.Text(field)
	count, _ := strconv.Atoi(text)
	return count
}

// Object returns the mapping in a field, or nil if it is absent or was refused.
func (m *Mapping) Object(field string) *Mapping {
	n := m.Field(field)
	if n == nil {
		return nil
	}
	o, _ := m.object.Field(field).Type.(*Object)
	return m.reader.Mapping(n, m.inside(field), o)
}

// Objects returns the mappings in a list, and checks each when it returns it. It leaves
// out what is not a mapping.
func (m *Mapping) Objects(field string) iter.Seq[*Mapping] {
	return func(yield func(*Mapping) bool) {
		nodes := m.List(field)
		if len(nodes) == 0 {
			return
		}
		list, _ := m.object.Field(field).Type.(List)
		o, _ := list.Of.(*Object)
		for i, n := range nodes {
			if one := m.reader.Mapping(n, m.inside(m.reader.nameOf(o, field, n, i)), o); one != nil && !yield(one) {
				return
			}
		}
	}
}

func (m *Mapping) inside(what string) string {
	if m.What == "" {
		return what
	}
	return m.What + ": " + what
}

func (r *Reader) nameOf(o *Object, field string, n *Node, index int) string {
	if o.Kind == "" {
		return field
	}
	return r.NameOf(o.Kind, n, o.By, index)
}

// isText reports whether n is a string. It refuses what YAML, in this version or the
// last, takes for something else.
func (m *Mapping) isText(n *Node, field string) bool {
	if !m.isSpelled(n, field) {
		return false
	}
	misshapen := !isJSONString(n)
	switch {
	case isString(n):
		return true
	case len(n.Value) > longestQuote, slices.Contains(m.reader.Hidden, field):
		m.refuseIf(misshapen, n, field, "must be a string; quote it")
	default:
		m.refuseIf(misshapen, n, field, "must be a string; quote it: %s", Quote(n.Value))
	}
	return false
}

// isSpelled reports whether n is a scalar, of whatever type. It refuses a list and a
// mapping.
func (m *Mapping) isSpelled(n *Node, field string) bool {
	switch {
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0:
		m.RefuseField(n, field, "must be a string; a value that begins with { has to be quoted")
	case n.Kind != yaml.ScalarNode:
		m.RefuseField(n, field, "must be a string")
	}
	return n.Kind == yaml.ScalarNode
}

// isJSONString reports whether a JSON Schema takes a scalar for a string: unlike isString,
// also a date and an old boolean.
func isJSONString(n *Node) bool {
	return slices.Contains([]string{"!!str", "!!timestamp"}, n.ShortTag())
}

func isString(n *Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && !isOldBoolean(n)
}

// isOldBoolean: YAML 1.1 has these for true and false, and so have many programs.
func isOldBoolean(n *Node) bool {
	return n.Style == 0 && slices.Contains([]string{"y", "yes", "n", "no", "on", "off"}, strings.ToLower(n.Value))
}

// IsLabel reports whether a text has 1 to the given number of printable characters.
func IsLabel(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}

func isBoolean(n *Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" && (n.Value == "true" || n.Value == "false")
}

// At returns the place of n.
func (m *Mapping) At(n *Node) Position { return Position{m.reader.File, n.Line} }

// Fail adds an error at n, which begins with What.
func (m *Mapping) Fail(n *Node, format string, args ...any) {
	m.reader.Errors.Add(m.At(n), "%s", m.say(format, args...))
}

// FailField adds an error at n, which begins with What and the field's name.
func (m *Mapping) FailField(n *Node, field, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if field != "" {
		text = field + " " + text
	}
	m.Fail(n, "%s", text)
}

// Refuse is Fail for what a JSON Schema of the Object refuses too.
func (m *Mapping) Refuse(n *Node, format string, args ...any) {
	m.reader.Misshapen = true
	m.Fail(n, format, args...)
}

// RefuseField is FailField for what a JSON Schema of the Object refuses too.
func (m *Mapping) RefuseField(n *Node, field, format string, args ...any) {
	m.refuseIf(true, n, field, format, args...)
}

func (m *Mapping) refuseIf(misshapen bool, n *Node, field, format string, args ...any) {
	m.reader.Misshapen = m.reader.Misshapen || misshapen
	m.FailField(n, field, format, args...)
}

// Warn adds a warning at n, which begins with What.
func (m *Mapping) Warn(id string, n *Node, format string, args ...any) {
	m.reader.Warnings.Warn(id, m.At(n), "%s", m.say(format, args...))
}

func (m *Mapping) say(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if m.What == "" {
		return text
	}
	return m.What + ": " + text
}
