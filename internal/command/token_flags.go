package command

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/client"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// checkTokenFlags refuses missing flags and flags without an effect. It repeats nothing
// that may be a secret.
func checkTokenFlags(fl caddycmd.Flags) error {
	given := func(names ...string) (found []string) {
		for _, name := range names {
			if fl.String(name) != "" {
				found = append(found, "--"+name)
			}
		}
		return found
	}
	credentials := given("secret-file", "secret-env", "key", "assertion-file")
	secret := len(given("key", "assertion-file")) == 0
	switch {
	case len(fl.Args()) > 0 && fl.String("dpop") == newDPoPKey:
		return errors.New("this command takes no arguments; if one is the file of --dpop, join them, as in --dpop=<file>: --dpop alone makes a key for this request")
	case len(fl.Args()) > 0:
		return errors.New("this command takes no arguments, which others on this machine can see; give a secret with --secret-file, with --secret-env, or on standard input")
	case len(given("issuer", "token-endpoint")) == 0:
		return errors.New("where to ask is missing; give --issuer https://idp.example.com")
	case fl.String("client-id") == "":
		return errors.New("who asks is missing; give --client-id")
	case len(credentials) > 1:
		return fmt.Errorf("a client authenticates in one way; keep one of %s", strings.Join(credentials, " and "))
	case fl.String("key") != "" && fl.String("issuer") == "":
		return errors.New("--key needs --issuer, which the assertion is for")
	case len(given("alg", "kid")) > 0 && fl.String("key") == "":
		return fmt.Errorf("%s is of no use without --key", given("alg", "kid")[0])
	case fl.String("cert-key") != "" && fl.String("cert") == "":
		return errors.New("--cert-key is of no use without --cert")
	case fl.Bool("post") && (!secret || len(credentials) == 0 && fl.String("cert") != ""):
		return errors.New("--post is of no use without a secret")
	case fl.Bool("raw") && fl.Bool("json"):
		return errors.New("--raw and --json exclude each other; keep one")
	case fl.Duration("timeout") <= 0:
		return errors.New("--timeout must be more than 0")
	}
	return nil
}

// newTokenClient reads the input of the client. It does not call a server.
func newTokenClient(call *call) (*client.Client, error) {
	fl := call.Flags
	c := &client.Client{
		ID: fl.String("client-id"), Now: time.Now,
		Server: client.Server{Issuer: fl.String("issuer"), TokenEndpoint: fl.String("token-endpoint")},
	}
	certificate, err := clientCertificate(fl)
	if err != nil {
		return nil, err
	}
	c.UsesTLS = certificate != nil
	roots, err := trustedRoots(fl)
	if err != nil {
		return nil, err
	}
	c.Web = client.Web(roots, certificate)
	if c.DPoP, err = dpopKey(fl.String("dpop")); err != nil {
		return nil, err
	}
	if c.Authentication, err = tokenAuthentication(call); err != nil {
		return nil, err
	}
	return c, nil
}

func tokenAuthentication(call *call) (client.Authentication, error) {
	fl := call.Flags
	switch {
	case fl.String("key") != "":
		key, err := readKey(fl.String("key"), fl.String("alg"))
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		if kid := fl.String("kid"); kid != "" {
			key = key.Named(kid)
		}
		return client.PrivateKey(key), nil
	case fl.String("assertion-file") != "":
		return client.AssertionFile(fl.String("assertion-file")), nil
	case fl.String("cert") != "" && fl.String("secret-file") == "" && fl.String("secret-env") == "":
		return client.Certificate(), nil
	}
	secret, err := clientSecret(call)
	switch {
	case err != nil:
		return nil, err
	case secret == "":
		return nil, errors.New("the secret is empty; give --secret-file or --secret-env, or other credentials: --key, --assertion-file, --cert")
	case fl.Bool("post"):
		return client.SecretPost(secret), nil
	}
	return client.SecretBasic(secret), nil
}

func clientSecret(call *call) (string, error) {
	fl := call.Flags
	if path := fl.String("secret-file"); path != "" {
		file, err := os.Open(path) //nolint:gosec // the path is the operator's to choose
		if err != nil {
			return "", fmt.Errorf("reading --secret-file: %w", err)
		}
		defer func() { _ = file.Close() }()
		return readSecretFrom(file, path)
	}
	if name := fl.String("secret-env"); name != "" {
		secret, ok := os.LookupEnv(name)
		if !ok { // the name may be a misplaced secret
			return "", errors.New("--secret-env does not name an environment variable that is set; give its name, without $")
		}
		return secret, nil
	}
	return readSecret(call.out)
}

// longestPEM is longer than any key or bundle of certificates.
const longestPEM = 4 << 20

func readPEM(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the operator's to choose
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, longestPEM))
}

func readKey(path, algorithm string) (*client.Key, error) {
	if algorithm != "" && !jws.Supported(jws.Canonical(algorithm)) {
		return nil, notOneOf("the algorithm", algorithm, jws.Algorithms)
	}
	text, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, err := client.ParseKey(text, algorithm)
	if err != nil {
		return nil, fmt.Errorf("reading the private key in %s: %w", path, err)
	}
	return key, nil
}

func dpopKey(path string) (*client.Key, error) {
	switch path {
	case "":
		return nil, nil
	case newDPoPKey:
		return client.GenerateKey("ES256")
	}
	key, err := readKey(path, "")
	if err != nil {
		return nil, fmt.Errorf("--dpop: %w", err)
	}
	return key, nil
}

func clientCertificate(fl caddycmd.Flags) (*tls.Certificate, error) {
	path := fl.String("cert")
	if path == "" {
		return nil, nil
	}
	chain, err := readPEM(path)
	if err != nil {
		return nil, fmt.Errorf("--cert: %w", err)
	}
	key, err := readPEM(cmp.Or(fl.String("cert-key"), path))
	if err != nil {
		return nil, fmt.Errorf("--cert-key: %w", err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("--cert and --cert-key: %w", err)
	}
	return &certificate, nil
}

// trustedRoots returns the roots of --ca alone, or else those of the system. For a server
// on this machine, it adds Caddy's own root, which need not be installed.
func trustedRoots(fl caddycmd.Flags) (*x509.CertPool, error) {
	if path := fl.String("ca"); path != "" {
		roots := x509.NewCertPool()
		bundle, err := readPEM(path)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if !roots.AppendCertsFromPEM(bundle) {
			return nil, fmt.Errorf("--ca: there is no certificate in %s; give PEM", path)
		}
		return roots, nil
	}
	host := "" // text that is not a URL is refused later
	if u, err := url.Parse(cmp.Or(fl.String("token-endpoint"), fl.String("issuer"))); err == nil {
		host = u.Hostname()
	}
	if !weburl.IsLoopback(host) {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if local, err := readPEM(filepath.Join(caddy.AppDataDir(), "pki", "authorities", "local", "root.crt")); err == nil {
		roots.AppendCertsFromPEM(local)
	}
	return roots, nil
}
