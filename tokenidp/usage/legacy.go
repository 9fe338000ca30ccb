package usage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// legacy is what earlier releases stored of the last uses of secrets, including releases
// that still run on other nodes. It is only read. Its content is written with the entry of
// this process, so the folder can be deleted when no such release runs any more.
type legacy struct {
	folders map[string]*legacyFolder // by issuer
	values  map[Key]Value
	watches []watch
}

type legacyFolder struct {
	*storage.Entries
	read map[string]bool
}

const mostLegacySize = 8 << 20

var legacyName = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]{1,18}\.json$`)

// Migrate names the folder in which earlier releases stored the last uses of the issuer's
// secrets.
func (s *Store) Migrate(issuer string, from certmagic.Storage, folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.legacy.folders == nil {
		s.legacy.folders, s.legacy.values = make(map[string]*legacyFolder), make(map[Key]Value)
	}
	if s.legacy.folders[issuer] == nil {
		s.legacy.folders[issuer] = &legacyFolder{storage.NewEntries(from, folder, legacyName, mostLegacySize), make(map[string]bool)}
	}
}

// readLegacy reads the entries that were not read before.
func (s *Store) readLegacy(ctx context.Context) (err error) {
	s.mu.RLock()
	folders := make(map[string]*legacyFolder, len(s.legacy.folders))
	for issuer, folder := range s.legacy.folders {
		folders[issuer] = folder
	}
	s.mu.RUnlock()
	for issuer, folder := range folders {
		err = errors.Join(err, s.readLegacyOf(ctx, issuer, folder))
	}
	return err
}

func (s *Store) readLegacyOf(ctx context.Context, issuer string, folder *legacyFolder) error {
	names, err := folder.List(ctx)
	if err != nil {
		return fmt.Errorf("reading the last uses of secrets: %w", err)
	}
	for _, name := range names[:min(len(names), mostEntries)] {
		if folder.read[name] {
			continue
		}
		data, err := folder.Load(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("%w: reading %s: %w", ErrIncomplete, folder.Key(name), err)
		}
		folder.read[name] = true
		if err := s.learnLegacy(issuer, data); err != nil {
			s.logger.Error("an entry of an earlier release with the last uses of secrets cannot be read and is left alone",
				zap.String("entry", folder.Key(name)), zap.String("cause", short(err)))
		}
	}
	return nil
}

// learnLegacy adds an entry:
//
//	{
//	  "version": 1,
//	  "watched": [<from>, <until>],
//	  "secrets": {"<client_id>": {"<id of the secret>": [<last used>, <observed since>]}}
//	}
func (s *Store) learnLegacy(issuer string, data []byte) error {
	object, err := strictjson.Object(data)
	if err != nil {
		return err
	}
	version, _ := object["version"].(strictjson.Number)
	watched, ok := numbers(object["watched"])
	clients, isObject := object["secrets"].(map[string]any)
	if version.String() != strconv.Itoa(1) || !ok || len(watched) != 2 || !isObject {
		return errors.New("must have the members version, watched and secrets")
	}
	values := make(map[Key]Value)
	for client, of := range clients {
		secrets, _ := of.(map[string]any)
		for id, value := range secrets {
			times, ok := numbers(value)
			if !ok || len(times) != 2 || max(times[0], times[1]) > lastSecond || len(client) > longestName || len(id) > longestName {
				return fmt.Errorf("secret %.100q of %.100q is not named and timed as any could be", id, client)
			}
			values[Key{Kind: Secret, Issuer: issuer, Client: client, Name: id}] = Value{Last: times[0], First: times[1]}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range values {
		s.legacy.values[k] = s.legacy.values[k].join(v)
	}
	if watched[0] > 0 && watched[0] <= watched[1] {
		s.legacy.watches = append(s.legacy.watches, watch{watched[0], watched[1]})
	}
	return nil
}
