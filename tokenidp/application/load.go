package application

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Options are what loading needs of its surroundings.
type Options struct {
	// Expand replaces placeholders such as {env.X} and {file.…} in `hash:`, and
	// nowhere else; nil: no expansion.
	Expand func(string) (string, error)
	// Now decides what has expired already; nil: time.Now.
	Now func() time.Time
}

// mostFileSize is in bytes; it holds some 50,000 Applications.
const mostFileSize = 16 << 20

// Load reads the files, given as paths or as globs in the syntax of
// filepath.Match, absolute or relative to the working directory. It returns the
// union of all of them, or an error with a line "file:line: …" for each of the
// first 20 mistakes: nothing is loaded by half.
func Load(patterns []string, o Options) (*Set, error) {
	l := newLoader(o)
	for i, path := range l.paths(patterns) {
		l.file, l.order = path, i
		l.readFile(path)
	}
	return l.finish()
}

// loader puts a Set together, file after file.
type loader struct {
	options  Options
	now      time.Time
	set      *Set
	errors   problems
	warnings problems

	file  string // being read
	order int

	// defined leads from "client_id x", "resource x" or "scope x" to its definition.
	defined map[string]position
	// shared leads from a secret, as stored, to the client_id that has it.
	shared map[string]string
	// references are the scopes of Applications: another file may define them later.
	references []reference
	// incomplete: some resource could not be read, so its scopes are not known.
	incomplete bool
}

func newLoader(o Options) *loader {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &loader{
		options: o,
		now:     o.Now(),
		set: &Set{
			byClientID: make(map[string]*Application),
			byScope:    make(map[string]*Resource),
			byAudience: make(map[string]*Resource),
		},
		defined: make(map[string]position),
		shared:  make(map[string]string),
	}
}

// paths expands the globs. A name that begins with a dot is matched only by a
// pattern that begins with one, as in a shell: editors and Kubernetes keep
// unfinished and outdated copies there.
func (l *loader) paths(patterns []string) []string {
	if len(patterns) == 0 {
		l.errors.add(position{file: "applications"}, "no file is named")
	}
	var paths []string
	seen := make(map[string]bool)
	for _, pattern := range patterns {
		matches := []string{pattern}
		if strings.ContainsAny(pattern, "*?[") {
			var err error
			if matches, err = glob(pattern); err != nil {
				l.errors.add(position{file: pattern}, "not a pattern of file names: %v", err)
				continue
			}
			if len(matches) == 0 {
				l.incomplete = true
				l.errors.add(position{file: pattern}, "no file matches")
			}
		}
		for _, path := range matches {
			if key := absolute(path); !seen[key] {
				seen[key] = true
				paths = append(paths, path)
			}
		}
	}
	return paths
}

func glob(pattern string) ([]string, error) {
	matches, err := filepath.Glob(pattern)
	if !strings.HasPrefix(filepath.Base(pattern), ".") {
		matches = slices.DeleteFunc(matches, func(path string) bool {
			return strings.HasPrefix(filepath.Base(path), ".")
		})
	}
	return matches, err
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

func (l *loader) readFile(path string) {
	l.set.files = append(l.set.files, path)
	data, _, err := readRegular(path, mostFileSize)
	if err != nil {
		l.incomplete = true
		l.errors.add(position{file: path, order: l.order}, "%v", err)
		return
	}
	l.document(data)
}

// readRegular reads a file of at most the given number of bytes. Anything but a
// regular file could block for ever, or never end. Its errors leave the path out.
func readRegular(path string, most int64) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	switch {
	case info.IsDir():
		return nil, nil, errors.New("is a directory, not a file")
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("is not a regular file")
	}
	f, err := os.Open(path) //nolint:gosec // the operator names the files
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	if int64(len(data)) > most {
		return nil, nil, fmt.Errorf("is larger than %d bytes", most)
	}
	return data, info, nil
}

func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", e.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// document reads the text of one file.
func (l *loader) document(data []byte) {
	before := len(l.errors.found) + l.errors.more
	line, problem := unreadable(data)
	var root *yaml.Node
	if problem == "" {
		root, line, problem = parse(data)
	}
	if problem != "" {
		l.incomplete = true
		l.errors.add(position{l.file, l.order, line}, "%s", problem)
		return
	}
	top := l.mapping(root, "", "resources", "applications")
	if top == nil {
		l.incomplete = true
		return
	}
	if !top.has("resources") && !top.has("applications") && before == len(l.errors.found)+l.errors.more {
		top.fail(root, emptyFile)
	}
	for i, n := range top.list("resources") {
		l.resource(n, i)
	}
	if before != len(l.errors.found)+l.errors.more {
		l.incomplete = true
	}
	for i, n := range top.list("applications") {
		l.application(n, i)
	}
}

// finish resolves what the files say about each other.
func (l *loader) finish() (*Set, error) {
	if !l.incomplete {
		l.resolve()
	}
	if err := l.errors.err(); err != nil {
		return nil, err
	}
	s := l.set
	s.sorted = slices.SortedFunc(maps.Values(s.byClientID), func(a, b *Application) int {
		return strings.Compare(a.ClientID, b.ClientID)
	})
	s.floor = authenticationFloor(s.sorted)
	s.warnings = l.warnings.lines()
	if l.warnings.more > 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("… and %d more", l.warnings.more))
	}
	return s, nil
}

// define reports a name of which the files have two, with both places.
func (l *loader) define(at position, what, kind, name string) bool {
	key := kind + " " + name
	if first, ok := l.defined[key]; ok {
		l.errors.add(at, "%s: %s %q is already defined at %s", what, kind, name, first)
		return false
	}
	l.defined[key] = at
	return true
}
