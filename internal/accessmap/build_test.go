package accessmap

import (
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/reach"
	"github.com/tokenidp/caddy-tokenidp/internal/statuspage"
)

// The error says which limit is reached.
func TestLimitOfAnswers(t *testing.T) {
	var one, all reach.Answer
	for range 60_000 {
		all.Classes = append(all.Classes, new(reach.Class))
	}
	for range 65_536 {
		one.Classes = append(one.Classes, new(reach.Class))
	}
	b := newBuilder(new(Map))
	if err := b.addClasses(statuspage.RouteAccess{}, &one); err == nil || err.Error() != "there are more than 65535 different answers for one route" {
		t.Error(err)
	}
	b = newBuilder(new(Map))
	if err := b.addClasses(statuspage.RouteAccess{}, &all); err != nil {
		t.Error(err)
	}
	if err := b.addClasses(statuspage.RouteAccess{}, &all); err == nil || err.Error() != "there are more than 100000 different answers" {
		t.Error(err)
	}
}
