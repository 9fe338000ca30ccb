package application

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// The files are read node by node, because decoding into a struct guesses: 0123
// becomes "83" or "0123", null becomes "", an alias becomes what it points to,
// a billion times over.

// mapping is a YAML mapping whose keys have been checked.
type mapping struct {
	l      *loader
	node   *yaml.Node
	what   string // `application "orders-worker"`, for errors
	fields map[string]*yaml.Node
	keys   map[string]*yaml.Node // where the names of the fields stand
}

// storedAsHash are the names under which people put a secret itself.
var storedAsHash = []string{"secret", "client_secret", "password"}

// mapping reads n, which is to have no other fields than the known ones, each
// once. It returns nil if n is no mapping.
func (l *loader) mapping(n *yaml.Node, what string, knownFields ...string) *mapping {
	m := &mapping{l, n, what, make(map[string]*yaml.Node), make(map[string]*yaml.Node)}
	if !m.plain(n, "") {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		m.fail(n, "must be a mapping with the fields %s", strings.Join(knownFields, ", "))
		return nil
	}
	places := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, ok := m.key(key)
		if !ok {
			continue
		}
		first, repeated := places[name]
		switch {
		case repeated:
			m.fail(key, "field %s is repeated; it was in line %d already", quoted(name), first)
		case slices.Contains(knownFields, name):
			if m.plain(value, name) {
				m.fields[name] = value
			} else {
				m.fields[name] = nil
			}
		case slices.Contains(storedAsHash, name):
			m.fields[name] = nil
			m.fail(key, "field %q is not accepted, since only hashes are stored: make a secret with `%s`, or hash yours with `%s`, and write the result as `hash`",
				name, secret.GenerateCommand, secret.HashCommand)
		default:
			m.fail(key, "unknown field %s; %s", quoted(name), knownField(name, knownFields))
		}
		places[name], m.keys[name] = key.Line, key
	}
	return m
}

func (m *mapping) key(n *yaml.Node) (string, bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
		m.fail(n, "merge keys (<<) are not accepted; write the fields out")
	case n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || n.ShortTag() == "!!null":
		m.fail(n, "a field name must be a plain word")
	default:
		return n.Value, true
	}
	return "", false
}

// plain reports whether n is what it looks like. Aliases make a small file
// large, tags change what a value means, and null is most often a value that
// somebody forgot.
func (m *mapping) plain(n *yaml.Node, field string) bool {
	if problem := notPlain(n); problem != "" {
		m.failField(n, field, "%s", problem)
		return false
	}
	return true
}

func notPlain(n *yaml.Node) string {
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

func isStandardTag(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode:
		return n.ShortTag() == "!!map"
	case yaml.SequenceNode:
		return n.ShortTag() == "!!seq"
	default:
		return slices.Contains([]string{"!!str", "!!bool", "!!int", "!!float", "!!timestamp", "!!null"}, n.ShortTag())
	}
}

// has reports whether the field was given, rightly or wrongly.
func (m *mapping) has(field string) bool {
	_, ok := m.fields[field]
	return ok
}

// line is where the name of a field stands.
func (m *mapping) line(field string) int { return m.keys[field].Line }

// list returns the elements of a list, or none if it is absent or wrong.
func (m *mapping) list(field string) []*yaml.Node {
	n := m.fields[field]
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		m.failField(n, field, "must be a list")
		return nil
	}
	return n.Content
}

// text returns a string and where it stands, or nil if it is absent or wrong.
func (m *mapping) text(field string) (string, *yaml.Node) {
	if n := m.fields[field]; n != nil && m.isText(n, field) {
		return n.Value, n
	}
	return "", nil
}

// required is text that must be there.
func (m *mapping) required(field string) (string, *yaml.Node) {
	if !m.has(field) {
		m.fail(m.node, "%s is missing", field)
	}
	return m.text(field)
}

// texts returns a list of different strings.
func (m *mapping) texts(field string) (values []string, nodes []*yaml.Node) {
	seen := make(map[string]bool)
	for _, n := range m.list(field) {
		switch {
		case !m.plain(n, field) || !m.isText(n, field):
		case seen[n.Value]:
			m.failField(n, field, "has %s twice", quoted(n.Value))
		default:
			seen[n.Value] = true
			values, nodes = append(values, n.Value), append(nodes, n)
		}
	}
	return values, nodes
}

// isText refuses what YAML, in this version or the last, takes for something
// else than a string. It does not repeat what may be a secret in the wrong place.
func (m *mapping) isText(n *yaml.Node, field string) bool {
	switch {
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0:
		m.failField(n, field, "must be a string; a value that begins with { has to be quoted")
	case n.Kind != yaml.ScalarNode:
		m.failField(n, field, "must be a string")
	case isString(n):
		return true
	case field == "hash" || field == "file":
		m.failField(n, field, "must be a string; quote it")
	default:
		m.failField(n, field, "must be a string; quote it: %s", quoted(n.Value))
	}
	return false
}

func isString(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && !isOldBoolean(n)
}

// isOldBoolean: YAML 1.1 has these for true and false, and so have many programs.
func isOldBoolean(n *yaml.Node) bool {
	return n.Style == 0 && slices.Contains([]string{"y", "yes", "n", "no", "on", "off"}, strings.ToLower(n.Value))
}

// label is a text that people read: 1 to the given number of printable characters.
func (m *mapping) label(field string, most int) string {
	value, n := m.text(field)
	if n != nil && !isLabel(value, most) {
		m.failField(n, field, "must be 1 to %d printable characters in one line", most)
	}
	return value
}

func isLabel(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}

func (m *mapping) boolean(field string, otherwise bool) bool {
	n := m.fields[field]
	if n == nil {
		return otherwise
	}
	if !isBoolean(n) {
		m.failField(n, field, "must be true or false, without quotes")
		return otherwise
	}
	return n.Value == "true"
}

func isBoolean(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" && (n.Value == "true" || n.Value == "false")
}

func (m *mapping) at(n *yaml.Node) position {
	return position{m.l.file, n.Line}
}

func (m *mapping) fail(n *yaml.Node, format string, args ...any) {
	m.l.errors.add(m.at(n), "%s", m.say(format, args...))
}

func (m *mapping) failField(n *yaml.Node, field, format string, args ...any) {
	if field != "" {
		format = field + " " + format
	}
	m.fail(n, format, args...)
}

func (m *mapping) warn(n *yaml.Node, format string, args ...any) {
	m.l.warnings.add(m.at(n), "%s", m.say(format, args...))
}

func (m *mapping) say(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if m.what == "" {
		return text
	}
	return m.what + ": " + text
}

// nameOf is how errors call the mapping n, before its fields have been checked.
func nameOf(kind string, n *yaml.Node, field string, index int) string {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == field && value.Kind == yaml.ScalarNode && value.ShortTag() == "!!str" && secret.Classify(value.Value) != secret.Generated {
			return kind + " " + quoted(value.Value)
		}
	}
	return fmt.Sprintf("%s %d", kind, index+1)
}
