package verifier

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
)

// remembered fills a cache like Verify, with all claims decoded, and returns the growth of
// the heap.
func remembered(t *testing.T, c *cache, tokens int, payload func(i int) string) (grown int) {
	t.Helper()
	before := heap()
	for i := range tokens {
		text := payload(i)
		e := &entry{id: newTokenID(fmt.Sprint(i))}
		err := e.all.decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if e.claims, err = parseClaims(&e.all, &Layout{ClientID: []claimrule.Path{{"client_id"}}}); err != nil {
			t.Fatal(err)
		}
		e.claims.KeyID = strings.Clone(ecKID)
		c.add(e)
	}
	grown = heap() - before
	runtime.KeepAlive(c)
	return grown
}

// heap returns the memory in use when nothing more is freed. Values with a cleanup, such as
// a removed cache, need more than one collection.
func heap() int {
	var m runtime.MemStats
	for least := uint64(math.MaxUint64); ; least = m.HeapAlloc {
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		if m.HeapAlloc+4096 >= least {
			return int(m.HeapAlloc)
		}
	}
}

func weightOf(c *cache) (weight, entries int) {
	for _, e := range c.tokens.All() {
		weight += weigh(&e.claims)
		entries++
	}
	return weight, entries
}

// The estimate is never too low for any token, and seldom more than twice too high. A tenth
// is for other uses of the heap.
func TestWeightIsThatOfTheHeap(t *testing.T) {
	with := func(name string, value any) func(int) string {
		return func(i int) string { return claims(object{"jti": fmt.Sprint("token-", i), name: value}) }
	}
	members := func(n int, value any) object {
		o := make(object)
		for i := range n {
			o[fmt.Sprintf("member%d", i)] = value
		}
		return o
	}
	repeat := func(n int, value any) []any {
		all := make([]any, n)
		for i := range all {
			all[i] = value
		}
		return all
	}
	const copies = 100
	for name, payload := range map[string]func(int) string{
		"usual":                     with("tenant", "acme"),
		"long string":               with("x", strings.Repeat("x", 6000)),
		"many short strings":        with("x", repeat(500, "abc")),
		"many long strings":         with("x", repeat(50, strings.Repeat("y", 50))),
		"many numbers":              with("x", repeat(700, 7)),
		"many nulls":                with("x", repeat(1025, nil)),
		"many empty arrays":         with("x", repeat(1000, []any{})),
		"many empty objects":        with("x", repeat(1000, object{})),
		"many small objects":        with("x", repeat(300, object{"a": 1})),
		"many small arrays":         with("x", repeat(1000, []any{1})),
		"many claims":               with("x", members(100, "v")),
		"claims in half empty maps": with("x", repeat(30, members(57, 1))),
		"very many claims":          with("x", members(600, 1)),
		"nested":                    with("x", strictNested(30)),
		"many scopes":               with("scope", strings.TrimSpace(strings.Repeat("orders.read ", 400))),
		"many audiences":            with("aud", repeat(300, "orders-api")),
		"Keycloak's":                with("realm_access", object{"roles": []string{"offline_access", "uma_authorization", "default-roles-example"}, "more": members(12, "x")}),
		"nine claims in all":        with("x", true),
		"eight claims in all":       func(i int) string { return claims(object{"jti": fmt.Sprint("token-", i)}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(1 << 20)
			grown := remembered(t, c, copies, payload)
			weight, entries := weightOf(c)
			most := 2.2
			if name == "many empty objects" { // none of them has the room that is weighed
				most = 6
			}
			if ratio := float64(weight) / float64(grown); entries != copies || ratio < 0.9 || ratio > most {
				t.Errorf("%d entries of %d bytes weigh %d: ratio %.2f", entries, grown/copies, weight/copies, ratio)
			} else {
				t.Logf("%d bytes, ratio %.2f", grown/copies, ratio)
			}
		})
	}
}

func strictNested(depth int) any {
	var value any = "x"
	for range depth {
		value = object{"a": value}
	}
	return value
}

// Claims that no route has read are kept as text.
func TestRememberedTokenKeepsTheTextOfItsClaims(t *testing.T) {
	v := newVerifier(t).mindful
	token := signed(claims(object{"tenant": "acme"}))
	for range 2 {
		got, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if got.all.decoded.Load() != nil || !got.HasScope("orders.read") {
			t.Error("the claims are decoded before anybody asked for them")
		}
	}
	got, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if tenant, found := got.Claim("tenant"); tenant != "acme" || !found || got.all.decoded.Load() == nil {
		t.Errorf("the tenant is %v, %v; decoded: %v", tenant, found, got.all.decoded.Load())
	}
}

// Ten thousand tokens with a dozen claims, and any number of the heaviest tokens.
func TestMemoryIsBounded(t *testing.T) {
	usual := func(i int) string {
		return claims(object{
			"jti": fmt.Sprintf("%064d", i), "sub": fmt.Sprintf("client-%d", i), "nbf": at(0),
			"tenant": strings.Repeat("t", 40), "environment": "production", "groups": []string{"orders", "billing", "reports"},
		})
	}
	heavy := func(i int) string {
		return claims(object{"jti": fmt.Sprint(i), "x": make([]object, 0), "y": strings.Split(strings.Repeat("y", 2000), "")})
	}
	for name, row := range map[string]struct {
		tokens  int
		payload func(int) string
	}{"10,000 usual ones": {manyTokens, usual}, "heavy ones": {600, heavy}} {
		t.Run(name, func(t *testing.T) {
			c := newCache(DefaultCacheSize)
			grown := remembered(t, c, row.tokens, row.payload)
			weight, entries := weightOf(c)
			t.Logf("%d entries in %d KiB, weighed as %d KiB", entries, grown>>10, weight>>10)
			if grown > 32<<20 || entries < row.tokens && weight < 24<<20 {
				t.Errorf("%d of %d tokens take %d bytes, weighed as %d", entries, row.tokens, grown, weight)
			}
		})
	}
}
