package live

import (
	"io/fs"
	"os"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// fingerprint identifies a version of a file.
type fingerprint struct {
	path string
	most int64 // bytes

	info    fs.FileInfo // of what the path leads to; nil if it could not be read
	sum     secret.Tag  // of the bytes; a plain hash of a mounted secret could be tried against a dictionary
	failure string      // why it could not be read, or ""
	settled bool        // a later write would show in info
}

// settling is how much later a write must be to change the time of modification for sure:
// some file systems store it in steps of two seconds.
const settling = 2 * time.Second

// read reads the file, and stores its fingerprint. The error does not have the path.
func (f *fingerprint) read(now time.Time) ([]byte, error) {
	data, info, err := application.ReadFile(f.path, f.most)
	f.info, f.sum, f.failure, f.settled = info, secret.Tag{}, "", false
	if err != nil {
		f.failure = err.Error()
		return nil, err
	}
	f.sum = secret.NewTag(data)
	f.settled = now.Sub(info.ModTime()) >= settling
	return data, nil
}

// same reports whether the file has not changed since it was read. Usually this takes one
// stat. A file that was just written then is read again.
func (f *fingerprint) same(now time.Time) bool {
	if info, err := os.Stat(f.path); err == nil && f.settled && sameInfo(f.info, info) {
		return true
	}
	is := *f
	_, _ = is.read(now) // a failure is part of the comparison
	if is.sum != f.sum || is.failure != f.failure {
		return false
	}
	*f = is
	return true
}

// sameInfo follows links: Kubernetes changes their targets.
func sameInfo(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
}
