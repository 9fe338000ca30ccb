package application

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

const (
	// mostKeys is enough for a rotation, and for services whose instances have their own
	// keys.
	mostKeys     = 20
	mostKeysFile = 256 << 10
	// longestReason limits the text of a key file in a warning, in bytes.
	longestReason = 200
)

// PublishedKeys are keys that a client publishes itself, at its `jwks_uri`.
type PublishedKeys struct {
	URL string
	// Algorithm is `token_endpoint_auth_signing_alg`, the algorithm of all of them: keys
	// without an algorithm have it, and keys with another one are ignored. "" means the
	// algorithm that each key names, or its default.
	Algorithm string
}

var jwksObject = &strictyaml.Object{
	Title: "JWK Set",
	Fields: []strictyaml.Field{{
		Name: "keys", Type: strictyaml.List{Of: strictyaml.JSON{Object: "the members of a public JWK", Never: jws.PrivateMembers}, NotEmpty: true},
		Required: true, Hint: "it could never authenticate: add a public key, or write `active: false`",
		Description: "The public keys, as JWKs (RFC 7517).",
		Examples: []any{[]any{map[string]string{
			"kty": "EC", "crv": "P-256", "kid": "2026-11",
			"x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
		}}},
	}},
}

var keysFileFormat = &strictyaml.Format{
	Check: func(path string) error {
		if path == "" || isContent(path) {
			return errors.New("must be the path of a file with a JWK Set, or with public keys as PEM, not what is in it")
		}
		return nil
	},
	Pattern: `^[^{\r\n][^\r\n]*$`,
	Says:    "must be the path of a file with a JWK Set, or with public keys as PEM, not what is in it",
	Loose:   "PEM in one line",
}

// keys reads the public keys of a client (RFC 7591 section 2).
func (l *loader) keys(m *mapping, a *Application) {
	if m.Has("jwks") {
		a.Keys = l.inlineKeys(m, m.signingAlgorithms())
	} else {
		a.Keys = l.keysFile(m, a, m.signingAlgorithms())
	}
	if len(a.Keys) > mostKeys {
		m.Fail(m.Node, "it has %d keys; at most %d are accepted", len(a.Keys), mostKeys)
	}
}

// publishedKeys reads the URL of the public keys of a client.
func (l *loader) publishedKeys(m *mapping, a *Application) {
	a.PublishedKeys.URL, _ = m.Text("jwks_uri")
	if algorithms := m.signingAlgorithms(); len(algorithms) == 1 {
		a.PublishedKeys.Algorithm = algorithms[0]
	}
}

// signingAlgorithms returns the accepted algorithms. A key without one gets the first that
// fits.
func (m *mapping) signingAlgorithms() []string {
	if value, at := m.Text("token_endpoint_auth_signing_alg"); at != nil {
		return []string{jws.Canonical(value)}
	}
	return jws.Algorithms
}

func (l *loader) inlineKeys(m *mapping, algorithms []string) (keys []*jws.Key) {
	set := m.Object("jwks")
	if set == nil {
		return nil
	}
	nodes := set.List("keys")
	unsupported := make(map[*strictyaml.Node]error)
	for i, n := range nodes {
		key, err := l.inlineKey(set, n, i, algorithms)
		switch {
		case jws.IsUnsupported(err):
			unsupported[n] = err
		case jws.IsPrivate(err):
			set.RefuseField(n, l.NameOf("key", n, "kid", i), "is not usable: %v", err)
		case err != nil:
			set.FailField(n, l.NameOf("key", n, "kid", i), "is not usable: %v", err)
		case key == nil, slices.ContainsFunc(keys, key.Equal):
		case key.ID != "" && slices.ContainsFunc(keys, func(k *jws.Key) bool { return k.ID == key.ID && k.Algorithm == key.Algorithm }):
			set.Fail(n, "kid %s is that of another key of %s already; each needs a kid of its own", strictyaml.Quote(key.ID), key.Algorithm)
		default:
			keys = append(keys, key)
		}
	}
	say := set.Fail
	if len(keys) > 0 { // RFC 7517 section 5: they are not affected
		say = (&mapping{set}).warner(warning.KeySkipped)
	}
	for i, n := range nodes {
		if err := unsupported[n]; err != nil {
			say(n, "%s is not usable: %v", l.NameOf("key", n, "kid", i), err)
		}
	}
	return keys
}

