package application

import (
	"fmt"
	"time"

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
	newest *content
	// inForce is the last good version that went with those of the other files;
	// nil: none yet.
	inForce *content
	// off are the client_ids that have been deactivated since the last good version.
	off      map[string]bool
	rejected error
	loadedAt time.Time
	trouble  trouble
}

func newFile(path, key string) *file {
	return &file{key: key, print: fingerprint{path: path, most: mostFileSize}}
}

// look reads the file if it, or a secret mounted by it, is not what it was.
func (f *file) look(now time.Time, o Options) (changed bool) {
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
		f.newest = unreadable(f.print.path, err)
	case f.inForce != nil && f.inForce.sum == f.print.sum && unchanged(f.inForce.mounted, now):
		f.newest = f.inForce // it is back
	default:
		f.newest = read(f.print.path, data, o)
		f.newest.sum = f.print.sum
	}
	off := make(map[string]bool)
	if f.newest.broken() {
		// Only a good version can activate again.
		for clientID := range f.off {
			off[clientID] = true
		}
	}
	for _, clientID := range f.newest.inactive {
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
func (f *file) wanted() *content {
	switch {
	case f.gone:
		return nil
	case f.newest == nil || f.newest.broken():
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
		p.Err = report([]problems{f.newest.errors.clone()})
	}
	return p
}

func (f *file) status() FileStatus {
	s := FileStatus{Path: f.print.path, Problem: f.trouble.text, Since: f.trouble.since}
	if f.inForce != nil {
		s.LoadedAt, s.Applications = f.loadedAt, len(f.inForce.applications)
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
