package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// Authentication is one way in which a client proves who it is: it adds to each token
// request what that way needs.
type Authentication func(r *request) error

// request is a token request before it is sent.
type request struct {
	form     url.Values
	header   http.Header
	clientID string
	issuer   string
	now      time.Time
}

// SecretBasic sends the secret with HTTP Basic, both halves form-encoded (RFC 6749
// section 2.3.1).
func SecretBasic(secret string) Authentication {
	return func(r *request) error {
		carrier := http.Request{Header: r.header}
		carrier.SetBasicAuth(url.QueryEscape(r.clientID), url.QueryEscape(secret))
		return nil
	}
}

// SecretPost sends the secret in the body (RFC 6749 section 2.3.1).
func SecretPost(secret string) Authentication {
	return func(r *request) error {
		r.form.Set("client_id", r.clientID)
		r.form.Set("client_secret", secret)
		return nil
	}
}

// PrivateKey makes an assertion for each request (RFC 7523 section 2.2).
func PrivateKey(key *Key) Authentication {
	return func(r *request) error {
		if r.issuer == "" {
			return errors.New("an assertion is for an issuer, and none is known")
		}
		assertion, err := key.Assertion(r.clientID, r.issuer, r.now, assertionLifetime)
		if err != nil {
			return err
		}
		return r.assert(assertion)
	}
}

// AssertionFile sends what another issuer vouches for the client with (RFC 7521
// section 4.2), such as the token that Kubernetes keeps in a file of the pod. The
// file is read for each request, since it is replaced before its token expires.
func AssertionFile(path string) Authentication {
	return func(r *request) error {
		assertion, err := readAssertion(path)
		if err != nil {
			return err
		}
		return r.assert(assertion)
	}
}

// Certificate sends no more than who the client is: the connection has the
// certificate (RFC 8705 section 2).
func Certificate() Authentication {
	return func(r *request) error {
		r.form.Set("client_id", r.clientID)
		return nil
	}
}

func (r *request) assert(assertion string) error {
	r.form.Set("client_id", r.clientID)
	r.form.Set("client_assertion_type", assertionType)
	r.form.Set("client_assertion", assertion)
	return nil
}

// longestAssertion is that of the longest JWT that any server takes.
const longestAssertion = 32 << 10

func readAssertion(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the caller's to choose
	if err != nil {
		return "", fmt.Errorf("reading the assertion: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, longestAssertion+1))
	if err != nil {
		return "", fmt.Errorf("reading the assertion: %w", err)
	}
	assertion := strings.TrimSpace(string(ascii.WithoutBOM(text)))
	if len(text) > longestAssertion || strings.Count(assertion, ".") != 2 {
		return "", fmt.Errorf("what is in %s is no JWT", path)
	}
	return assertion, nil
}
