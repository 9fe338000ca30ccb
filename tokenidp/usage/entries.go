package usage

import (
	"context"
	"path"
	"regexp"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// entries are the stored entries of all processes. Only its own process overwrites an
// entry. An entry that folds others never changes.
type entries struct {
	*storage.Entries
	certmagic.Locker
}

const foldPrefix = "fold-"

var entryName = regexp.MustCompile(`^(?:` + foldPrefix + `)?[0-9a-f]{32}-[0-9]{1,18}\.json$`)

func newEntries(s certmagic.Storage, folder string) entries {
	return entries{storage.NewEntries(s, folder, entryName, mostEntrySize), s}
}

func isFold(name string) bool { return strings.HasPrefix(name, foldPrefix) }

// isOwn reports whether this process has written the entry.
func (e entries) isOwn(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, foldPrefix), e.Process())
}

func (e entries) load(ctx context.Context, name string) (entry, error) {
	data, err := e.Load(ctx, name)
	if err != nil {
		return entry{}, err
	}
	return decode(data)
}

// lockKey returns the key of the lock for the process that folds.
func (e entries) lockKey() string { return path.Join(e.Folder(), "fold") }
