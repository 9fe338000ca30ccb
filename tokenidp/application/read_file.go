package application

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFile returns the content of a file of at most the given number of bytes, and its
// metadata. Anything but a regular file is an error, because a read could block or never
// end. Errors do not have the path.
func ReadFile(path string, most int64) ([]byte, fs.FileInfo, error) {
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
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead) // so that it does not grow during the read
	if _, err := data.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, nil, withoutPath(err)
	}
	if int64(data.Len()) > most {
		return nil, nil, tooLarge
	}
	return data.Bytes(), info, nil
}

func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", e.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}
