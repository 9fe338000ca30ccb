package secret

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// countedHash is a slow hash that is not slow and says how often it ran.
type countedHash struct {
	secret string
	runs   atomic.Int32
	during func() // called while it runs
}

func (h *countedHash) matches(presented string) bool {
	h.runs.Add(1)
	if h.during != nil {
		h.during()
	}
	return presented == h.secret
}

func (h *countedHash) cost() time.Duration { return time.Millisecond }

func slowSecret(id, secret string) (*Secret, *countedHash) {
	h := &countedHash{secret: secret}
	return &Secret{ID: id, slow: h}, h
}

func fastSecret(t testing.TB, id, secret string) *Secret {
	t.Helper()
	hash, err := HashGenerated(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &Secret{ID: id}
	if s.digest, _, err = parseHash(hash); err != nil {
		t.Fatal(err)
	}
	return s
}

func mountedSecret(id, secret string) *Secret {
	s := &Secret{ID: id}
	s.remember(secret)
	return s
}

func wantFast(t *testing.T, a List, presented, id string, want Match) {
	t.Helper()
	s, match := a.CheckFast(presented, noon)
	if match != want || (s != nil) != (want == Matched) || s != nil && s.ID != id {
		t.Errorf("CheckFast(%q) = %v, %v; want %q, %v", presented, s, match, id, want)
	}
}

func TestCheckFast(t *testing.T) {
	other := Generate()
	mistyped := generated[:len(generated)-1] + "0"
	slow, _ := slowSecret("slow", "correct horse")
	emptySlow, _ := slowSecret("empty", "")
	fast := fastSecret(t, "fast", generated)
	mounted := mountedSecret("mounted", "battery staple")
	for _, row := range []struct {
		name      string
		secrets   []*Secret
		presented string
		id        string
		want      Match
	}{
		{"generated", []*Secret{fast}, generated, "fast", Matched},
		{"another generated", []*Secret{fast}, other, "", NoMatch},
		{"the hash itself", []*Secret{fast}, "$sha256$" + strings.Repeat("0", 64), "", NoMatch},
		{"chosen against SHA-256", []*Secret{fast}, "correct horse", "", NoMatch},
		{"mistyped against a slow hash", []*Secret{fast, slow}, mistyped, "", NoMatch},
		{"empty against a hash of nothing", []*Secret{emptySlow}, "", "", NoMatch},
		{"mounted", []*Secret{mounted}, "battery staple", "mounted", Matched},
		{"mounted, with a line break", []*Secret{mounted}, "battery staple\n", "", NoMatch},
		{"chosen against a slow hash", []*Secret{slow}, "correct horse", "", Unknown},
		{"generated against a slow hash", []*Secret{slow}, other, "", Unknown},
		{"generated, after a slow hash", []*Secret{slow, fast}, generated, "fast", Matched},
		{"mounted, after a slow hash", []*Secret{slow, mounted}, "battery staple", "mounted", Matched},
		{"wrong, before a slow hash", []*Secret{slow, mounted}, "battery", "", Unknown},
		{"with a NUL, which some hashes ignore", []*Secret{slow}, "correct horse\x00", "", NoMatch},
		{"no secrets", nil, generated, "", NoMatch},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantFast(t, row.secrets, row.presented, row.id, row.want)
		})
	}
}

func TestSHA256MatchesNoChosenSecret(t *testing.T) {
	// Even a digest that is that of a chosen secret: it could be guessed at speed.
	s := fastSecret(t, "fast", generated)
	c := newCandidate("correct horse")
	*s.digest = c.digest
	wantFast(t, List{s}, "correct horse", "", NoMatch)
}

func TestExpiredSecretsAreSkipped(t *testing.T) {
	fast := fastSecret(t, "fast", generated)
	mounted := mountedSecret("mounted", "battery staple")
	slow, hash := slowSecret("slow", "correct horse")
	a := List{fast, mounted, slow}
	for _, s := range a {
		s.Expires = noon
	}
	for presented, id := range map[string]string{generated: "fast", "battery staple": "mounted"} {
		wantFast(t, a, presented, "", NoMatch)
		if s, ok := a.ExpiredMatch(presented, noon); !ok || s.ID != id {
			t.Errorf("ExpiredMatch = %v, %v; want %s", s, ok, id)
		}
		if s, ok := a.ExpiredMatch(presented, noon.Add(-1)); ok {
			t.Errorf("ExpiredMatch found %s before it expired", s.ID)
		}
	}
	wantFast(t, a, "correct horse", "", NoMatch)
	if s, ok := a.CheckSlow("correct horse", noon); ok {
		t.Errorf("CheckSlow found the expired %s", s.ID)
	}
	if s, ok := a.ExpiredMatch("correct horse", noon); ok {
		t.Errorf("ExpiredMatch found %s, for which it needs the slow hash", s.ID)
	}
	if n := hash.runs.Load(); n != 0 {
		t.Errorf("the slow hash of an expired secret ran %d times", n)
	}
}

