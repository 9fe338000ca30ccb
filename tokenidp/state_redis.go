package tokenidp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

func init() {
	caddy.RegisterModule(StateRedis{})
}

// StateRedis shares single-use identifiers, revocations and quotas among all nodes
// through Redis: an identifier is used once among all of them, and a revocation is
// pushed to each. It connects when Caddy starts, and never to validate.
type StateRedis struct {
	// The URLs of Redis: rediss://<host>:<port>/<database>, or redis:// without TLS.
	// Several are those of a Cluster, or of Sentinels. Required.
	URLs []string `json:"urls,omitempty"`

	// The user, of an ACL. Default: Redis's `default`.
	Username string `json:"username,omitempty"`

	// The password, as a placeholder such as {file./run/secrets/redis} or
	// {env.REDIS_PASSWORD}. It is read again for each connection.
	Password string `json:"password,omitempty"`

	// The name under which Sentinels know Redis. Then the URLs are those of the
	// Sentinels.
	SentinelMaster string `json:"sentinel_master,omitempty"`

	// The user and the password, as a placeholder, at the Sentinels themselves.
	SentinelUsername string `json:"sentinel_username,omitempty"`
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// The one URL is that of a Cluster.
	Cluster bool `json:"cluster,omitempty"`

	// The PEM file with the authorities of the certificate of Redis. Default: those of
	// the system.
	TLSCA string `json:"tls_ca,omitempty"`

	// The PEM files with the certificate, and its key, that Redis asks for.
	TLSCertificate string `json:"tls_certificate,omitempty"`
	TLSKey         string `json:"tls_key,omitempty"`

	// What the names of all keys begin with. Default: `tokenidp:`.
	Prefix string `json:"prefix,omitempty"`

	// How many replicas must have a revocation before the caller is told that it is
	// in force. Default: 0.
	WaitReplicas int `json:"wait_replicas,omitempty"`

	// Reach Redis on another host without TLS, or on one that Sentinels or a Cluster
	// name. Whoever is on the way can read the password, take back revocations and have
	// identifiers used again.
	InsecurePlaintext bool `json:"insecure_plaintext,omitempty"`

	// Where this state is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	options state.RedisOptions
	files   [][]byte // what was read of the authorities and the certificate
}

// CaddyModule returns the Caddy module information.
func (StateRedis) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "tokenidp.state.redis",
		New: func() caddy.Module { return new(StateRedis) },
	}
}

// Provision checks the configuration, and reads the files.
func (s *StateRedis) Provision(caddy.Context) error {
	return placed(s.Source, s.provision())
}

func (s *StateRedis) provision() error {
	urls := make([]string, len(s.URLs))
	for i, raw := range s.URLs {
		var err error
		if urls[i], err = caddy.NewReplacer().ReplaceOrErr(raw, true, true); err != nil {
			return fmt.Errorf("the URL of Redis has no value: %w", err)
		}
	}
	if err := s.check(urls); err != nil {
		return err
	}
	s.options = state.RedisOptions{
		URLs: urls, SentinelMaster: s.SentinelMaster, SentinelUsername: s.SentinelUsername,
		Cluster: s.Cluster, Prefix: s.Prefix, WaitReplicas: s.WaitReplicas,
	}
	for _, password := range []string{s.Password, s.SentinelPassword} {
		if _, err := secretValue(password); err != nil {
			return err
		}
	}
	s.options.SentinelPassword, _ = secretValue(s.SentinelPassword)
	if s.Username != "" || s.Password != "" {
		s.options.Credentials = func() (string, string) {
			password, _ := secretValue(s.Password) // Redis refuses an empty one
			return s.Username, password
		}
	}
	var err error
	if s.options.TLS, err = s.tls(); err != nil {
		return err
	}
	return state.CheckRedis(s.options)
}

