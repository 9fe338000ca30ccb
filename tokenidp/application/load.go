package application

import (
	"io/fs"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// MaxFileSize is the most that a file of Applications may have, in bytes. It holds
// some 50,000 Applications.
const MaxFileSize = 16 << 20

// Options are what loading needs of its surroundings.
type Options struct {
	// Expand replaces placeholders such as {env.X} and {file.…} in `hash:`, and
	// nowhere else; nil: no expansion.
	Expand func(string) (string, error)
	// Now decides what has expired already; nil: time.Now.
	Now func() time.Time
	// ReadFile reads the files that a file of Applications names, such as mounted
	// secrets; nil: [ReadFile].
	ReadFile func(path string, most int64) ([]byte, fs.FileInfo, error)
}

// Document is what one version of one file says, taken by itself. It never
// changes, and several Sets may share it.
type Document struct {
	file         string
	resources    []*Resource
	applications []*Application
	// definitions are those of resources and scopes.
	definitions []definition
	// references are the scopes of Applications: another file may define them.
	references []reference
	// scopeless are the active Applications that can get no token.
	scopeless []*Application
	// introspectors are the client_ids that Resources name: another file may define
	// them.
	introspectors []introspector
	// inactive are the client_ids with `active: false`, even if errors has more to
	// say about them.
	inactive    []string
	hashingTime time.Duration
	warnings    problems

	// errors make the Document unusable.
	errors problems
	// incomplete: some resource could not be read, so its scopes are not known.
	incomplete bool
}

// definition is a name that no other file may define.
type definition struct {
	at               position
	what, kind, name string
}

// reference is a scope that an Application names, at its place.
type reference struct {
	application *Application
	scope       string
	line        int32
	byDefault   bool
}

// introspector is an Application that a Resource names, at its place.
type introspector struct {
	resource *Resource
	clientID string
	at       position
}

// Unreadable returns the Document of a file that cannot be read: err is its one
// mistake.
func Unreadable(file string, err error) *Document {
	d := &Document{file: file, incomplete: true}
	d.errors.add(position{file: file}, "%v", err)
	return d
}

// Broken reports whether the Document has a mistake, and so cannot be part of a Set.
func (d *Document) Broken() bool { return d.incomplete || d.errors.any() }

// Err returns nil, or an error with a line "file:line: …" for each of the first 20
// mistakes.
func (d *Document) Err() error { return report([]problems{d.errors.clone()}) }

// Applications returns those that the file defines, in its order. Read it only.
func (d *Document) Applications() []*Application { return d.applications }

// Resources returns those that the file defines, in its order. Read it only.
func (d *Document) Resources() []*Resource { return d.resources }

// Inactive returns the client_ids of the entries with `active: false`, also of
// those that have a mistake, and those of a Document that is broken.
func (d *Document) Inactive() []string { return d.inactive }

// loader reads one file.
type loader struct {
	*Document
	options Options
	now     time.Time
	// defined leads from "client_id x", "resource x" or "scope x" to its definition.
	defined map[string]position
	// names has each scope once, however many Applications name it.
	names map[string]string
}

// Read reads one version of a file, which has at most MaxFileSize bytes. It never
// fails as a whole: what is wrong is in the Document.
func Read(file string, data []byte, o Options) *Document {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReadFile == nil {
		o.ReadFile = ReadFile
	}
	l := &loader{
		Document: &Document{file: file},
		options:  o,
		now:      o.Now(),
		defined:  make(map[string]position),
		names:    make(map[string]string),
	}
	l.document(data)
	return l.Document
}

func (l *loader) document(data []byte) {
	line, problem := forbiddenCharacter(data)
	var root *yaml.Node
	if problem == "" {
		root, line, problem = parse(data)
		l.inactive = deactivated(root)
	}
	if problem != "" {
		l.incomplete = true
		l.errors.add(position{l.file, line}, "%s", problem)
		return
	}
	top := l.mapping(root, "", "resources", "applications")
	if top == nil {
		l.incomplete = true
		return
	}
	if !top.has("resources") && !top.has("applications") && !l.errors.any() {
		top.fail(root, emptyFile)
	}
	for i, n := range top.list("resources") {
		l.resource(n, i)
	}
	l.incomplete = l.errors.any()
	for i, n := range top.list("applications") {
		l.application(n, i)
	}
}

// define reports a name of which the file has two, with both places. A name that
// another file has too is found by union.
func (l *loader) define(at position, what, kind, name string) bool {
	key := definitionKey(kind, name)
	if first, ok := l.defined[key]; ok {
		l.errors.add(at, alreadyDefined, what, kind, name, first)
		return false
	}
	l.defined[key] = at
	return true
}

// definitionKey is one for all spellings of a name by which it is found.
func definitionKey(kind, name string) string {
	if kind == "resource" {
		name = weburl.WithPath(name)
	}
	return kind + " " + name
}

const alreadyDefined = "%s: %s %q is already defined at %s"

// deactivated finds the Applications with `active: false`, whatever else is
// wrong with a file: an operator who shuts one out must not depend on everybody
// else's lines. An entry counts if its own two fields leave no doubt.
func deactivated(root *yaml.Node) (clientIDs []string) {
	for _, applications := range values(root, "applications") {
		if applications.Kind != yaml.SequenceNode {
			continue
		}
		for _, n := range applications.Content {
			ids, active := values(n, "client_id"), values(n, "active")
			if len(ids) != 1 || len(active) != 1 || notPlain(ids[0]) != "" || notPlain(active[0]) != "" {
				continue
			}
			if isString(ids[0]) && isBoolean(active[0]) && active[0].Value == "false" {
				clientIDs = append(clientIDs, ids[0].Value)
			}
		}
	}
	return clientIDs
}

// values are those of a field that may be repeated.
func values(n *yaml.Node, field string) (values []*yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode && key.Value == field {
			values = append(values, n.Content[i+1])
		}
	}
	return values
}
