package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// maxBody bounds a document after decompression, in bytes. 100 of the largest RSA keys,
// with certificates, fit.
const maxBody = 512 << 10

// maxETag is the longest ETag that is kept, in bytes: a longer one may be too long for a
// request.
const maxETag = 256

// document is a JWK Set or metadata as it was read.
type document struct {
	body      []byte
	from      string // the URL without its query, or the file
	url       string
	etag      string
	unchanged bool          // 304: no body, what was there before holds
	maxAge    time.Duration // as the issuer says, or defaultRefresh
	warning   error
}

// web reads documents over HTTP.
type web struct {
	client       *http.Client
	insecureHTTP bool
	loopbackHTTP bool // the issuer is http on the loopback interface
}

func newWeb(o Options) *web {
	issuer, err := url.Parse(o.Issuer)
	return &web{
		client: &http.Client{
			Transport: o.Transport,
			// RFC 8414 section 3.2 and OpenID Connect Discovery section 4.2 allow only
			// status 200. If redirects were followed, anyone who can place one on the
			// issuer's host could choose its keys.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		insecureHTTP: o.InsecureHTTP,
		loopbackHTTP: err == nil && issuer.Scheme == "http" && weburl.IsProtected(issuer),
	}
}

// getKeys fetches the JWK Set, unless it has not changed.
func (w *web) getKeys(ctx context.Context, from string, before *keys) (document, error) {
	etag := ""
	if before != nil && before.url == from {
		etag = before.etag
	}
	return w.get(ctx, from, etag)
}

func (w *web) get(ctx context.Context, from, etag string) (document, error) {
	doc := document{from: weburl.Display(from), url: from, maxAge: defaultRefresh}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return doc, fmt.Errorf("fetching %s: not a URL", doc.from)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("User-Agent", "tokenidp")
	// A copy in a cache may lack the key that is needed.
	req.Header.Set("Cache-Control", "no-cache")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return doc, fmt.Errorf("fetching %s: %w", doc.from, withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	doc.maxAge = maxAge(resp.Header)
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		doc.unchanged = true
		return doc, nil
	case resp.StatusCode != http.StatusOK:
		return doc, fmt.Errorf("fetching %s: %w", doc.from, statusError(resp))
	}
	if tag := resp.Header.Get("ETag"); len(tag) <= maxETag {
		doc.etag = tag
	}
	if doc.body, err = readBody(resp.Body); err != nil {
		return doc, fmt.Errorf("fetching %s: %w", doc.from, err)
	}
	return doc, nil
}

func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("more than %d KiB", maxBody>>10)
	}
	return body, nil
}

func statusError(resp *http.Response) error {
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		return fmt.Errorf("status %d, a redirect, which is not followed; if it is right, configure where it leads: %.*s", resp.StatusCode, maxReason, weburl.Display(to.String()))
	}
	return fmt.Errorf("status %d, not 200", resp.StatusCode)
}

// allowed returns an error unless keys may come from the URL: https, or http if that is
// configured or on this machine.
func (w *web) allowed(raw string) error {
	u, err := weburl.ParseEndpoint(raw)
	switch {
	case err != nil:
		return fmt.Errorf("%q %w", weburl.Display(raw), err)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (w.insecureHTTP || w.loopbackHTTP && weburl.IsProtected(u)):
		return nil
	}
	return fmt.Errorf("%q must be https: whoever is on the way could put keys of his own there", weburl.Display(raw))
}

// withoutURL removes the URL, with its query, that net/http puts before an error.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// maxAge returns the max-age of a document (RFC 9111 section 5.2.2.1). Of several, the
// shortest counts. One that overflows is the largest (section 1.2.2).
func maxAge(h http.Header) time.Duration {
	age, found := time.Duration(math.MaxInt64), false
	for _, directive := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
		switch {
		case errors.Is(err, strconv.ErrRange):
			found = true
		case err == nil:
			age, found = min(age, time.Duration(seconds)*time.Second), true
		}
	}
	if !found {
		return defaultRefresh
	}
	return age
}
