package live

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// file has the newest version of a file, and the one in force.
type file struct {
	key   string // its absolute path
	print fingerprint
	// unfinished is the checksum of a version that may be half-written. It is zero if
	// there is none.
	unfinished secret.Tag
	// missing means that the file was not found at the last refresh either.
	missing bool
	// gone means that it must be removed from what is in force.
	gone bool
	// newest is its current version, good or broken.
	newest *version
	// inForce is the last good version that fit the other files, or nil.
	inForce *version
	// off are the client_ids that were deactivated since the last good version.
	off      map[string]bool
	rejected error
	loadedAt time.Time
	trouble  trouble
	// reusable is the version that another Library has in force.
	reusable *version
}

// version is one version of a file.
type version struct {
	*application.Document
	path    string         // as errors name it
	sum     secret.Tag     // of its bytes
	mounted []*fingerprint // of the secrets and keys that are files of their own
	// expanded: placeholders were replaced in it.
	expanded bool
}

// read reads a version, and the fingerprints of the files that it names.
func read(print *fingerprint, data []byte, now time.Time, o application.Options) *version {
	v := &version{path: print.path, sum: print.sum}
	o.Expand = v.noting(o.Expand)
	o.ReadFile = func(path string, most int64) ([]byte, fs.FileInfo, error) {
		m := &fingerprint{path: path, most: most}
		v.mounted = append(v.mounted, m)
		data, err := m.read(now)
		return data, m.info, err
	}
	v.Document = application.Read(print.path, data, o)
	return v
}

func newFile(path, key string, reusable *version) *file {
	return &file{key: key, reusable: reusable, print: fingerprint{path: path, most: application.MaxFileSize}}
}

// readIfChanged reads the file if it, or a secret that it mounts, has changed.
func (f *file) readIfChanged(now time.Time, o application.Options) (changed bool) {
	back := f.gone
	f.gone, f.missing = false, false
	if f.newest != nil && f.print.same(now) && unchanged(f.newest.mounted, now) {
		f.unfinished = secret.Tag{}
		return back
	}
	is := f.print
	data, err := is.read(now)
	reusable := f.reusable
	f.reusable = nil
	if f.newest != nil && f.mayBeUnfinished(&is) {
		return back
	}
	f.print = is
	switch {
	case err != nil:
		f.newest = &version{Document: application.Unreadable(f.print.path, err)}
	case f.inForce != nil && f.inForce.sum == f.print.sum && unchanged(f.inForce.mounted, now):
		f.newest = f.inForce // it is back
	case reusable != nil && reusable.sum == f.print.sum && reusable.path == f.print.path:
		f.newest = reusable
	default:
		f.newest = read(&f.print, data, now, o)
	}
	off := make(map[string]bool)
	if f.newest.Broken() {
		// Only a good version can activate an Application again.
		for clientID := range f.off {
			off[clientID] = true
		}
	}
	for _, clientID := range f.newest.Inactive() {
		off[clientID] = true
	}
	f.off = off
	return true
}

// mayBeUnfinished reports whether the file may be half-written. Programs write a file in
// pieces, and a part of it may be valid, with half of its Applications. A file that was
// just written counts when the next refresh finds the same content.
func (f *file) mayBeUnfinished(is *fingerprint) bool {
	before := f.unfinished
	f.unfinished = secret.Tag{}
	if is.failure != "" || is.settled || is.sum == f.print.sum || is.sum == before {
		return false
	}
	f.unfinished = is.sum
	return true
}

// markMissing records that the file was not found, and reports whether it is gone. It is
// gone at the second refresh: a program may have renamed it to write it again.
func (f *file) markMissing() (gone bool) {
	f.gone = f.gone || f.missing
	f.missing = true
	return f.gone
}

func unchanged(mounted []*fingerprint, now time.Time) bool {
	for _, m := range mounted {
		if !m.same(now) {
			return false
		}
	}
	return true
}

// wanted returns the part that should be in force.
func (f *file) wanted() *version {
	switch {
	case f.gone:
		return nil
	case f.newest == nil || f.newest.Broken():
		return f.inForce
	}
	return f.newest
}

func (f *file) problem() Problem {
	p := Problem{Path: f.print.path}
	switch {
	case f.rejected != nil && f.gone:
		p.Err, p.Rejected = fmt.Errorf("%s: it is gone, but cannot be left out:\n%w", f.print.path, f.rejected), true
	case f.rejected != nil:
		p.Err, p.Rejected = f.rejected, true
	case !f.gone && f.newest != nil:
		p.Err = f.newest.Err()
	}
	return p
}

func (f *file) status() FileStatus {
	s := FileStatus{Path: f.print.path, Problem: f.trouble.text, Since: f.trouble.since}
	if f.inForce != nil {
		s.LoadedAt, s.Applications = f.loadedAt, len(f.inForce.Applications())
	}
	if f.print.info != nil && !f.gone {
		s.ChangedAt = f.print.info.ModTime()
	}
	return s
}

// trouble is a problem that was reported.
type trouble struct {
	text  string
	since time.Time
}

// report adds a problem to the result if it is new, or has ended.
func (t *trouble) report(r *Result, p Problem, now time.Time) {
	text := ""
	if p.Err != nil {
		text = p.Err.Error()
	}
	switch text {
	case t.text:
	case "":
		r.Mended = append(r.Mended, p.Path)
		*t = trouble{}
	default:
		if t.text == "" {
			t.since = now
		}
		t.text = text
		r.Problems = append(r.Problems, p)
	}
}
