package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Applications are the Applications and API resources in force, as renderings of their
// files: GET /tokenidp/applications.
type Applications struct {
	// Version is another one after each change.
	Version string `json:"version"`
	// Issuers and Trusted are the URLs of the issuers, in the order of the configuration,
	// where they may be placeholders that only the server can replace.
	Issuers []string           `json:"issuers"`
	Trusted []string           `json:"trusted"`
	Parts   []ApplicationsPart `json:"parts"`
}

// ApplicationsPart is a part of a file, without secrets and hashes.
type ApplicationsPart struct {
	Issuer string `json:"issuer"`
	File   string `json:"file"`
	// Content is in the form of the file.
	Content     string `json:"content"`
	TestProblem string `json:"test_problem,omitempty"`
}

// MostInPart is how many Applications a part has at most.
const MostInPart = 1000

// partsAtOnce keeps one answer far below the longest one.
const partsAtOnce = 20

var errChanged = errors.New("the Applications of the server changed meanwhile; ask again")

// Applications returns the Applications in force.
func (c *Client) Applications(ctx context.Context) (*Applications, error) {
	var all *Applications
	query := url.Values{"limit": {fmt.Sprint(partsAtOnce)}}
	for uri := "/tokenidp/applications?" + query.Encode(); uri != ""; {
		var page Applications
		next, err := c.ask(ctx, http.MethodGet, uri, nil, &page)
		switch {
		case err != nil:
			return nil, err
		case all != nil && page.Version != all.Version:
			return nil, errChanged
		case next == uri:
			return nil, fmt.Errorf("the admin endpoint at %s gives one page again and again", c.address)
		}
		if uri = next; all == nil {
			all = &page
		} else {
			all.Parts = append(all.Parts, page.Parts...)
		}
	}
	return all, nil
}
