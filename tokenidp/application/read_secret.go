package application

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const (
	longestSecretID = 64
	mostSecretFile  = 4096
)

func (l *loader) secrets(m *mapping, a *Application) {
	ids := make(map[string]int)
	expired := 0
	nodes := m.List("secrets")
	for i, n := range nodes {
		fields := l.mapping(n, m.What+": "+l.NameOf("secret", n, "id", i), "id", "hash", "file", "expires")
		if fields == nil {
			continue
		}
		s := l.secret(fields, a)
		if line, repeated := ids[s.ID]; repeated && s.ID != "" {
			fields.Fail(n, "id is already that of the secret in line %d", line)
		}
		ids[s.ID] = n.Line
		if s.ExpiredAt(l.now) {
			expired++
			fields.Warn(n, "it expired on %s; remove it", s.Expires.Add(-time.Nanosecond).UTC().Format(time.DateOnly))
		}
		a.Secrets = append(a.Secrets, s)
	}
	switch {
	case !a.Active:
	case len(nodes) == 0 && m.Field("secrets") != nil:
		m.Fail(m.Node, noSecret)
	case expired == len(nodes) && expired > 0:
		m.Warn(m.Node, "all its secrets have expired; it cannot authenticate")
	}
	switch floor := 2 * a.Secrets.HashingTime(); {
	case floor > mostHashingTime:
		m.Warn(m.Node, "its hashes are so slow together that a failed authentication can be told by its time from that of an unknown client_id; remove some")
	case floor > slowAuthenticationFloor:
		m.Warn(m.Node, "its hashes are so slow together that every failed authentication, of any client, takes %s; hash with a lower cost, or use generated secrets", floor.Round(100*time.Millisecond))
	}
}

// secret reads
//
//	id: <text for logs>
//	hash: <see parseHash>      # or: file: <path, from the folder of this file>
//	expires: 2027-06-30        # optional: the end of that day in UTC, or an instant of RFC 3339
func (l *loader) secret(m *mapping, a *Application) *secret.Secret {
	s := &secret.Secret{Line: m.Node.Line}
	var at *strictyaml.Node
	if s.ID, at = m.Required("id"); at != nil {
		if err := CheckSecretID(s.ID); err != nil {
			m.FailField(at, "id", "%v", err)
		}
	}
	s.Expires = m.expiry()

	switch {
	case m.Has("hash") && m.Has("file"):
		m.Fail(m.Node, "has both hash and file; keep one")
	case m.Has("hash"):
		l.hash(m, s)
	case m.Has("file"):
		l.mountedSecret(m, a, s)
	case !slices.ContainsFunc(storedAsHash, m.Has): // reported with the field
		m.Fail(m.Node, "has neither hash nor file; `%s` makes a secret with its hash", secret.GenerateCommand)
	}
	return s
}

// CheckSecretID returns an error for an id that is too long, has other characters than
// those of a log line, or is itself a secret.
func CheckSecretID(id string) error {
	switch {
	case secret.Classify(id) == secret.Generated:
		return errors.New("is a secret; an id appears in logs")
	case !strictyaml.IsLabel(id, longestSecretID):
		return fmt.Errorf("must be 1 to %d printable characters", longestSecretID)
	}
	return nil
}

func (l *loader) hash(m *mapping, s *secret.Secret) {
	encoded, at := m.Spelling("hash")
	if at == nil {
		return
	}
	if l.options.Expand != nil && strings.Contains(encoded, "{") {
		expanded, err := l.options.Expand(encoded)
		switch {
		case err != nil && l.options.Absent != nil:
			l.options.Absent(fmt.Sprintf("%s: the hash of %s", m.At(at), encoded))
			return
		case err != nil:
			m.FailField(at, "hash", "cannot be expanded: %v", err)
			return
		}
		encoded = withoutNewline(string(ascii.WithoutBOM([]byte(expanded))))
	}
	if err := s.SetHash(encoded); err != nil {
		m.FailField(at, "hash", "is not usable: %v", err)
	}
}

// mountedSecret reads a secret from a file. Only its tag stays in memory.
func (l *loader) mountedSecret(m *mapping, a *Application, s *secret.Secret) {
	path, at := m.Text("file")
	if at == nil {
		return
	}
	if path == "" || isContent(path) || secret.Classify(path) == secret.Generated {
		m.FailField(at, "file", "must be the path of a file with the secret, not the secret")
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.file), path)
	}
	fail := m.Fail
	if !a.Active {
		fail = m.Warn // to shut it out, its secret may be taken away first
	}
	data, info, err := l.options.ReadFile(path, mostSecretFile)
	switch {
	case err != nil && l.absent(m.At(at), "the secret in "+path, err):
		return
	case err != nil:
		fail(at, "file %s %v", path, err)
		return
	}
	if err := s.SetPlain(withoutNewline(string(ascii.WithoutBOM(data)))); err != nil {
		fail(at, "file %s: %v", path, err)
		return
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		m.Warn(at, "file %s is open to others than its owner (mode %04o); chmod 600 it", path, mode)
	}
}

// withoutNewline removes one line break at the end, which editors add.
func withoutNewline(s string) string {
	if line, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(line, "\r")
	}
	return s
}

// expiry reads the first moment at which the secret is no longer valid.
func (m *mapping) expiry() (t time.Time) {
	n := m.Field("expires")
	if n == nil {
		return t
	}
	if strictyaml.IsScalar(n) {
		if day, err := time.Parse(time.DateOnly, n.Value); err == nil {
			t = day.AddDate(0, 0, 1)
		} else if instant, ok := parseInstant(n.Value); ok {
			t = instant
		}
	}
	// The zero time would be read as "never".
	if t.Year() < 2000 {
		m.FailField(n, "expires", "must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z")
	}
	return t
}

// instant reports whether the text is valid by RFC 3339 section 5.6. time.Parse also
// accepts a comma for the point, and hours of one digit.
var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func parseInstant(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err == nil && instant.MatchString(s)
}
