package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// removeFromFile removes the secret from its applications file. The file is
// replaced as a whole, with the owner and the mode that it had.
func removeFromFile(s adminapi.Secret) error {
	file, err := filepath.EvalSymlinks(s.File)
	if err != nil {
		return byHand(s, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return byHand(s, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return byHand(s, err)
	}
	edited, err := application.RemoveSecret(text, s.ClientID, s.SecretID)
	if err != nil {
		return byHand(s, err)
	}
	if err := replaceFile(file, text, edited, info); err != nil {
		return byHand(s, err)
	}
	return nil
}

// byHand is for a file that cannot be edited from here, such as one that a
// deployment owns.
func byHand(s adminapi.Secret, err error) error {
	return fmt.Errorf("nobody uses the secret any more, but it is not removed: %w; remove it by hand, at %s:%d", err, s.File, s.Line)
}

func replaceFile(path string, before, text []byte, like os.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".applications-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	if err := f.Chmod(like.Mode().Perm()); err != nil {
		_ = f.Close()
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = sameOwner(f, like)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	// Somebody else may be editing the file too.
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, before) { //nolint:gosec // the same file again
		return errors.New("the file was changed meanwhile; try again")
	}
	return os.Rename(f.Name(), path)
}
