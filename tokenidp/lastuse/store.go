package lastuse

import (
	"context"
	"regexp"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// store has the entries of all processes.
type store struct{ *storage.Entries }

func newStore(s certmagic.Storage, folder string) store {
	return store{storage.NewEntries(s, folder, entryName, mostEntrySize)}
}

var entryName = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]{1,18}\.json$`)

func (s store) load(ctx context.Context, name string) (entry, error) {
	data, err := s.Load(ctx, name)
	if err != nil {
		return entry{}, err
	}
	return decode(data)
}

func (s store) write(ctx context.Context, e entry) (name string, err error) {
	data, err := e.encode()
	if err != nil {
		return "", err
	}
	return s.Store(ctx, "", ".json", data)
}
