// Package strictyaml reads YAML in one way, and guesses nothing: known fields alone,
// each once; no aliases, anchors, tags, merge keys and nulls; one document. Whatever is
// wrong is collected, each mistake with its file and line.
package strictyaml

import (
	"fmt"
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
	// are told apart from other unknown fields.
	Refused map[string]string
	// Hidden are the fields of which no error repeats the value: it may be a secret in
	// the wrong place.
	Hidden []string
	// IsSecret reports whether a text is a secret, by which nothing can be called; nil:
	// none is.
	IsSecret func(string) bool
}

// Mapping is a YAML mapping whose keys have been checked.
type Mapping struct {
	// Node is its node in the file.
	Node *Node
	// What is how errors call it, as in `application "orders-worker"`, or "".
	What string

	reader *Reader
	fields map[string]*Node
	keys   map[string]*Node // where the names of the fields stand
}

// Mapping reads n, which is to have no other fields than the known ones, each once. It
// returns nil if n is no mapping.
func (r *Reader) Mapping(n *Node, what string, knownFields ...string) *Mapping {
	m := &Mapping{n, what, r, make(map[string]*Node), make(map[string]*Node)}
	if !m.IsPlain(n, "") {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		m.Fail(n, "must be a mapping with the fields %s", strings.Join(knownFields, ", "))
		return nil
	}
	places := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, ok := m.name(key)
		if !ok {
			continue
		}
		first, repeated := places[name]
		refused, isRefused := r.Refused[name]
		switch {
		case repeated:
			m.Fail(key, "field %s is repeated; it was in line %d already", Quote(name), first)
		case slices.Contains(knownFields, name):
			if m.IsPlain(value, name) {
				m.fields[name] = value
			} else {
				m.fields[name] = nil
			}
		case isRefused:
			m.fields[name] = nil
			m.Fail(key, "field %q %s", name, refused)
		default:
			m.Fail(key, "unknown field %s; %s", Quote(name), KnownField(name, knownFields))
		}
		places[name], m.keys[name] = key.Line, key
	}
	return m
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

// IsPlain reports whether n is what it looks like. Aliases make a small file large,
// tags change what a value means, and null is most often a value that somebody forgot.
func (m *Mapping) IsPlain(n *Node, field string) bool {
	if problem := notPlain(n); problem != "" {
		m.FailField(n, field, "%s", problem)
		return false
	}
	return true
}

func notPlain(n *Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "is an alias (*), which is not accepted; write the value out"
	case n.Anchor != "":
		return "has an anchor (&), which is not accepted; write the value out where it is needed"
	case n.Style&yaml.TaggedStyle != 0 && !isStandardTag(n):
		return "has a tag (!), which is not accepted; leave it out"
	case n.ShortTag() == "!!null":
		return "is null; give it a value or leave it out"
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
func (m *Mapping) Has(field string) bool {
	_, ok := m.fields[field]
	return ok
}

// Field returns the value of the field, or nil if it is absent or was refused.
func (m *Mapping) Field(field string) *Node { return m.fields[field] }

// Key returns where the name of a field stands, or nil if it is absent.
func (m *Mapping) Key(field string) *Node { return m.keys[field] }

// List returns the elements of a list, or none if it is absent or wrong.
func (m *Mapping) List(field string) []*Node {
	n := m.fields[field]
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		m.FailField(n, field, "must be a list")
		return nil
	}
	return n.Content
}

// Text returns a string and where it stands, or nil if it is absent or wrong.
func (m *Mapping) Text(field string) (string, *Node) {
	if n := m.fields[field]; n != nil && m.IsText(n, field) {
		return n.Value, n
	}
	return "", nil
}

// Spelling returns a scalar as it is spelled, whatever YAML takes it for, and where it
// stands. It is for a field of one form, such as a duration: whoever checks the form says
// what to write, and 3600 is no duration in quotes either.
func (m *Mapping) Spelling(field string) (string, *Node) {
	if n := m.fields[field]; n != nil && m.IsSpelled(n, field) {
		return n.Value, n
	}
	return "", nil
}

