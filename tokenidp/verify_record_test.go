package tokenidp

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Tokens that differ only in what their requests are not counted by share what is kept to
// record them.
func TestTokensShareWhatRecordsNeed(t *testing.T) {
	annotate := annotates(new(usage.Store), nil)
	of := func(client, id string, scope ...string) any {
		return annotate(&verifier.Claims{Issuer: "https://idp.example", ClientID: client, ID: id, KeyID: "k", Audience: []string{"orders-api"}, Scope: scope})
	}
	one := of("orders-worker", "1", "orders.read")
	if of("orders-worker", "2", "orders.read") != one {
		t.Error("two tokens of a client do not share it")
	}
	if of("orders-worker", "1", "orders.read", "orders.write") == one || of("another", "1", "orders.read") == one {
		t.Error("tokens with other scopes or of another client share it")
	}
	for i := range mostRecordedTokens {
		of(fmt.Sprint(i), "1")
	}
	if of("orders-worker", "1", "orders.read") == one {
		t.Error("the memory of them has no bound")
	}
	if of("orders-worker", "1", strings.Repeat("x", mostMembers)) != nil {
		t.Error("a token with many scopes is kept, too")
	}
	if annotates(nil, nil) != nil {
		t.Error("what nobody records is kept")
	}
}

// Each request with a token counts for its route and the scopes that decide there, also if
// many come at once.
func TestCountsEachRoute(t *testing.T) {
	s := usage.New(&certmagic.FileStorage{Path: t.TempDir()}, "usage", usage.Options{})
	claims := &verifier.Claims{Issuer: "https://idp.example", ClientID: "orders-worker", Scope: []string{"orders.read"}}
	token := annotates(s, nil)(claims).(*recordedToken)
	routes := []*recordedRoute{{id: "a"}, {id: "b"}, {id: "c"}}
	for _, r := range routes {
		r.scopes = []string{"orders.read"}
	}
	v := &Verify{verifyWorker: &verifyWorker{recorder: recorder{usage: s}}}
	const each = 100
	var requests sync.WaitGroup
	for range 4 {
		requests.Go(func() {
			for i := range each * len(routes) {
				v.countPassed(time.Now(), routes[i%len(routes)], token, claims)
			}
		})
	}
	requests.Wait()
	for _, r := range routes {
		k := usage.Key{Kind: usage.Passed, Issuer: claims.Issuer, Client: claims.ClientID, Name: r.id, Detail: "orders.read"}
		if got := s.Value(k).Count; got != 4*each {
			t.Errorf("route %s: %d, want %d", r.id, got, 4*each)
		}
	}
	if counters := *token.counters.Load(); len(counters) != len(routes) {
		t.Errorf("%d counters are kept", len(counters))
	}
}
