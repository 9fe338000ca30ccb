package tokenidp

import (
	"fmt"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// What a route remembers is bounded, whoever calls.
func TestTallyIsBounded(t *testing.T) {
	y := newReportCounter()
	for i := range 3 * mostGroups {
		y.refused(sighting{clientID: fmt.Sprint(i), reason: verifier.MissingScope})
	}
	y.refused(sighting{clientID: "0", reason: verifier.MissingScope})
	r := y.report("api.example.com", "Caddyfile:1")
	if len(r.WouldRefuse) != mostGroups || r.Others != 2*mostGroups || r.WouldRefuse[0].ClientID != "0" || r.WouldRefuse[0].Times != 2 {
		t.Errorf("%d groups, %d others, first %+v", len(r.WouldRefuse), r.Others, r.WouldRefuse[0])
	}
}
