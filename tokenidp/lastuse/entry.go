package lastuse

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// entryVersion is the format of an entry. Entries of a later version are ignored, so two
// releases can share one storage.
const entryVersion = 1

// mostEntrySize is in bytes. Larger entries are not read, and not written.
const mostEntrySize = 8 << 20

var errOtherVersion = errors.New("written by a newer version of this software, which it takes to read it")

// entry is a stored entry. It is written once, and never changed.
type entry struct {
	// watch is the time in which, as far as the writer knows, the secrets of all entries
	// were watched.
	watch   watch
	secrets map[Secret]knowledge
}

// encode writes
//
//	{
//	  "version": 1,
//	  "watched": [<from>, <until>],
//	  "secrets": {"<client_id>": {"<id of the secret>": [<last used>, <observed since>]}}
//	}
//
// with times in whole seconds since 1970, 0 for none.
func (e entry) encode() ([]byte, error) {
	secrets := make(map[string]map[string][2]int64)
	for s, k := range e.secrets {
		if secrets[s.ClientID] == nil {
			secrets[s.ClientID] = make(map[string][2]int64)
		}
		secrets[s.ClientID][s.SecretID] = [2]int64{k.used, k.since}
	}
	return json.Marshal(map[string]any{
		"version": entryVersion,
		"watched": [2]int64{e.watch.from, e.watch.until},
		"secrets": secrets,
	})
}

// size returns an upper bound of the size of a secret in an encoded entry, in bytes. A
// byte of an id may take six.
func (s Secret) size() int { return 6*(len(s.ClientID)+len(s.SecretID)) + 64 }

// split returns at least one entry for the secrets. None is larger than mostEntrySize.
func split(w watch, secrets map[Secret]knowledge) []entry {
	part := entry{w, make(map[Secret]knowledge)}
	var entries []entry
	size := 1024 // more than all but the secrets take
	for s, k := range secrets {
		if size += s.size(); size > mostEntrySize {
			entries = append(entries, part)
			part, size = entry{w, make(map[Secret]knowledge)}, 1024+s.size()
		}
		part.secrets[s] = k
	}
	return append(entries, part)
}

// decode parses an entry, and checks everything but its times.
func decode(data []byte) (entry, error) {
	e := entry{secrets: make(map[Secret]knowledge)}
	object, err := strictjson.Object(data)
	if err != nil {
		return e, err
	}
	if err := checkVersion(object["version"]); err != nil {
		return e, err
	}
	watched, err := times(object["watched"])
	e.watch = watch{watched[0], watched[1]}
	clients, ok := object["secrets"].(map[string]any)
	switch {
	case len(object) != 3 || !ok:
		return e, errors.New("must have the members version, watched and secrets alone")
	case err != nil || e.watch.from == 0 || e.watch.from > e.watch.until:
		return e, errors.New("watched is not the beginning and the end of a time")
	}
	for clientID, of := range clients {
		if err := e.client(clientID, of); err != nil {
			return e, err
		}
	}
	return e, nil
}

// checkVersion comes first, because an entry of another version may have other content.
func checkVersion(value any) error {
	number, _ := value.(strictjson.Number)
	version, err := strconv.ParseUint(number.String(), 10, 32)
	switch {
	case err != nil || version < entryVersion:
		return errors.New("has no version")
	case version > entryVersion:
		return errOtherVersion
	}
	return nil
}

func (e entry) client(clientID string, value any) error {
	secrets, ok := value.(map[string]any)
	if !ok || len(secrets) == 0 {
		return fmt.Errorf("secrets of %.100q is not an object with a member", clientID)
	}
	for secretID, value := range secrets {
		s := Secret{clientID, secretID}
		k, err := times(value)
		if err != nil || k == [2]int64{} || !s.storable() {
			return fmt.Errorf("secret %.100q of %.100q is not named and timed as any could be", secretID, clientID)
		}
		e.secrets[s] = knowledge{k[0], k[1]}
	}
	return nil
}

// times reads two times, neither before 1970 or after the year 9999.
func times(value any) (seconds [2]int64, err error) {
	list, _ := value.([]any)
	if len(list) != len(seconds) {
		return seconds, errors.New("not two times")
	}
	for i, value := range list {
		number, _ := value.(strictjson.Number)
		n, err := strconv.ParseUint(number.String(), 10, 64)
		if err != nil || n > lastSecond {
			return seconds, errors.New("not a time")
		}
		seconds[i] = int64(n)
	}
	return seconds, nil
}
