package application

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// MaxFileSize is the largest size of an applications file, in bytes. About 50,000
// Applications fit.
const MaxFileSize = 16 << 20

// Options are optional.
type Options struct {
	// Expand replaces placeholders such as {env.X} and {file.…} in `hash`, and in no other
	// field. Default: no expansion.
	Expand func(string) (string, error)
	// Now is the clock, for what has expired. Default: time.Now.
	Now func() time.Time
	// ReadFile reads the files that an applications file names, such as mounted secrets.
	// Default: [ReadFile].
	ReadFile func(path string, most int64) ([]byte, fs.FileInfo, error)
	// Absent is called with each placeholder without a value and each missing file, and its
	// place. These then count as present, although no client can authenticate with them.
	// Default: they are mistakes.
	Absent func(what string)
}

// Document is the content of one version of one file. It never changes, and several Sets
// may share it.
type Document struct {
	file         string
	resources    []*Resource
	applications []*Application
	// definitions are the names of resources and scopes.
	definitions []definition
	// references are the scopes of Applications: another file may define them.
	references []reference
	// scopeless are the active Applications without a scope.
	scopeless []*Application
	// introspectors are the client_ids that Resources name: another file may define
	// them.
	introspectors []introspector
	// inactive are the client_ids whose `active` is not true, also of entries with errors.
	inactive    []string
	hashingTime time.Duration
	warnings    strictyaml.Problems
	tests       []*Test
	// testErrors are mistakes in tests. They make no Document unusable: see tests.
	testErrors strictyaml.Problems

	// errors make the Document unusable.
	errors strictyaml.Problems
	// incomplete means that a resource could not be read, so its scopes are not known.
	incomplete bool
}

// definition is a name that only one file may define.
type definition struct {
	at               strictyaml.Position
	what, kind, name string
}

// reference is a scope that an Application names, with its place.
type reference struct {
	application *Application
	scope       string
	line        int32
	byDefault   bool
}

// introspector is an Application that a Resource names, with its place.
type introspector struct {
	resource *Resource
	clientID string
	at       strictyaml.Position
}

// Unreadable returns the Document of a file that cannot be read. Its only mistake is err.
func Unreadable(file string, err error) *Document {
	d := &Document{file: file, incomplete: true}
	d.errors.Add(strictyaml.Position{File: file}, "%v", err)
	return d
}

// Broken reports whether the Document has a mistake. Then it cannot be in a Set.
func (d *Document) Broken() bool { return d.incomplete || d.errors.Any() }

// Err returns nil, or an error with a line "file:line: …" for each of the first 20
// mistakes.
func (d *Document) Err() error { return strictyaml.Error(d.errors.Clone()) }

// File returns the path of the file.
func (d *Document) File() string { return d.file }

// Applications returns the Applications of the file, in its order. The caller must not
// change them.
func (d *Document) Applications() []*Application { return d.applications }

// Resources returns the resources of the file, in its order. The caller must not change
// them.
func (d *Document) Resources() []*Resource { return d.resources }

// Inactive returns the client_ids of the entries whose `active` is not literally true,
// also of entries with other mistakes, and of a broken Document.
func (d *Document) Inactive() []string { return d.inactive }

// loader reads one file.
type loader struct {
	*Document
	*strictyaml.Reader
	options Options
	now     time.Time
	// defined leads from "client_id x", "resource x" or "scope x" to its definition.
	defined map[string]strictyaml.Position
	// names has each scope once, so that Applications share its text.
	names map[string]string
}

// Read parses one version of a file, of at most MaxFileSize bytes. It returns no error:
// mistakes are in the Document.
func Read(file string, data []byte, o Options) *Document {
	return read(file, data, o).Document
}

func read(file string, data []byte, o Options) *loader {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReadFile == nil {
		o.ReadFile = ReadFile
	}
	l := &loader{
		Document: &Document{file: file},
		Reader:   newReader(file),
		options:  o,
		now:      o.Now(),
		defined:  make(map[string]strictyaml.Position),
		names:    make(map[string]string),
	}
	l.document(l.Parse(data))
	l.errors, l.warnings = l.Errors, l.Warnings
	return l
}

