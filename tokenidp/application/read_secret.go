package application

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

const (
	longestSecretID = 64
	mostSecretFile  = 4096
)

var secretObject = &strictyaml.Object{
	Title:       "Secret",
	Description: "A secret of the client, of which only a hash is stored, or a file that has it.",
	Kind:        "secret", By: "id",
	Fields: []strictyaml.Field{
		{
			Name: "id", Type: strictyaml.Text{Format: secretIDFormat}, Required: true,
			Description: "The name of the secret, which logs and lists show.", Examples: []any{"2026-11"},
		},
		{
			Name: "hash", Type: strictyaml.Spelling{Format: hashFormat},
			Description: "The hash of the secret, or a placeholder for it such as {env.ORDERS_HASH}.",
			Examples:    []any{"$sha256$636222aa3dcfeec0e6cfe08ce9445ec2dcd02e0c3384ec6962f622377e07e995"},
		},
		{
			Name: "file", Type: strictyaml.Text{Format: secretFileFormat},
			Description: "The path of a file with the secret itself, from the folder of this file.", Examples: []any{"/run/secrets/orders-worker"},
		},
		{
			Name: "expires", Type: strictyaml.Spelling{Format: expiryFormat},
			Description: "The last day of the secret, in UTC, or the instant when it expires (RFC 3339).", Examples: []any{"2027-06-30", "2027-06-30T12:00:00Z"},
		},
	},
	Choices: []strictyaml.Choice{{
		Of:      []string{"hash", "file"},
		None:    fmt.Sprintf("has neither hash nor file; `%s` makes a secret with its hash", secret.GenerateCommand),
		Several: "keep one",
	}},
}

var (
	secretIDFormat = &strictyaml.Format{
		Check:   CheckSecretID,
		Pattern: "^" + strictyaml.NoControl + "+$",
		Longest: longestSecretID,
		Says:    fmt.Sprintf("must be 1 to %d printable characters", longestSecretID),
		Loose:   "a secret, or a character that Unicode does not count as printable",
	}

	// hashFormat leaves a placeholder to loader.hash, which expands it.
	hashFormat = &strictyaml.Format{
		Check: func(encoded string) error {
			if strings.Contains(encoded, "{") {
				return nil
			}
			if err := new(secret.Secret).SetHash(encoded); err != nil {
				return fmt.Errorf("is not usable: %w", err)
			}
			return nil
		},
		Pattern: secret.HashSyntax + `|\{`,
		Says:    fmt.Sprintf("must be a hash; make one with %s", secret.HashCommand),
		Loose:   "parameters beyond the limits, and salts and hashes of another length",
	}

	secretFileFormat = &strictyaml.Format{
		Check: func(path string) error {
			if path == "" || isContent(path) || secret.Classify(path) == secret.Generated {
				return errors.New("must be the path of a file with the secret, not the secret")
			}
			return nil
		},
		Pattern: keysFileFormat.Pattern,
		Says:    "must be the path of a file with the secret, not the secret",
		Loose:   "a secret, or PEM in one line",
	}

	expiryFormat = &strictyaml.Format{
		Check: func(s string) error {
			if parseExpiry(s).IsZero() {
				return errors.New("must be a day such as 2027-06-30, at the end of which (UTC) the secret expires, or an instant such as 2027-06-30T12:00:00Z")
			}
			return nil
		},
		Pattern: `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?$`,
		Says:    "must be a day such as 2027-06-30, or an instant such as 2027-06-30T12:00:00Z",
		Loose:   "a day that the month does not have, or that is before the year 2000",
	}
)

func (l *loader) secrets(m *mapping, a *Application) {
	ids := make(map[string]int)
	expired := 0
	for fields := range m.Objects("secrets") {
		s := l.secret(&mapping{fields}, a)
		if line, repeated := ids[s.ID]; repeated && s.ID != "" {
			fields.Fail(fields.Node, "id is already that of the secret in line %d", line)
		}
		ids[s.ID] = s.Line
		if s.ExpiredAt(l.now) {
			expired++
			fields.Warn(string(warning.SecretExpired), fields.Node, "it expired on %s; remove it", s.Expires.Add(-time.Nanosecond).UTC().Format(time.DateOnly))
		}
		a.Secrets = append(a.Secrets, s)
	}
	if a.Active && expired > 0 && expired == len(m.List("secrets")) {
		m.Warn(warning.NoValidSecret, m.Node, "all its secrets have expired; it cannot authenticate")
	}
	switch floor := 2 * a.Secrets.HashingTime(); {
	case floor > mostHashingTime:
		m.Warn(warning.SlowHashes, m.Node, "its hashes are so slow together that a failed authentication can be told by its time from that of an unknown client_id; remove some")
	case floor > slowAuthenticationFloor:
		m.Warn(warning.SlowHashes, m.Node, "its hashes are so slow together that every failed authentication, of any client, takes %s; hash with a lower cost, or use generated secrets", floor.Round(100*time.Millisecond))
	}
}

func (l *loader) secret(m *mapping, a *Application) *secret.Secret {
	s := &secret.Secret{Line: m.Node.Line}
	s.ID, _ = m.Text("id")
	expires, _ := m.Text("expires")
	s.Expires = parseExpiry(expires)
	if m.Has("hash") {
		l.hash(m, s)
	} else {
		l.mountedSecret(m, a, s)
	}
	return s
}

// CheckSecretID returns an error for an id that is too long, has characters that do not fit
// into a log line, or is itself a secret.
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
	encoded, at := m.Text("hash")
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
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.file), path)
	}
	fail := m.failIfActive(a) // an operator may remove its secret first to shut it out
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
		m.Warn(warning.SecretFileOpen, at, "file %s is open to others than its owner (mode %04o); chmod 600 it", path, mode)
	}
}

// withoutNewline removes one line break at the end, which editors add.
func withoutNewline(s string) string {
	if line, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(line, "\r")
	}
	return s
}

// parseExpiry returns the first moment at which the secret is no longer valid, or the zero
// time for an invalid text.
func parseExpiry(s string) (t time.Time) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		t = day.AddDate(0, 0, 1)
	} else if instant, ok := parseInstant(s); ok {
		t = instant
	}
	if t.Year() < 2000 {
		return time.Time{}
	}
	return t
}

// instant reports whether the text is valid by RFC 3339 section 5.6. time.Parse also
// accepts a comma instead of the point, and hours of one digit.
var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func parseInstant(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err == nil && instant.MatchString(s)
}
