package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/caddyserver/certmagic"
)

// listAttempts bounds the attempts of one List. Others cannot change the folder this often
// meanwhile.
const listAttempts = 10

// List returns the keys directly in a folder. A folder that does not exist is empty. File
// storage also returns "does not exist" if a file vanishes meanwhile, such as the
// temporary file of another process. So Stat decides; Exists is not used, because it
// returns false during an outage.
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