// Required is Text that must be there.
func (m *Mapping) Required(field string) (string, *Node) {
	if !m.Has(field) {
		m.Fail(m.Node, "%s is missing", field)
	}
	return m.Text(field)
}

// Texts returns a list of different strings, and where each stands.
func (m *Mapping) Texts(field string) (values []string, nodes []*Node) {
	return m.different(field, m.IsText)
}

// Spellings returns a list of different scalars as they are spelled, and where each
// stands.
func (m *Mapping) Spellings(field string) (values []string, nodes []*Node) {
	return m.different(field, m.IsSpelled)
}

func (m *Mapping) different(field string, accepted func(*Node, string) bool) (values []string, nodes []*Node) {
	seen := make(map[string]bool)
	for _, n := range m.List(field) {
		switch {
		case !m.IsPlain(n, field) || !accepted(n, field):
		case seen[n.Value]:
			m.FailField(n, field, "has %s twice", Quote(n.Value))
		default:
			seen[n.Value] = true
			values, nodes = append(values, n.Value), append(nodes, n)
		}
	}
	return values, nodes
}

// IsText reports whether n is a string. It refuses what YAML, in this version or the
// last, takes for something else.
func (m *Mapping) IsText(n *Node, field string) bool {
	switch {
	case !m.IsSpelled(n, field):
	case isString(n):
		return true
	case len(n.Value) > longestQuote, slices.Contains(m.reader.Hidden, field):
		m.FailField(n, field, "must be a string; quote it")
	default:
		m.FailField(n, field, "must be a string; quote it: %s", Quote(n.Value))
	}
	return false
}

// IsSpelled reports whether n is a scalar, of whatever type. It refuses a list and a
// mapping.
func (m *Mapping) IsSpelled(n *Node, field string) bool {
	switch {
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0:
		m.FailField(n, field, "must be a string; a value that begins with { has to be quoted")
	case n.Kind != yaml.ScalarNode:
		m.FailField(n, field, "must be a string")
	}
	return n.Kind == yaml.ScalarNode
}

func isString(n *Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && !isOldBoolean(n)
}

// isOldBoolean: YAML 1.1 has these for true and false, and so have many programs.
func isOldBoolean(n *Node) bool {
	return n.Style == 0 && slices.Contains([]string{"y", "yes", "n", "no", "on", "off"}, strings.ToLower(n.Value))
}

// Label returns a text that people read: 1 to the given number of printable
// characters. It is "" if the field is absent.
func (m *Mapping) Label(field string, most int) string {
	value, n := m.Text(field)
	if n != nil && !IsLabel(value, most) {
		m.FailField(n, field, "must be 1 to %d printable characters in one line", most)
	}
	return value
}

// IsLabel reports whether a text has 1 to the given number of printable characters.
func IsLabel(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}

// Boolean returns the field, or otherwise if it is absent or wrong.
func (m *Mapping) Boolean(field string, otherwise bool) bool {
	n := m.fields[field]
	if n == nil {
		return otherwise
	}
	if !isBoolean(n) {
		m.FailField(n, field, "must be true or false, without quotes")
		return otherwise
	}
	return n.Value == "true"
}

func isBoolean(n *Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" && (n.Value == "true" || n.Value == "false")
}

// Count returns a whole number from 1 to most in its plain spelling, or 0 if it is
// absent or wrong.
func (m *Mapping) Count(field string, most int) int {
	n := m.fields[field]
	if n == nil {
		return 0
	}
	count, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || strconv.Itoa(count) != n.Value || count < 1 || count > most {
		m.FailField(n, field, "must be a whole number, 1 to %d, without quotes", most)
		return 0
	}
	return count
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

// Warn adds a warning at n, which begins with What.
func (m *Mapping) Warn(n *Node, format string, args ...any) {
	m.reader.Warnings.Add(m.At(n), "%s", m.say(format, args...))
}

func (m *Mapping) say(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if m.What == "" {
		return text
	}
	return m.What + ": " + text
}
