// Package live keeps the Applications in force while their files change. It finds the
// files, detects new versions, puts in force as many of them as fit together, and
// describes the differences. A file that breaks keeps its last good version in force.
package live

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Library has the files of one issuer, and what is in force of them. A file that breaks
// keeps its last good version in force, and does not block changes of other files.
//
// Only one goroutine may call Load, Refresh and Run. Others may call Status and Health at
// the same time, and read the returned Sets.
type Library struct {
	// Accept is called with each change that Run has found. If it returns an error, the
	// change is not put in force. Default: every change is accepted. Set it, Adopt and
	// Logger before Run.
	Accept func(*application.Set) error
	// Adopt is called with the Set of an accepted change. Default: none.
	Adopt func(*application.Set)
	// Changed is called after Adopt, with the Changes of the [Result]. Default: none.
	Changed func(changes []string)
	// Logger default: none.
	Logger *zap.Logger

	options  application.Options
	patterns []*pattern
	files    []*file          // in the order in which they are named
	departed []*departed      // lately
	deferred bool             // a change waits for the next refresh
	set      *application.Set // in force
	status   atomic.Pointer[[]FileStatus]
	versions atomic.Pointer[Versions]
	reusable Versions // of another Library, until Load has ended
}

// Result is the result of a Refresh.
type Result struct {
	// Set is the Set in force now.
	Set *application.Set
	// Applied is true if Set has changed.
	Applied bool
	// Changes has a line for each difference from the Set before, without secrets and
	// hashes.
	Changes []string
	// Problems are the problems that are new, or have changed.
	Problems []Problem
	// Mended are the paths whose problem has ended.
	Mended []string
	// Departed are the removed files whose Applications are gone.
	Departed []FileStatus
}

// Problem is why the newest version of a file is not in force.
type Problem struct {
	// Path is the path of the file, or a glob that matches nothing any more.
	Path string
	// Err has lines that begin with "file:line: ".
	Err error
	// Rejected is true for a file that is valid by itself, but does not fit the others, or
	// was not accepted.
	Rejected bool
}

// FileStatus is the state of a file, of a glob that matches nothing, or of a file that was
// removed lately.
type FileStatus struct {
	Path string
	// LoadedAt is when the version in force was put in force, or zero.
	LoadedAt time.Time
	// ChangedAt is the time of modification of the newest version, in force or not. It is
	// zero if the file cannot be read.
	ChangedAt time.Time
	// Applications is how many Applications of the file are in force.
	Applications int
	// Problem is why the newest version is not in force, or "".
	Problem string
	// Since is when the problem was found; it may have changed since.
	Since time.Time
	// Departed is true if the file no longer matches a glob and its Applications are gone.
	// Problem names them.
	Departed bool
}

// NewLibrary returns a Library of the files. paths are paths, or globs in the syntax of
// filepath.Match, absolute or relative to the working directory. It does not read them.
func NewLibrary(patterns []string, o application.Options) *Library {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Library{options: o, Adopt: func(*application.Set) {}, Logger: zap.NewNop()}
	l.set, _ = application.Union(nil)
	for _, text := range patterns {
		l.patterns = append(l.patterns, &pattern{text: text})
	}
	return l
}

// Load reads all files for the first time. It returns their union, or an error
// with a line "file:line: …" for each of the first 20 mistakes. After an error, nothing is
// loaded.
func (l *Library) Load() (*application.Set, error) {
	before := l.files
	l.files = nil
	l.readChanged()
	l.reusable = nil
	var parts []application.Part
	if len(l.patterns) == 0 {
		parts = append(parts, application.Part{Document: application.Unreadable("applications", errors.New("no file is named"))})
	}
	for _, p := range l.patterns {
		if p.failure != nil {
			parts = append(parts, application.Part{Document: application.Unreadable(p.text, p.failure)})
		}
	}
	for _, f := range l.files {
		parts = append(parts, application.Part{Document: f.newest.Document})
	}
	set, err := application.Union(parts)
	if err != nil {
		l.files = before
		return nil, err
	}
	l.commit(set, l.files)
	l.report(&Result{})
	return set, nil
}

// Refresh reads the files that changed since Load, and puts the changes in force: all
// together if the union is valid and accept returns no error, or otherwise as many as
// possible. A nil accept accepts everything. A deactivation is always applied. If nothing
// changed, it takes a stat per file. A file that was written just now, or that is not there
// any more, counts at the second Refresh, so that half of a save is never in force: wait
// longer between two calls than programs do between two pieces of a file.
func (l *Library) Refresh(accept func(*application.Set) error) *Result {
	before := l.set
	if l.readChanged() {
		l.settle(accept)
	}
	r := &Result{Set: l.set, Applied: l.set != before}
	if r.Applied {
		r.Changes = changes(before, l.set)
	}
	l.report(r)
	return r
}

// Status returns the state of every file, in the order in which they are named.
func (l *Library) Status() []FileStatus {
	if status := l.status.Load(); status != nil {
		return slices.Clone(*status)
	}
	return nil
}

// readChanged reads the files that changed, and reports whether any did. While it is not
// clear whether a file is gone, it defers the changes to the next refresh. So a file that
// is moved does not conflict with itself.
func (l *Library) readChanged() (changed bool) {
	before := make(map[string]*file, len(l.files))
	for _, f := range l.files {
		before[f.key] = f
	}
	now := l.options.Now()
	named, done := make(map[string]*file), make(map[string]bool)
	var files []*file
	changed, l.deferred = l.deferred, false
	for _, p := range l.patterns {
		p.expand()
		for _, path := range p.matched {
			key := absolute(path)
			f := named[key]
			if f == nil {
				if f = before[key]; f == nil {
					f = newFile(path, key, l.reusable[key])
				}
				named[key] = f
				files = append(files, f)
			}
			// A glob that fails says nothing about its files.
			if p.failure != nil || done[key] {
				continue
			}
			done[key] = true
			changed = f.readIfChanged(now, l.options) || changed
		}
	}
	for _, f := range l.files {
		if named[f.key] != nil {
			continue
		}
		files = append(files, f)
		// A glob passes silently over a folder that it may not read.
		if _, err := os.Lstat(f.print.path); errors.Is(err, fs.ErrNotExist) {
			before := f.gone
			l.deferred = !f.markMissing() || l.deferred
			changed = changed || f.gone != before
		} else {
			changed = f.readIfChanged(now, l.options) || changed
		}
	}
	l.files = files
	if l.deferred {
		l.deferred = changed
		return false
	}
	return changed
}

// report adds new and ended problems to the result, forgets the files that are gone, and
// publishes the status.
func (l *Library) report(r *Result) {
	now := l.options.Now()
	status := []FileStatus{}
	for _, p := range l.patterns {
		err := p.failure
		if err != nil {
			err = fmt.Errorf("%s: %w", p.text, err)
		}
		p.trouble.report(r, Problem{Path: p.text, Err: err}, now)
		if err != nil {
			status = append(status, FileStatus{Path: p.text, Problem: p.trouble.text, Since: p.trouble.since})
		}
	}
	for _, f := range l.files {
		f.trouble.report(r, f.problem(), now)
	}
	l.files = slices.DeleteFunc(l.files, func(f *file) bool { return f.gone && f.inForce == nil })
	for _, f := range l.files {
		status = append(status, f.status())
	}
	l.forgetDeparted(now)
	for _, d := range l.departed {
		status = append(status, d.status())
		if !d.reported {
			d.reported = true
			r.Departed = append(r.Departed, d.status())
		}
	}
	l.status.Store(&status)
}
