package state

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

const issuer = "https://idp.example.com"

func TestRevoked(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.UTC)
	until := noon.Add(time.Hour)
	token := Token{Issuer: issuer, ID: "t1", ClientID: "orders", IssuedAt: noon.Truncate(time.Second)}
	later := token
	later.IssuedAt = token.IssuedAt.Add(time.Second)
	for _, row := range []struct {
		name       string
		revocation Revocation
		token      Token
		revoked    bool
	}{
		{"the token", Revocation{Issuer: issuer, TokenID: "t1", Until: until}, token, true},
		{"another token", Revocation{Issuer: issuer, TokenID: "t2", Until: until}, token, false},
		{"the same id of another issuer", Revocation{Issuer: issuer + "/2", TokenID: "t1", Until: until}, token, false},
		{"one token, whenever it was issued", Revocation{Issuer: issuer, TokenID: "t1", Before: noon.Add(-time.Hour), Until: until}, token, true},
		{"one token, whosever it is", Revocation{Issuer: issuer, TokenID: "t1", ClientID: "billing", Until: until}, token, true},
		{"the client", Revocation{Issuer: issuer, ClientID: "orders", Before: noon, Until: until}, token, true},
		{"the client, of that same second", Revocation{Issuer: issuer, ClientID: "orders", Before: token.IssuedAt, Until: until}, token, true},
		{"the client, before", Revocation{Issuer: issuer, ClientID: "orders", Before: token.IssuedAt.Add(-1), Until: until}, token, false},
		{"the client, a second later", Revocation{Issuer: issuer, ClientID: "orders", Before: noon, Until: until}, later, false},
		{"another client", Revocation{Issuer: issuer, ClientID: "billing", Before: noon, Until: until}, token, false},
		{"a client with the token's id", Revocation{Issuer: issuer, ClientID: "t1", Before: noon, Until: until}, token, false},
		{"the issuer", Revocation{Issuer: issuer, Before: noon, Until: until}, token, true},
		{"the issuer, a second later", Revocation{Issuer: issuer, Before: noon, Until: until}, later, false},
		{"another issuer", Revocation{Issuer: issuer + "/2", Before: noon, Until: until}, token, false},
		{"a token without iat", Revocation{Issuer: issuer, Before: noon, Until: until}, Token{Issuer: issuer, ID: "t1"}, true},
		{"a token without jti", Revocation{Issuer: issuer, ClientID: "orders", Before: noon, Until: until}, Token{Issuer: issuer, ClientID: "orders", IssuedAt: noon}, true},
		{"nothing but an issuer", Revocation{Issuer: issuer, ClientID: "orders", Before: noon, Until: until}, Token{Issuer: issuer, IssuedAt: noon}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := NewMemory(NewNode(optionsWith(newClocks())))
			if m.Revoked(row.token) {
				t.Error("revoked before anything is")
			}
			if err := m.Revoke(t.Context(), row.revocation); err != nil {
				t.Fatal(err)
			}
			if got := m.Revoked(row.token); got != row.revoked {
				t.Errorf("revoked: %t", got)
			}
		})
	}
}

// Of two revocations of the same tokens, both hold, in whichever order they come.
func TestRevocationsAreJoined(t *testing.T) {
	for _, first := range []int{0, 1} {
		c := newClocks()
		m := NewMemory(NewNode(optionsWith(c)))
		two := []Revocation{
			{Issuer: issuer, ClientID: "orders", Before: c.Now(), Until: c.Now().Add(4 * time.Hour)},
			{Issuer: issuer, ClientID: "orders", Before: c.Now().Add(time.Minute), Until: c.Now().Add(2 * time.Hour)},
		}
		token := Token{Issuer: issuer, ClientID: "orders", IssuedAt: c.Now().Add(time.Minute)}
		if err := m.Revoke(t.Context(), two[first], two[1-first]); err != nil {
			t.Fatal(err)
		}
		c.Advance(3 * time.Hour)
		m.sweep()
		if !m.Revoked(token) || m.Health().Revocations != 1 {
			t.Errorf("%d first: %+v", first, m.Health())
		}
	}
}

