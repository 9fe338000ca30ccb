package signing

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

func TestEveryAlgorithmSignsAndIsReadBack(t *testing.T) {
	for _, algorithm := range jws.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			storage := newStorage(t)
			ring := func() *Ring {
				return NewRing(storage, testIssuer, algorithm, Options{Now: newClock(testTime).now, Logger: zap.NewNop()})
			}
			mustEnsure(t, ring())
			r := ring()
			mustLoad(t, r) // the key has been through the storage

			claims := `{"iss":"https://idp.example.com"}`
			token, kid, err := r.Sign([]byte(claims))
			if err != nil {
				t.Fatal(err)
			}
			m, err := jws.Parse(token)
			if err != nil {
				t.Fatal(err)
			}
			k, err := r.Key(t.Context(), kid, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Verify(m.SigningInput, m.Signature); err != nil {
				t.Error(err)
			}
			if m.Payload != claims || k.Algorithm != algorithm {
				t.Errorf("payload %s, key for %s", m.Payload, k.Algorithm)
			}
			want := map[string]any{"alg": algorithm, "kid": r.Active().ID, "typ": "at+jwt"}
			if got := header(t, token); len(got) != 3 || got["alg"] != want["alg"] || got["kid"] != want["kid"] || got["typ"] != want["typ"] {
				t.Errorf("header is %v, want %v", got, want)
			}
		})
	}
}

// header reads every member of a token's header.
func header(t *testing.T, token string) (members map[string]any) {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestUnknownAlgorithm(t *testing.T) {
	for _, algorithm := range []string{"", "none", "HS256", "rs256", "ES256K", "RSA-OAEP"} {
		storage := newStorage(t)
		r := NewRing(storage, testIssuer, algorithm, Options{Now: newClock(testTime).now, Logger: zap.NewNop()})
		if err := r.Ensure(t.Context()); err == nil || storage.count("Store") != 0 {
			t.Errorf("%q: error %v, %d writes", algorithm, err, storage.count("Store"))
		}
	}
}

func TestParseKeyID(t *testing.T) {
	for _, tc := range []struct {
		s    string
		want keyID
		ok   bool
	}{
		{"2026-03-16", keyID{"2026-03-16", 1}, true},
		{"2026-03-16.2", keyID{"2026-03-16", 2}, true},
		{"2026-03-16.10", keyID{"2026-03-16", 10}, true},
		{"2024-02-29", keyID{"2024-02-29", 1}, true},
		{"2026-03-16.999999999", keyID{"2026-03-16", 999999999}, true},
		{s: "2026-02-29"},
		{s: "2026-13-01"},
		{s: "2026-3-16"},
		{s: "20260316"},
		{s: "2026-03-16."},
		{s: "2026-03-16.0"},
		{s: "2026-03-16.1"},
		{s: "2026-03-16.02"},
		{s: "2026-03-16.+2"},
		{s: "2026-03-16.-2"},
		{s: "2026-03-16.2.3"},
		{s: "2026-03-16.two"},
		{s: "2026-03-16.1000000000"},
		{s: "2026-03-16." + strconv.Itoa(math.MaxInt)},
		{s: "2026-03-16.9999999999999999999999"},
		{s: "2026-03-16T00"},
		{s: " 2026-03-16"},
		{s: "2026-03-16\n"},
		{s: "٢٠٢٦-03-16"},
		{s: ".2"},
		{s: ""},
	} {
		got, ok := parseKeyID(tc.s)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("parseKeyID(%q) = %v, %t", tc.s, got, ok)
		}
		if ok && got.String() != tc.s {
			t.Errorf("parseKeyID(%q) writes %q", tc.s, got)
		}
	}
}

// TestNewKeyID: of the UTC day, never the day alone, and drawn anew where it
// is taken.
func TestNewKeyID(t *testing.T) {
	var taken []keyID
	for range 200 {
		id, err := newKeyID(testTime.In(time.FixedZone("", 3600)), taken)
		if err != nil {
			t.Fatal(err)
		}
		if again, ok := parseKeyID(id.String()); !ok || again != id {
			t.Errorf("%s is not read back", id)
		}
		if id.day != "2026-03-16" || id.n < 100_000 || id.n > 999_999 || slices.Contains(taken, id) {
			t.Errorf("drew %s", id)
		}
		taken = append(taken, id)
	}
}

func TestKeyIDOrder(t *testing.T) {
	ordered := []string{"2025-12-31.2", "2026-03-16", "2026-03-16.2", "2026-03-16.9", "2026-03-16.10", "2026-03-17"}
	for i, a := range ordered {
		for j, b := range ordered {
			idA, _ := parseKeyID(a)
			idB, _ := parseKeyID(b)
			if got := idA.compare(idB); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
}

// Public is the half of the key that verifies.
func (k *Key) Public() *jws.Key { return k.public }