// absent reports whether a file that could not be read may exist on the server alone.
func (l *loader) absent(at strictyaml.Position, what string, err error) bool {
	if l.options.Absent == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return false
	}
	l.options.Absent(fmt.Sprintf("%s: %s", at, what))
	return true
}

// newReader returns a reader that never quotes fields that may contain a secret by mistake.
func newReader(file string) *strictyaml.Reader {
	refused := make(map[string]string)
	for _, field := range storedAsHash {
		refused[field] = fmt.Sprintf("is not accepted, since only hashes are stored: make a secret with `%s`, or hash yours with `%s`, and write the result as `hash`",
			secret.GenerateCommand, secret.HashCommand)
	}
	return &strictyaml.Reader{
		File:     file,
		Empty:    emptyFile,
		Refused:  refused,
		Hidden:   []string{"hash", "file"},
		IsSecret: func(s string) bool { return secret.Classify(s) == secret.Generated },
	}
}

// storedAsHash are names of fields in which people put the secret itself.
var storedAsHash = []string{"secret", "client_secret", "password"}

const emptyFile = "is empty; if there is to be no application, write `applications: []`"

// mapping is a mapping of the file, with the readers of its fields.
type mapping struct{ *strictyaml.Mapping }

// Warn adds a warning at n, which begins with What.
func (m *mapping) Warn(id warning.ID, n *strictyaml.Node, format string, args ...any) {
	m.Mapping.Warn(string(id), n, format, args...)
}

// failIfActive returns Fail, or for an inactive Application a Warn.
func (m *mapping) failIfActive(a *Application) func(*strictyaml.Node, string, ...any) {
	if a.Active {
		return m.Fail
	}
	return m.warner(warning.InactiveUnreadable)
}

// warner returns Warn with the ID.
func (m *mapping) warner(id warning.ID) func(*strictyaml.Node, string, ...any) {
	return func(n *strictyaml.Node, format string, args ...any) { m.Warn(id, n, format, args...) }
}

// fileObject declares an applications file.
var fileObject = &strictyaml.Object{
	Title:       "Applications of TokenIDP for Caddy",
	Description: "APIs with their scopes, and the Applications that get access tokens for them.",
	Fields: []strictyaml.Field{
		{
			Name: "resources", Type: strictyaml.List{Of: resourceObject},
			Description: "The APIs that accept access tokens.",
		},
		{
			Name: "applications", Type: strictyaml.List{Of: applicationObject},
			Description: "The clients that get access tokens.",
		},
		{
			Name: "tests", Type: strictyaml.List{Of: testObject},
			Description: "Tests of who gets through, for caddy tokenidp test.",
		},
	},
	Conditions: []strictyaml.Schema{{"minProperties": 1}},
}

func (l *loader) document(root *strictyaml.Node) {
	l.inactive = deactivated(root)
	if l.Errors.Any() {
		l.incomplete = true
		return
	}
	tested := l.tests(root)
	top := l.Mapping(root, "", fileObject)
	if top == nil {
		l.incomplete = true
		return
	}
	if !top.Has("resources") && !top.Has("applications") && !tested && !l.Errors.Any() {
		top.Refuse(root, "%s", emptyFile)
	}
	for m := range top.Objects("resources") {
		l.resource(&mapping{m})
	}
	l.incomplete = l.Errors.Any()
	for m := range top.Objects("applications") {
		l.application(&mapping{m})
	}
}

// define adds a name. It reports a name that the file defines twice, with both places.
// Union reports a name that two files define.
func (l *loader) define(at strictyaml.Position, what, kind, name string) bool {
	key := definitionKey(kind, name)
	if first, ok := l.defined[key]; ok {
		l.Errors.Add(at, alreadyDefined, what, kind, name, first)
		return false
	}
	l.defined[key] = at
	return true
}

// definitionKey returns the same key for all spellings of a name.
func definitionKey(kind, name string) string {
	if kind == "resource" {
		name = weburl.WithPath(name)
	}
	return kind + " " + name
}

const alreadyDefined = "%s: %s %q is already defined at %s"
