package tokenidp

import (
	"errors"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// neverRead is a state whose revocations nobody has read.
type neverRead struct{ state.State }

func (neverRead) Ready() error { return state.ErrNotSynced }

func TestNotRevoked(t *testing.T) {
	noon := time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)
	s := state.NewMemory(state.NewNode(state.Options{Now: func() time.Time { return noon }}))
	until := noon.Add(time.Hour)
	err := s.Revoke(t.Context(),
		state.Revocation{Issuer: testIssuer, TokenID: "one", Until: until},
		state.Revocation{Issuer: testIssuer, ClientID: "cleared", Before: noon, Until: until},
		state.Revocation{Issuer: "https://other.example.com", Before: noon, Until: until})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		state  state.State
		claims verifier.Claims
		want   verifier.Reason // empty: passes
	}{
		{"another token", s, verifier.Claims{Issuer: testIssuer, ID: "two", ClientID: "worker", IssuedAt: noon}, ""},
		{"the token", s, verifier.Claims{Issuer: testIssuer, ID: "one", ClientID: "worker", IssuedAt: noon}, verifier.Revoked},
		{"another issuer's with its jti", s, verifier.Claims{Issuer: "https://third.example.com", ID: "one", ClientID: "worker", IssuedAt: noon}, ""},
		{"of the client", s, verifier.Claims{Issuer: testIssuer, ID: "two", ClientID: "cleared", IssuedAt: noon}, verifier.Revoked},
		{"of the client, issued later", s, verifier.Claims{Issuer: testIssuer, ID: "two", ClientID: "cleared", IssuedAt: noon.Add(time.Second)}, ""},
		{"of the issuer", s, verifier.Claims{Issuer: "https://other.example.com", ClientID: "worker", IssuedAt: noon}, verifier.Revoked},
		{"of the issuer, issued later", s, verifier.Claims{Issuer: "https://other.example.com", ClientID: "worker", IssuedAt: noon.Add(time.Second)}, ""},
		{"of the issuer, nobody knows when", s, verifier.Claims{Issuer: "https://other.example.com", ClientID: "worker"}, verifier.Revoked},
		{"nobody knows", neverRead{s}, verifier.Claims{Issuer: testIssuer, ID: "two", ClientID: "worker", IssuedAt: noon}, verifier.RevocationsUnknown},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := notRevoked(row.state, &row.claims)
			refusal, refused := errors.AsType[*verifier.Refusal](err)
			if refused != (row.want != "") || refused && refusal.Reason != row.want {
				t.Errorf("got %v", err)
			}
		})
	}
	claims := &verifier.Claims{Issuer: testIssuer, ID: "two", ClientID: "worker", IssuedAt: noon}
	if n := testing.AllocsPerRun(100, func() {
		if err := notRevoked(s, claims); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each request", n)
	}
}
