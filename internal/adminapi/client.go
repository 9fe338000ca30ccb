package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Client asks the admin endpoint of a running Caddy.
type Client struct {
	address, base string
	sendsOrigin   bool // Caddy allows none at a Unix socket
	web           *http.Client
}

// NewClient returns a client for the admin endpoint at an address in the form of Caddy's
// `admin` option, such as localhost:2019 or unix//run/caddy.sock.
func NewClient(address string) (*Client, error) {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err == nil && parsed.PortRangeSize() > 1 {
		err = errors.New("it has more than one port")
	}
	if err != nil {
		return nil, fmt.Errorf("the address %s of the admin endpoint: %w; write it as %s", address, err, caddy.DefaultAdminListen)
	}
	c := &Client{address: address, base: "http://" + parsed.JoinHostPort(0), sendsOrigin: !parsed.IsUnixNetwork()}
	if parsed.IsUnixNetwork() {
		parsed.Host, _, _ = strings.Cut(parsed.Host, "|") // the permissions of the socket
		c.base = "http://127.0.0.1"
	}
	c.web = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, parsed.Network, parsed.JoinHostPort(0))
	}}}
	return c, nil
}

// Error is an error that the server answers with, in its words.
type Error struct {
	Status   int
	Sentence string
}

func (e *Error) Error() string { return e.Sentence }

// Config returns the configuration that runs, as JSON.
func (c *Client) Config(ctx context.Context) (config json.RawMessage, err error) {
	_, err = c.ask(ctx, http.MethodGet, "/config/", nil, &config)
	return config, err
}

// longest bounds an answer, in bytes. Long lists are read by the page.
const longest = 64 << 20

// ask sends a request, with a body unless that is nil, and decodes the answer. Next is
// the URI of the page that follows, or "". An error that the server answers with is
// an *[Error].
func (c *Client) ask(ctx context.Context, method, uri string, body, answer any) (next string, err error) {
	request, err := c.request(ctx, method, uri, body)
	if err != nil {
		return "", err
	}
	response, err := c.web.Do(request)
	if err != nil {
		return "", c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, longest+1))
	switch {
	case err != nil:
		return "", c.unreachable(err)
	case len(text) > longest:
		return "", fmt.Errorf("the answer of the admin endpoint at %s has more than %d bytes", c.address, longest)
	case response.StatusCode >= http.StatusBadRequest:
		return "", newError(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil { //nolint:forbidigo // Caddy's own answer
		return "", fmt.Errorf("the answer of the admin endpoint at %s: %w", c.address, err)
	}
	return nextPage(response.Header), nil
}

func (c *Client) request(ctx context.Context, method, uri string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+uri, content)
	if err != nil {
		return nil, err
	}
	if c.sendsOrigin {
		request.Header.Set("Origin", c.base)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

func (c *Client) unreachable(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("asking the admin endpoint at %s: %w; is Caddy running, and is --address right?", c.address, err)
}

// newError returns the error in the JSON of Caddy's answer.
func newError(status int, body []byte) *Error {
	var answer struct {
		Error string `json:"error"`
	}
	switch err := json.Unmarshal(body, &answer); { //nolint:forbidigo // Caddy's own answer
	case err == nil && answer.Error != "":
		return &Error{status, answer.Error}
	case status == http.StatusNotFound:
		return &Error{status, "this Caddy does not know the question; is it built with this module, in this version?"}
	}
	return &Error{status, fmt.Sprintf("the admin endpoint answers %d %s", status, http.StatusText(status))}
}