// check returns an error for options that are unsafe or contradict each other.
func (s *StateRedis) check(urls []string) error {
	plain := false
	for _, raw := range urls {
		u, err := state.ParseRedisURL(raw)
		if err != nil {
			return err
		}
		plain = plain || u.Scheme == "redis"
		if err := s.checkPlaintext(u); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{"password": s.Password, "sentinel_password": s.SentinelPassword} {
		if value != "" && !isPlaceholder(value) {
			return fmt.Errorf("%s must be a placeholder such as {file./run/secrets/redis} or {env.REDIS_PASSWORD}; a password in the configuration would be shown by the admin endpoint", name)
		}
	}
	switch {
	case s.Username != "" && s.Password == "":
		return errors.New("username has no effect without a password; add: password {file./run/secrets/redis}")
	case s.SentinelMaster == "" && s.SentinelUsername+s.SentinelPassword != "":
		return errors.New("sentinel_username and sentinel_password have no effect without sentinel_master; add: sentinel_master <name>")
	case s.SentinelMaster != "" && s.Cluster:
		return errors.New("a Redis Cluster needs no Sentinels; remove one of cluster and sentinel_master")
	case plain && s.TLSCA+s.TLSCertificate+s.TLSKey != "":
		return errors.New("tls_ca and tls_client have no effect on redis://; write rediss://")
	case (s.TLSCertificate == "") != (s.TLSKey == ""):
		return errors.New("a client certificate needs its key; write: tls_client <certificate-file> <key-file>")
	case s.WaitReplicas < 0:
		return errors.New("wait_replicas must not be negative")
	}
	return nil
}

// checkPlaintext returns an error for a connection without TLS to another machine.
func (s *StateRedis) checkPlaintext(u *url.URL) error {
	named := ""
	switch {
	case u.Scheme != "redis" || s.InsecurePlaintext:
		return nil
	case s.SentinelMaster != "":
		named = ", and so is the Redis that it names, wherever that is"
	case s.Cluster || len(s.URLs) > 1:
		named = ", and so are all nodes of the Cluster that it names, wherever they are"
	case weburl.IsLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%s is reached without TLS%s: whoever is on the way can read the password and take back revocations; write rediss://%s, or insecure_plaintext where nobody can be", u.Host, named, u.Host)
}

// secretValue returns the value of a placeholder.
func secretValue(placeholder string) (string, error) {
	if placeholder == "" {
		return "", nil
	}
	value, err := caddy.NewReplacer().ReplaceOrErr(placeholder, true, true)
	if err != nil {
		return "", fmt.Errorf("the password %s has no value: %w", placeholder, err)
	}
	return strings.TrimSpace(string(ascii.WithoutBOM([]byte(value)))), nil // files end in a line break
}

// tls returns the TLS configuration, or nil for the default.
func (s *StateRedis) tls() (*tls.Config, error) {
	if s.TLSCA == "" && s.TLSCertificate == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLSCA != "" {
		text, err := readSmallFile(s.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("tls_ca: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls_ca: there is no certificate in %s", s.TLSCA)
		}
		s.files = append(s.files, text)
	}
	if s.TLSCertificate != "" {
		certificate, err := tls.LoadX509KeyPair(s.TLSCertificate, s.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("tls_client: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
		s.files = append(s.files, certificate.Certificate...)
	}
	return config, nil
}

// identity changes with everything that is read once: the authorities, the certificate,
// and the password of the Sentinels. The other password is read for each connection.
func (s *StateRedis) identity(*storage.Bounded) string {
	configured, err := json.Marshal(StateRedis{ //nolint:gosec // the passwords are placeholders
		URLs: s.options.URLs, Username: s.Username, Password: s.Password,
		SentinelMaster: s.SentinelMaster, SentinelUsername: s.SentinelUsername, SentinelPassword: s.SentinelPassword,
		Cluster: s.Cluster, TLSCA: s.TLSCA, TLSCertificate: s.TLSCertificate, TLSKey: s.TLSKey, Prefix: s.Prefix, WaitReplicas: s.WaitReplicas,
	})
	if err != nil {
		return "redis"
	}
	digest := hmac.New(sha256.New, identityKey())
	for _, part := range append([][]byte{configured, []byte(s.options.SentinelPassword)}, s.files...) {
		sum := sha256.Sum256(part) // of one length, whatever is in it
		digest.Write(sum[:])
	}
	return fmt.Sprintf("redis %x", digest.Sum(nil))
}

// identityKey is a random key of this process, so that an identity reveals nothing of a
// password. Identities are compared only within a process.
var identityKey = sync.OnceValue(func() []byte { return []byte(rand.Text()) })

func (s *StateRedis) open(node *state.Node, _ *storage.Bounded, logger *zap.Logger) (state.State, error) {
	s.options.Logger = logger
	return state.NewRedis(node, s.options)
}

func (*StateRedis) reads() bool { return false }

func (s *StateRedis) announce(logger *zap.Logger) {
	if s.InsecurePlaintext {
		logger.Warn("insecure_plaintext: Redis is reached without TLS; nobody may be on the way to it", warning.InsecureRedis.Log())
	}
	warnOfPrintedSecrets(logger, "password", s.Password)
	warnOfPrintedSecrets(logger, "sentinel_password", s.SentinelPassword)
}

// Interface guards
var (
	_ stateModule           = (*StateRedis)(nil)
	_ caddy.Provisioner     = (*StateRedis)(nil)
	_ caddyfile.Unmarshaler = (*StateRedis)(nil)
)