func TestSlowMatchIsRemembered(t *testing.T) {
	slow, hash := slowSecret("slow", "correct horse")
	a := List{slow}
	wantFast(t, a, "correct horse", "", Unknown)
	if s, ok := a.CheckSlow("wrong horse", noon); ok {
		t.Errorf("the wrong secret matched %s", s.ID)
	}
	wantFast(t, a, "wrong horse", "", Unknown)
	if s, ok := a.CheckSlow("correct horse", noon); !ok || s != slow {
		t.Errorf("CheckSlow = %v, %v", s, ok)
	}
	runs := hash.runs.Load()
	wantFast(t, a, "correct horse", "slow", Matched)
	wantFast(t, a, "wrong horse", "", NoMatch)
	if s, ok := a.CheckSlow("wrong horse", noon); ok {
		t.Errorf("the wrong secret matched %s", s.ID)
	}
	if s, ok := a.CheckSlow("correct horse", noon); !ok || s != slow {
		t.Errorf("CheckSlow = %v, %v", s, ok)
	}
	if n := hash.runs.Load(); n != runs {
		t.Errorf("the slow hash ran %d times more, although its secret was known", n-runs)
	}
	// It still expires.
	slow.Expires = noon
	wantFast(t, a, "correct horse", "", NoMatch)
	if s, ok := a.ExpiredMatch("correct horse", noon); !ok || s != slow {
		t.Errorf("ExpiredMatch = %v, %v", s, ok)
	}
}

func TestRememberedSecretLeavesOthersUnknown(t *testing.T) {
	first, firstHash := slowSecret("first", "one")
	second, _ := slowSecret("second", "two")
	a := List{first, second}
	first.remember("one")
	wantFast(t, a, "two", "", Unknown)
	if s, ok := a.CheckSlow("two", noon); !ok || s != second {
		t.Errorf("CheckSlow = %v, %v", s, ok)
	}
	if firstHash.runs.Load() != 0 {
		t.Error("the slow hash of a remembered secret ran")
	}
	wantFast(t, a, "two", "second", Matched)
	wantFast(t, a, "three", "", NoMatch)
}

func TestSecretRememberedBetweenTheChecks(t *testing.T) {
	slow, hash := slowSecret("slow", "correct horse")
	a := List{slow}
	wantFast(t, a, "correct horse", "", Unknown)
	slow.remember("correct horse") // by another request
	if s, ok := a.CheckSlow("correct horse", noon); !ok || s != slow {
		t.Errorf("CheckSlow = %v, %v", s, ok)
	}
	if hash.runs.Load() != 0 {
		t.Error("the slow hash ran for a remembered secret")
	}
}

func TestSecretRememberedDuringTheSlowHashes(t *testing.T) {
	first, hash := slowSecret("first", "one")
	second, _ := slowSecret("second", "two")
	a := List{first, second}
	hash.during = func() { second.remember("two") } // by another request
	if s, ok := a.CheckSlow("two", noon); !ok || s != second {
		t.Errorf("CheckSlow = %v, %v", s, ok)
	}
}

func TestCheckSlowRefusesWithoutHashing(t *testing.T) {
	slow, hash := slowSecret("slow", "")
	a := List{slow}
	for _, presented := range []string{"", "correct horse\x00", generated[:20]} {
		if s, ok := a.CheckSlow(presented, noon); ok {
			t.Errorf("%q matched %s", presented, s.ID)
		}
	}
	if hash.runs.Load() != 0 {
		t.Error("the slow hash ran")
	}
}

func TestAuthenticationWithEveryFormat(t *testing.T) {
	chosen, err := HashChosen("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for hash, secret := range map[string]string{
		chosen:          "correct horse",
		argon2Reference: "password",
		bcryptPHP:       "password",
		passlib256:      "1234",
		hydra512:        "correct horse battery staple",
	} {
		s := &Secret{ID: "a"}
		if _, s.slow, err = parseHash(hash); err != nil {
			t.Fatal(err)
		}
		a := List{s}
		if _, ok := a.CheckSlow("wrong", noon); ok {
			t.Errorf("%s: a wrong secret matched", hash)
		}
		if _, ok := a.CheckSlow(secret, noon); !ok {
			t.Errorf("%s: its secret did not match", hash)
		}
		wantFast(t, a, secret, "a", Matched)
	}
}

func TestConcurrentAuthentication(t *testing.T) {
	slow, _ := slowSecret("slow", "correct horse")
	other, _ := slowSecret("other", "battery staple")
	a := List{slow, fastSecret(t, "fast", generated), other}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 200 {
				presented := []string{"correct horse", "battery staple", generated, "wrong"}[i%4]
				s, match := a.CheckFast(presented, noon)
				if match == Unknown {
					s, _ = a.CheckSlow(presented, noon)
				}
				if (s == nil) != (presented == "wrong") {
					t.Errorf("%q: %v", presented, s)
				}
				a.ExpiredMatch(presented, noon)
			}
		})
	}
	wg.Wait()
}
