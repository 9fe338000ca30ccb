package live

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// file is one file: its newest version, and the one in force.
type file struct {
	key   string // its absolute path
	print fingerprint
	// unfinished is the sum of a version that may be half-written; zero: none.
	unfinished secret.Tag
	// missing: the look before did not find it either.
	missing bool
	// gone: it is to be removed from what is in force.
	gone bool
	// newest is what it says now, rightly or wrongly.
	newest *version
	// inForce is the last good version that went with those of the other files;
	// nil: none yet.
	inForce *version
	// off are the client_ids that have been deactivated since the last good version.
	off      map[string]bool
	rejected error
	loadedAt time.Time
	trouble  trouble
}

// version is one version of a file.
type version struct {
	*application.Document
	sum     secret.Tag     // of its bytes
	mounted []*fingerprint // of the secrets and keys that are files of their own
}

// read reads a version, and takes the fingerprints of the files that it names.
func read(print *fingerprint, data []byte, now time.Time, o application.Options) *version {
	v := &version{sum: print.sum}
	o.ReadFile = func(path string, most int64) ([]byte, fs.FileInfo, error) {
		m := &fingerprint{path: path, most: most}
		v.mounted = append(v.mounted, m)
		data, err := m.read(now)
		return data, m.info, err
	}
	v.Document = application.Read(print.path, data, o)
	return v
}

func newFile(path, key string) *file {
	return &file{key: key, print: fingerprint{path: path, most: application.MaxFileSize}}
}

// look reads the file if it, or a secret mounted by it, is not what it was.
func (f *file) look(now time.Time, o application.Options) (changed bool) {
	back := f.gone
	f.gone, f.missing = false, false
	if f.newest != nil && f.print.same(now) && unchanged(f.newest.mounted, now) {
		f.unfinished = secret.Tag{}
		return back
	}
	is := f.print
	data, err := is.read(now)
	if f.newest != nil && f.mayBeUnfinished(&is) {
		return back
	}
	f.print = is
	switch {
	case err != nil:
		f.newest = &version{Document: application.Unreadable(f.print.path, err)}
	case f.inForce != nil && f.inForce.sum == f.print.sum && unchanged(f.inForce.mounted, now):
		f.newest = f.inForce // it is back
	default:
		f.newest = read(&f.print, data, now, o)
	}
	off := make(map[string]bool)
	if f.newest.Broken() {
		// Only a good version can activate again.
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

// mayBeUnfinished: programs that overwrite a file do so in pieces, and what is
// there of it may be sound, with half of its Applications. What was written just
// now counts when a second look finds the same.
func (f *file) mayBeUnfinished(is *fingerprint) bool {
	before := f.unfinished
	f.unfinished = secret.Tag{}
	if is.failure != "" || is.settled || is.sum == f.print.sum || is.sum == before {
		return false
	}
	f.unfinished = is.sum
	return true
}

// miss reports whether the file is gone, which it is at the second look: a
// program may have put it aside, and be about to write it anew.
func (f *file) miss() (gone bool) {
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

// wanted is what ought to be in force of the file.
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

// trouble is a problem that has been told.
type trouble struct {
	text  string
	since time.Time
}

// tell adds a problem to the result if it is new, or mended.
func (t *trouble) tell(r *Result, p Problem, now time.Time) {
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
