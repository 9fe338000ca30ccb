package verifier

import (
	"sync/atomic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// claimSet holds all claims of a token. Most routes need only the claims that [Claims] has
// fields for. So a cached token has the text of the others until a route needs one. That
// halves the memory, and leaves less to scan for the garbage collector.
type claimSet struct {
	text    string
	decoded atomic.Pointer[map[string]any]
}

// decode parses the text into a set. Later decoding of the same text cannot fail.
func (s *claimSet) decode(text string) error {
	all, err := strictjson.Object(text)
	if err != nil {
		return err
	}
	s.text = text
	s.decoded.Store(&all)
	return nil
}

// members returns the decoded claims. The caller must not change them.
func (s *claimSet) members() map[string]any {
	if s == nil {
		return nil
	}
	all := s.decoded.Load()
	if all == nil {
		decoded, _ := strictjson.Object(s.text) // again
		all = &decoded
		s.decoded.Store(all)
	}
	return *all
}

// textOnly drops what can be decoded again.
func (s *claimSet) textOnly() { s.decoded.Store(nil) }