// inlineKey returns a key, or an error, or neither if it has reported a mistake itself.
func (l *loader) inlineKey(set *strictyaml.Mapping, n *strictyaml.Node, index int, algorithms []string) (*jws.Key, error) {
	value, ok := set.Value(n, l.NameOf("key", n, "kid", index))
	if !ok {
		return nil, nil
	}
	document, err := json.Marshal(map[string]any{"keys": []any{value}})
	if err != nil {
		return nil, err
	}
	keys, _, err := parseJWKSet(document, algorithms)
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// keysFile reads a JWK Set, or public keys and certificates as PEM.
func (l *loader) keysFile(m *mapping, a *Application, algorithms []string) []*jws.Key {
	path, at := m.Text("jwks_file")
	if at == nil {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.file), path)
	}
	fail := m.failIfActive(a) // an operator may remove its keys first to shut it out
	data, _, err := l.options.ReadFile(path, mostKeysFile)
	switch {
	case err != nil && l.absent(m.At(at), "the keys in "+path, err):
		return nil
	case err != nil:
		fail(at, "file %s %v", path, err)
		return nil
	}
	keys, skipped, err := parseKeys(ascii.WithoutBOM(data), algorithms)
	if err != nil {
		fail(at, "file %s: %v", path, err)
	}
	for _, reason := range skipped {
		m.Warn(warning.KeySkipped, at, "file %s: skipped %.*v", path, longestReason, reason)
	}
	return keys
}

// isContent reports whether the text is the content of a file, not its path. It may be a
// secret or a private key, so no error quotes it.
func isContent(path string) bool {
	return strings.ContainsAny(path, "\r\n") || strings.HasPrefix(path, "{") || strings.Contains(path, "-----BEGIN")
}

// parseKeys parses a file of public keys. Unusable entries are skipped (RFC 7517 section
// 5); skipped has the reasons. A private key is an error.
func parseKeys(data []byte, algorithms []string) (keys []*jws.Key, skipped []error, err error) {
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return parseJWKSet(data, algorithms)
	}
	return parsePEM(data, algorithms)
}

func parseJWKSet(data []byte, algorithms []string) ([]*jws.Key, []error, error) {
	set, err := jws.ParseKeySet(data, algorithms...)
	if err != nil {
		return nil, nil, err
	}
	private := slices.IndexFunc(set.Skipped, jws.IsPrivate)
	switch {
	case private >= 0 || len(set.Skipped) > 0 && len(set.Keys()) == 0:
		return nil, nil, fmt.Errorf("%w; only public keys that verify signatures belong here", set.Skipped[max(private, 0)])
	case len(set.Keys()) == 0:
		return nil, nil, errors.New("there is no key in it")
	}
	return set.Keys(), set.Skipped, nil
}

var errNoPEM = errors.New(`must have a JWK Set, {"keys": [ … ]}, or public keys or certificates as PEM`)

func parsePEM(data []byte, algorithms []string) (keys []*jws.Key, skipped []error, err error) {
	for index := 0; ; index++ {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, nil, errors.New("has a private key, which belongs to the client alone; put its public half here: openssl pkey -in key.pem -pubout")
		}
		key, err := pemKey(block, algorithms)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("PEM block %d: %w", index, err))
			continue
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) > 0:
		return keys, skipped, nil
	case len(skipped) > 0:
		return nil, nil, errors.Unwrap(skipped[0])
	}
	return nil, nil, errNoPEM
}

func pemKey(block *pem.Block, algorithms []string) (*jws.Key, error) {
	public, err := publicKeyOf(block)
	if err != nil {
		return nil, err
	}
	algorithm, err := algorithmFor(public, algorithms)
	if err != nil {
		return nil, err
	}
	return jws.NewKey("", algorithm, public)
}

func publicKeyOf(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("has a PEM block of the type %s; PUBLIC KEY and CERTIFICATE are accepted", strictyaml.Quote(block.Type))
}

// algorithmFor returns the algorithm of a key that names none (RFC 8725 section 3.1).
func algorithmFor(public crypto.PublicKey, algorithms []string) (string, error) {
	algorithm, err := jws.DefaultAlgorithm(public)
	if err == nil && len(algorithms) == 1 {
		algorithm = algorithms[0]
	}
	return algorithm, err
}

// keysURLFormat: this server fetches the URL, so its form is checked here, and its address
// when the server connects.
var keysURLFormat = &strictyaml.Format{
	Check: func(value string) error {
		u, err := weburl.ParseEndpoint(value)
		switch {
		case errors.Is(err, weburl.ErrUserOrFragment):
			return err
		case err != nil || !ascii.Visible(value) || len(value) > weburl.MaxLength:
			return errors.New("must be the URL of a JWK Set, such as https://worker.example.com/jwks.json")
		case u.Scheme != "https":
			return errors.New("must be https: whoever is on the way could put keys of his own there")
		}
		return nil
	},
	Pattern: `^[Hh][Tt][Tt][Pp][Ss]://[!"$-~]+$`,
	Longest: weburl.MaxLength,
	Says:    "must be the https URL of a JWK Set, such as https://worker.example.com/jwks.json",
	Loose:   "what is no URL, or has a user",
}
