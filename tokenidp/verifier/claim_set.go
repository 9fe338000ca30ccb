package verifier

import (
	"sync/atomic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// claimSet are all claims of a token. Most routes ask for those alone that [Claims] has
// fields for, so that a remembered token has only their text until one asks for more:
// it takes half the memory, in few pieces, through which the garbage collector
// has to go again and again.
type claimSet struct {
	text    string
	decoded atomic.Pointer[map[string]any]
}

// decode makes the set from its text, which is the only time that it can fail.
func (s *claimSet) decode(text string) error {
	all, err := strictjson.Object(text)
	if err != nil {
		return err
	}
	s.text = text
	s.decoded.Store(&all)
	return nil
}

// members are to be read only.
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

// textOnly gives up what can be decoded again.
func (s *claimSet) textOnly() { s.decoded.Store(nil) }
