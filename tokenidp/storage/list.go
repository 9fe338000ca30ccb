package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/caddyserver/certmagic"
)

// listAttempts is far more than the times that others can have changed a folder
// while it is listed.
const listAttempts = 10

// List lists the keys right in a folder. One that does not exist is empty. But file
// storage also answers "does not exist" when a file vanishes while it lists, as the
// temporary file of another writer does, so Stat decides; Exists answers "no" to an
// outage, and is never asked.
func List(ctx context.Context, s certmagic.Storage, folder string) (keys []string, err error) {
	for range listAttempts {
		keys, err = s.List(ctx, folder, false)
		switch {
		case err == nil:
			return keys, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("listing %s: %w", folder, err)
		}
		_, statErr := s.Stat(ctx, folder)
		switch {
		case errors.Is(statErr, fs.ErrNotExist):
			return nil, nil
		case statErr != nil:
			return nil, fmt.Errorf("listing %s: %w", folder, statErr)
		}
	}
	return nil, fmt.Errorf("listing %s: it changed during each of %d attempts: %w", folder, listAttempts, err)
}
