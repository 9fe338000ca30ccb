package usage

import (
	"net/netip"
	"testing"
)

// TestNil checks that a Store that is off counts nothing, and answers that nothing is known.
func TestNil(t *testing.T) {
	var s *Store
	k := Key{Kind: Refused, Name: "route", Detail: "no_token"}
	s.Count(k)
	s.CountHourly(k)
	s.CountExample(k, func() Example { t.Error("it asks for an example"); return Example{} })
	s.CountSecret("i", "c", "1", netip.MustParseAddr("192.0.2.1"))
	s.Observe("i", nil)
	s.Refresh(t.Context())
	if n := len(s.All()); n > 0 || s.Value(k).Count != 0 || s.Health() != (Health{}) || !s.SyncedAt().IsZero() || s.Use(k) != (Use{}) || s.Window() != (Window{}) {
		t.Error("it knows something")
	}
	for range s.Counted() {
		t.Error("it has counted")
	}
}
