package application

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// mostFileSize is in bytes; it holds some 50,000 Applications.
const mostFileSize = 16 << 20

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
	data, info, err := readRegular(f.path, f.most)
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
	info, err := os.Stat(f.path)
	if err != nil {
		return f.failure == withoutPath(err).Error()
	}
	if f.settled && sameInfo(f.info, info) {
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

// readRegular reads a file of at most the given number of bytes. Anything but a
// regular file could block for ever, or never end. Its errors leave the path out.
func readRegular(path string, most int64) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	tooLarge := fmt.Errorf("is larger than %d bytes", most)
	switch {
	case info.IsDir():
		return nil, nil, errors.New("is a directory, not a file")
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("is not a regular file")
	case info.Size() > most:
		return nil, nil, tooLarge
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
		return nil, nil, tooLarge
	}
	return data, info, nil
}

func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", e.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}
