package verifier

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unique"

	"github.com/tokenidp/caddy-tokenidp/internal/zerocopy"
)

// tokenID is the SHA-256 of a token. The token itself is not kept, because a dump of the
// memory would reveal it.
type tokenID [sha256.Size]byte

// newTokenID hashes the token without a copy. The compiler cannot know that Sum256 does
// not change it, and would copy it to the heap for every request.
func newTokenID(token string) tokenID {
	return sha256.Sum256(zerocopy.Bytes(token))
}

// remember adds a verified token to the cache. It shares the texts that other tokens have,
// too: what many requests read stays in the caches of the processor.
func (i *Issuer) remember(e *entry) {
	if i.cache == nil {
		return
	}
	c := &e.claims
	e.client = unique.Make(c.ClientID)
	c.ClientID, c.Audience, c.Scope = e.client.Value(), i.audience.shared(c.Audience), i.scope.shared(c.Scope)
	if i.options.Annotate != nil {
		c.annotation = i.options.Annotate(c)
	}
	i.cache.add(e)
	e.all.textOnly()
}

// latest is the list of the last token. Later tokens with an equal list share its memory.
type latest struct{ list atomic.Pointer[[]string] }

func (l *latest) shared(list []string) []string {
	if len(list) == 0 {
		return list
	}
	if known := l.list.Load(); known != nil && slices.Equal(*known, list) {
		return *known
	}
	own := make([]string, len(list)) // not parts of the token's text, which may be forgotten before
	for i, element := range list {
		own[i] = strings.Clone(element)
	}
	l.list.Store(&own)
	return own
}

// recall looks the token up in the cache, and checks what may have changed since it was
// verified: the key of the issuer, and the time. The requirements of the route are checked
// by [Claims.Authorize] for every request. Both results are nil if the token must be
// verified.
func (i *Issuer) recall(ctx context.Context, id tokenID, now func() time.Time) (*Claims, error) {
	if i.cache == nil {
		return nil, nil
	}
	known := i.cache.find(id)
	if known == nil {
		return nil, nil
	}
	key, err := i.key(ctx, known.claims.KeyID, known.key.Algorithm)
	switch {
	case err != nil:
		i.cache.remove(known)
		return nil, err
	case key != known.key: // another one under the same kid
		i.cache.remove(known)
		return nil, nil
	}
	if err := known.claims.checkTimes(now(), i.options.Leeway); err != nil {
		i.cache.remove(known)
		return nil, err
	}
	return &known.claims, nil
}
