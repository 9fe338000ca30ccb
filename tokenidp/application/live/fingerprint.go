package live

import (
	"io/fs"
	"os"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// fingerprint tells one version of a file from the next.
type fingerprint struct {
	path string
	most int64 // bytes

	info    fs.FileInfo // of what the path leads to; nil if it could not be read
	sum     secret.Tag  // of the bytes; a plain hash of a mounted secret could be tried against a dictionary
	failure string      // why it could not be read, or ""
	settled bool        // a later write would show in info
}

// settling is after how long a write is sure to give a file another time of
// modification than the one before: file systems count in up to two seconds.
const settling = 2 * time.Second

// read reads the file and remembers what it was. Its error leaves the path out.
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

// same reports whether the file is what it was when it was read. As a rule that
// takes one stat; a file that was young then is read once more.
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

// sameInfo looks behind links: Kubernetes changes where they lead.
func sameInfo(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
}
