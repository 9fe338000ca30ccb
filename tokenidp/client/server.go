package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Server has the endpoints of an authorization server.
type Server struct {
	// Issuer is the audience of assertions.
	Issuer string
	// TokenEndpoint is the URL of the token endpoint.
	TokenEndpoint string
	// TLSTokenEndpoint is where clients with a certificate ask, if that is elsewhere
	// (RFC 8705 section 5).
	TLSTokenEndpoint string
}

// Web makes the HTTP client for a server. Certificates are checked against the roots,
// or, where those are nil, the system's. The certificate, if there is one, is the
// client's own (RFC 8705). No redirect is followed: it would take the credentials to
// whoever can place one.
func Web(roots *x509.CertPool, certificate *tls.Certificate) *http.Client {
	transport := jwks.Transport(roots)
	if certificate != nil {
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{*certificate}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Discover finds the token endpoint of an issuer in its metadata (RFC 8414 section
// 3), or, where it has none there, in those of OpenID Connect Discovery.
func Discover(ctx context.Context, web *http.Client, issuer string) (*Server, error) {
	if err := checkURL(issuer); err != nil {
		return nil, fmt.Errorf("the issuer %w", err)
	}
	u, err := weburl.ParseForeignIssuer(issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer %q %w", issuer, err)
	}
	var problem error
	for _, location := range weburl.MetadataLocations(u) {
		server, err := askMetadata(ctx, web, issuer, location)
		if err == nil {
			return server, nil
		}
		if problem = errors.Join(problem, err); !errors.Is(err, errNoMetadata) {
			break
		}
	}
	return nil, fmt.Errorf("discovering the token endpoint of %s: %w", issuer, problem)
}

var errNoMetadata = errors.New("there are no metadata")

func askMetadata(ctx context.Context, web *http.Client, issuer, location string) (*Server, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	status, _, body, err := exchange(web, r)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, fmt.Errorf("%w at %s: status %d", errNoMetadata, location, status)
	}
	return parseMetadata(issuer, body)
}

// parseMetadata takes the endpoints from metadata that name the issuer, byte for byte
// (RFC 8414 section 3.3): another issuer could otherwise collect the credentials.
func parseMetadata(issuer string, body []byte) (*Server, error) {
	metadata, err := strictjson.Object(body)
	if err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	if named, _ := metadata["issuer"].(string); named != issuer {
		return nil, fmt.Errorf("the metadata are those of the issuer %.200q, not of %q; write it exactly as the issuer does", named, issuer)
	}
	s := &Server{Issuer: issuer}
	s.TokenEndpoint, _ = metadata["token_endpoint"].(string)
	if err := checkURL(s.TokenEndpoint); err != nil {
		return nil, fmt.Errorf("the token_endpoint of the metadata %w", err)
	}
	if aliases, ok := metadata["mtls_endpoint_aliases"].(map[string]any); ok {
		if s.TLSTokenEndpoint, ok = aliases["token_endpoint"].(string); ok {
			if err := checkURL(s.TLSTokenEndpoint); err != nil {
				return nil, fmt.Errorf("the token_endpoint of mtls_endpoint_aliases %w", err)
			}
		}
	}
	return s, nil
}

// checkURL returns an error if credentials must not be sent to the URL. Its text
// continues a sentence that names the place of the URL.
func checkURL(raw string) error {
	u, err := weburl.ParseEndpoint(raw)
	switch {
	case err != nil:
		return fmt.Errorf("%.200q %w", weburl.Display(raw), err)
	case !weburl.IsProtected(u):
		return fmt.Errorf("%.200q must be https: whoever is on the way would have the credentials and the token", weburl.Display(raw))
	}
	return nil
}

// longestAnswer is more than any token or metadata need.
const longestAnswer = 256 << 10

// exchange sends a request and reads all of the answer.
func exchange(web *http.Client, r *http.Request) (status int, header http.Header, body []byte, err error) {
	r.Header.Set("User-Agent", "tokenidp")
	response, err := web.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer+1)); err != nil {
		return 0, nil, nil, fmt.Errorf("reading the answer of %s: %w", r.URL.Host, err)
	}
	if len(body) > longestAnswer {
		return 0, nil, nil, fmt.Errorf("the answer of %s is longer than %d KiB", r.URL.Host, longestAnswer>>10)
	}
	return response.StatusCode, response.Header, body, nil
}