func TestRevocationMustSayWhat(t *testing.T) {
	now := time.Now()
	m := NewMemory(NewNode(Options{}))
	for _, row := range []struct {
		name string
		r    Revocation
		want error
	}{
		{"nothing", Revocation{}, ErrInvalid},
		{"no issuer", Revocation{TokenID: "t1", Until: now}, ErrInvalid},
		{"no end", Revocation{Issuer: issuer, TokenID: "t1"}, ErrInvalid},
		{"a client at no time", Revocation{Issuer: issuer, ClientID: "orders", Until: now}, ErrInvalid},
		{"the issuer at no time", Revocation{Issuer: issuer, Until: now}, ErrInvalid},
		{"one token", Revocation{Issuer: issuer, TokenID: "t1", Until: now}, nil},
		{"the issuer", Revocation{Issuer: issuer, Before: now, Until: now}, nil},
	} {
		if err := m.Revoke(t.Context(), row.r); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// TestF24RevocationsAreNeverForgottenToMakeRoom: new ones are refused until some
// have expired.
func TestF24RevocationsAreNeverForgottenToMakeRoom(t *testing.T) {
	const most = 1000
	c := newClocks()
	o := optionsWith(c)
	o.mostRevocations = most
	m := NewMemory(NewNode(o))
	revoke := func(n int) error {
		return m.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: fmt.Sprint(n), Until: c.Now().Add(2 * time.Hour)})
	}
	for n := range most {
		if err := revoke(n); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		c.Advance(time.Minute)
		if err := revoke(most); !errors.Is(err, ErrFull) || !errors.Is(err, ErrUnavailable) {
			t.Fatalf("one too many: %v", err)
		}
	}
	for n := range most {
		if !m.Revoked(Token{Issuer: issuer, ID: fmt.Sprint(n)}) {
			t.Fatalf("%d is no longer revoked", n)
		}
	}
	c.Advance(2*time.Hour + leeway)
	if err := revoke(most); err != nil || m.Health().Revocations != 1 {
		t.Errorf("after all have expired: %v, %+v", err, m.Health())
	}
}

// A full list takes what it has already, and what operators revoke.
func TestFullListTakesWhatOperatorsRevoke(t *testing.T) {
	c := newClocks()
	o := optionsWith(c)
	o.mostRevocations = 2
	m := NewMemory(NewNode(o))
	revoke(t, m, c, "a", "b", "a")
	until := c.Now().Add(time.Hour)
	for _, r := range []Revocation{{Issuer: issuer, ClientID: "worker", Before: c.Now(), Until: until}, {Issuer: issuer, Before: c.Now(), Until: until}} {
		if err := m.Revoke(t.Context(), r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if err := m.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "c", Until: until}); !errors.Is(err, ErrFull) {
		t.Errorf("one token more: %v", err)
	}
}

// TestF13ClockStepsForgetNoRevocation, ahead and back.
func TestF13ClockStepsForgetNoRevocation(t *testing.T) {
	c := newClocks()
	m := NewMemory(NewNode(optionsWith(c)))
	token := Token{Issuer: issuer, ID: "t1"}
	if err := m.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t1", Until: c.Now().Add(24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []time.Duration{48 * time.Hour, -72 * time.Hour, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour, 24 * time.Hour} {
		setBy(c, step)
		c.Advance(2 * time.Hour)
		m.sweep()
		if !m.Revoked(token) {
			t.Fatalf("forgotten after a step of %s", step)
		}
	}
	c.Advance(24 * time.Hour)
	m.sweep()
	if m.Revoked(token) {
		t.Error("never forgotten")
	}
}

// million is a node with a million revoked tokens, and revoked clients and issuers.
func million(b testing.TB, count int) *Memory {
	m := NewMemory(NewNode(Options{}))
	until := time.Now().Add(time.Hour)
	for n := range count {
		m.revocations.add(0, newRecord(Revocation{Issuer: issuer, TokenID: fmt.Sprint(n), Until: until}))
	}
	err := m.Revoke(b.Context(),
		Revocation{Issuer: issuer, ClientID: "other", Before: time.Now(), Until: until},
		Revocation{Issuer: "https://other.example.com", Before: time.Now(), Until: until})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

var asked = Token{Issuer: issuer, ID: "Zk3w1bW0m2lqv1pXc0g5fQ", ClientID: "orders-worker", IssuedAt: time.Now()}

func TestRevokedAllocatesNothing(t *testing.T) {
	m := million(t, 10_000)
	revoked := Token{Issuer: issuer, ID: "77"}
	if allocations := testing.AllocsPerRun(1000, func() {
		if m.Revoked(asked) || !m.Revoked(revoked) || m.Ready() != nil {
			t.Error("the wrong answer")
		}
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// BenchmarkRevoked asks of a million: the table, which is far larger than any cache
// of the processor, is made once.
func BenchmarkRevoked(b *testing.B) {
	m := million(b, 1_000_000)
	b.Logf("%.1f MB", float64(m.Health().Bytes)/1e6)
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Revoked(asked)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.Revoked(asked)
			}
		})
	})
	b.Run("while others revoke", func(b *testing.B) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for n := 0; b.Context().Err() == nil; n++ {
				m.revocations.add(0, newRecord(Revocation{Issuer: issuer, TokenID: fmt.Sprint(n), Until: time.Now()}))
			}
		}()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.Revoked(asked)
			}
		})
		b.Cleanup(func() { <-ended })
	})
}
