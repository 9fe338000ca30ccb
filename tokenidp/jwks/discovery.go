package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

const (
	// discoveryTimeout leaves a part of fetchTimeout for the fetch of the keys.
	discoveryTimeout = 3 * time.Second
	// rediscoverEvery is how often the metadata is read again while the known jwks_uri
	// answers. If it does not answer, the next fetch reads the metadata.
	rediscoverEvery = time.Hour
	// rediscoverRetry is the wait after metadata could not be read. So requests that wait
	// for keys do not wait for it again.
	rediscoverRetry = 5 * time.Minute
)

// discovery finds the URL of the keys in the issuer's metadata. Only one fetch at a time
// may use it.
type discovery struct {
	web       *web
	issuer    string
	locations []string // of the metadata, the one to be asked first before the others
	maxStale  time.Duration
	elapsed   func() time.Duration

	jwksURI string        // empty before the metadata was first read
	read    time.Duration // when that was, the last time
	due     time.Duration // when to read it again
	problem error         // of the last attempt
}

func newDiscovery(w *web, o Options) (*discovery, error) {
	if err := w.allowed(o.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	u, err := weburl.ParseForeignIssuer(o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %q %w", weburl.Display(o.Issuer), err)
	}
	return &discovery{web: w, issuer: o.Issuer, locations: weburl.MetadataLocations(u), maxStale: o.MaxStale, elapsed: o.Elapsed}, nil
}

func (d *discovery) readKeys(ctx context.Context, before *keys) (document, error) {
	warning := d.update(ctx)
	if !d.known() {
		return document{}, warning
	}
	doc, err := d.web.getKeys(ctx, d.jwksURI, before)
	if err != nil {
		d.due = d.elapsed() // they may have moved
		return doc, also(err, warning)
	}
	doc.warning = warning
	return doc, nil
}

// known reports whether the URL of the keys is known, and was confirmed recently: an old
// URL may have another owner by now.
func (d *discovery) known() bool {
	return d.jwksURI != "" && d.elapsed()-d.read < d.maxStale
}

// update reads the metadata if that is due. If it fails, the known URL is still used: the
// keys may be available while the metadata is not.
func (d *discovery) update(ctx context.Context) error {
	now := d.elapsed()
	if d.known() && now < d.due {
		return d.problem
	}
	found, err := d.discover(ctx)
	if err != nil {
		d.problem, d.due = fmt.Errorf("discovering the keys of %s: %w", d.issuer, err), now+rediscoverRetry
		return d.problem
	}
	d.jwksURI, d.problem, d.read, d.due = found, nil, now, now+rediscoverEvery
	return nil
}

func (d *discovery) discover(ctx context.Context) (jwksURI string, err error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	var problem error
	for range d.locations {
		if jwksURI, err = d.ask(ctx, d.locations[0]); err == nil {
			return jwksURI, nil
		}
		problem = also(err, problem)
		d.locations = append(d.locations[1:], d.locations[0])
		if ctx.Err() != nil {
			break // the next fetch begins where this one did not get to
		}
	}
	return "", problem
}

func (d *discovery) ask(ctx context.Context, location string) (jwksURI string, err error) {
	doc, err := d.web.get(ctx, location, "")
	if err != nil {
		return "", err
	}
	if jwksURI, err = parseMetadata(d.issuer, doc.body); err == nil {
		err = d.web.allowed(jwksURI)
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", doc.from, clipped(err))
	}
	return jwksURI, nil
}

// also joins two errors in one line.
func also(err, other error) error {
	if other == nil {
		return err
	}
	return fmt.Errorf("%w; and %w", err, other)
}

// parseMetadata returns the jwks_uri. The metadata must name the issuer, byte for byte
// (RFC 8414 section 3.3). Otherwise keys of another issuer would be accepted for it.
func parseMetadata(issuer string, body []byte) (jwksURI string, err error) {
	metadata, err := strictjson.Object(body)
	if err != nil {
		return "", err
	}
	if named, _ := metadata["issuer"].(string); named != issuer {
		return "", fmt.Errorf("its issuer is %.100q, not %.100q", named, issuer)
	}
	jwksURI, _ = metadata["jwks_uri"].(string)
	if jwksURI == "" || len(jwksURI) > weburl.MaxLength {
		return "", errors.New("it has no jwks_uri, or not a short string")
	}
	return jwksURI, nil
}
