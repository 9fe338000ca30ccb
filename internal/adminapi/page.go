package adminapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// PageSize is how many entries of a long list the client asks for at once.
const PageSize = 1000

// Page is the part of a long list that a request asks for: ?limit=<n>&after=<cursor>.
// Without a limit, it is the whole list.
type Page struct {
	// Limit is how many entries there are at most, 0 for all.
	Limit int
	// After is the key of the entry before the first, or nil.
	After []string
}

// maxLimit keeps one answer within bounds.
const maxLimit = 10 * PageSize

// ReadPage reads the query of a request for a list whose keys have so many parts.
func ReadPage(query url.Values, parts int) (page Page, err error) {
	if text := query.Get("limit"); text != "" {
		if page.Limit, err = strconv.Atoi(text); err != nil || page.Limit < 1 || page.Limit > maxLimit {
			return page, fmt.Errorf("limit %.64q is not a number from 1 to %d", text, maxLimit)
		}
	}
	if cursor := query.Get("after"); cursor != "" {
		if page.After, err = readCursor(cursor, parts); err != nil {
			return page, err
		}
	}
	return page, nil
}

// Link names the page after the one that ends with the key.
func (Page) Link(w http.ResponseWriter, r *http.Request, key ...string) {
	query := r.URL.Query()
	encoded, _ := json.Marshal(key) // strings always can be
	query.Set("after", base64.RawURLEncoding.EncodeToString(encoded))
	w.Header().Set("Link", "<"+r.URL.Path+"?"+query.Encode()+`>; rel="next"`) // RFC 8288
}

var errCursor = errors.New("after must be the one of the Link header of the page before")

func readCursor(cursor string, parts int) (key []string, err error) {
	encoded, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, errCursor
	}
	if err := json.Unmarshal(encoded, &key); err != nil || len(key) != parts { //nolint:forbidigo // strings alone, and they decide nothing
		return nil, errCursor
	}
	return key, nil
}

// pages reads a long answer page by page. After an error there is no more.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query.Set("limit", fmt.Sprint(PageSize))
		for uri := path + "?" + query.Encode(); uri != ""; {
			var page T
			next, err := c.ask(ctx, http.MethodGet, uri, nil, &page)
			if err == nil && next == uri {
				err = fmt.Errorf("the admin endpoint at %s gives one page again and again", c.address)
			}
			if !yield(page, err) || err != nil {
				return
			}
			uri = next
		}
	}
}

func nextPage(header http.Header) string {
	uri, ok := strings.CutSuffix(header.Get("Link"), `>; rel="next"`)
	if !ok {
		return ""
	}
	return strings.TrimPrefix(uri, "<")
}
