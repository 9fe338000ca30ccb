package tokenidp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// checkKeys checks the configuration of the signing keys.
func (iss *Issuer) checkKeys() error {
	outside := iss.SigningKeyFile != "" || iss.SigningKey != ""
	if iss.SigningAlgorithm == "" && !outside {
		iss.SigningAlgorithm = signing.DefaultAlgorithm
	}
	d := time.Duration(iss.Rotate)
	switch {
	case iss.SigningAlgorithm != "" && !jws.Supported(iss.SigningAlgorithm) && jws.Supported(jws.Canonical(iss.SigningAlgorithm)):
		return fmt.Errorf("signing_algorithm %s: write %s, which is the name that the tokens have; more verifiers know it", iss.SigningAlgorithm, jws.Canonical(iss.SigningAlgorithm))
	case iss.SigningAlgorithm != "" && !slices.Contains(jws.Algorithms, iss.SigningAlgorithm):
		return fmt.Errorf("unknown signing_algorithm %q; known: %s", iss.SigningAlgorithm, strings.Join(jws.Algorithms, ", "))
	case d > 0 && d < signing.MinRotateEvery:
		return fmt.Errorf("rotate %s: must be at least %s", d, signing.MinRotateEvery)
	case d != 0 && outside:
		return errors.New("rotate has no effect on a signing_key from outside, which is rotated there; remove one of them")
	case iss.SigningKeyFile != "" && iss.SigningKey != "":
		return errors.New("there are two places for the signing key; keep one of signing_key_file and signing_key")
	case iss.SigningKey != "" && !isPlaceholder(iss.SigningKey):
		return errors.New("signing_key must be a placeholder such as {file./run/secrets/signing.pem}, or name a file, as in: signing_key file signing.pem; a key in the configuration would be shown by the admin endpoint")
	}
	for _, kek := range iss.KeyEncryptionKeys {
		if !isPlaceholder(kek) {
			return errors.New("key_encryption_key must be a placeholder such as {file./run/secrets/kek} or {env.KEY_ENCRYPTION_KEY}; a key in the configuration would be shown by the admin endpoint")
		}
	}
	return nil
}

// placeholder matches a placeholder that is replaced when the configuration loads.
var placeholder = regexp.MustCompile(`^\{(env\.|file\.)[^{}]+\}$`)

func isPlaceholder(s string) bool { return placeholder.MatchString(s) }

// provisionKeys makes the ring of this configuration. It takes over the keys of the ring
// before, if that has the same storage.
func (iss *Issuer) provisionKeys(bounded *storage.Bounded) error {
	iss.storage = bounded.String()
	o := signing.Options{
		RotateEvery: time.Duration(iss.Rotate),
		Predecessor: iss.predecessorKeys(),
		Outside:     iss.outside(),
		Logger:      iss.logger,
	}
	if len(iss.KeyEncryptionKeys) > 0 {
		keks := make([]string, len(iss.KeyEncryptionKeys))
		var err error
		for i, kek := range iss.KeyEncryptionKeys {
			if keks[i], err = caddy.NewReplacer().ReplaceOrErr(kek, true, true); err != nil {
				return fmt.Errorf("key_encryption_key %s has no value: %w", kek, err)
			}
		}
		if o.Encryption, err = signing.NewEncryption(keks...); err != nil {
			return fmt.Errorf("key_encryption_key: %w", err)
		}
	}
	iss.keys = signing.NewRing(bounded, iss.Issuer, iss.SigningAlgorithm, o)
	return nil
}

// predecessorKeys returns the ring of the configuration that runs, if that has the same
// storage, or nil.
func (iss *Issuer) predecessorKeys() *signing.Ring {
	if before := iss.carried.serving.latest(); before != nil && before.storage == iss.storage {
		return before.keys
	}
	return nil
}

// outside returns the configured source of the signing key, or nil.
func (iss *Issuer) outside() *signing.Outside {
	switch {
	case iss.SigningKeyFile != "":
		return signing.NewOutside(iss.SigningKeyFile, iss.SigningAlgorithm, func() ([]byte, error) {
			return readSmallFile(iss.SigningKeyFile)
		})
	case iss.SigningKey != "":
		return signing.NewOutside(iss.SigningKey, iss.SigningAlgorithm, func() ([]byte, error) {
			value, err := caddy.NewReplacer().ReplaceOrErr(iss.SigningKey, true, true)
			return []byte(value), err
		})
	}
	return nil
}

// readSmallFile reads a file of keys. It returns an error if the file is too large for
// that.
func readSmallFile(path string) ([]byte, error) {
	const largest = 1 << 20
	f, err := os.Open(path) //nolint:gosec // an operator names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, largest+1))
	if len(data) > largest {
		return nil, fmt.Errorf("%s has more than %d bytes", path, largest)
	}
	return ascii.WithoutBOM(data), err
}

// warnOfOpenKeyFile warns if other users may read the file of the private key.
func (iss *Issuer) warnOfOpenKeyFile() {
	info, err := os.Stat(iss.SigningKeyFile)
	if err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		iss.logger.Warn("the file of the signing key is open to others than its owner; chmod 600 it", warning.KeyFileOpen.Log(), zap.String("file", iss.SigningKeyFile), zap.Stringer("mode", info.Mode()))
	}
}

// RotateKeys makes a successor of the active key. If now is true, that signs at once;
// otherwise it is published first. See [signing.Ring.Rotate].
func (iss *Issuer) RotateKeys(ctx context.Context, now bool) (signing.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	plan, err := iss.keys.Rotate(ctx, now)
	iss.decisions.check(ctx, iss, time.Now())
	return plan, err
}

// signingAlgorithms returns the algorithms of the published keys, for the metadata.
func (iss *Issuer) signingAlgorithms() []string {
	var algorithms []string
	if iss.SigningAlgorithm != "" {
		algorithms = append(algorithms, iss.SigningAlgorithm)
	}
	for _, k := range iss.keys.States() {
		if k.State != signing.Unreadable && !slices.Contains(algorithms, k.Algorithm) {
			algorithms = append(algorithms, k.Algorithm)
		}
	}
	return algorithms
}
