package verifier

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/zerocopy"
)

// tokenID is the SHA-256 of a token's whole text. The text itself, which would let
// whoever reads the memory in, is not kept.
type tokenID [sha256.Size]byte

// newTokenID reads the token where it is: the compiler cannot tell that Sum256
// changes nothing, and would copy it to the heap for every request.
func newTokenID(token string) tokenID {
	return sha256.Sum256(zerocopy.Bytes(token))
}

// remember keeps a token that passed every check up to what a route decides.
func (i *Issuer) remember(e *entry) {
	if i.cache == nil {
		return
	}
	e.claims.Audience, e.claims.Scope = i.audience.shared(e.claims.Audience), i.scope.shared(e.claims.Scope)
	i.cache.add(e)
	e.all.textOnly()
}

// latest is the list that the last token had. Those after it that have the same
// share its memory, which is near, then, when a request asks for it.
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

// recall checks a remembered token against all that can have changed since: the issuer
// has the same key still, and the clock. Neither its text nor the configuration can
// have. What a route requires is for [Claims.Authorize], every time. Both results
// are nil for a token that is to be verified.
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
