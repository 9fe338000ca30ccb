package verifier

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// remembers looks the token up without an effect on the cache.
func remembers(v *Verifier, token string) bool {
	for _, issuer := range v.issuers {
		if issuer.cache == nil {
			continue
		}
		if _, known := issuer.cache.tokens.GetEntryQuietly(newTokenID(token)); known {
			return true
		}
	}
	return false
}

// The first request gets in and is remembered, something changes, and the second request
// gets the answer that a verifier without a memory gives.
func TestRememberedTokensAreJudgedAgain(t *testing.T) {
	ec := func(t *testing.T, own bool) *jws.Key {
		if own {
			return publicKey(t, ecKID, "ES256", private().ecA.Public())
		}
		return publicKey(t, ecKID, "ES256", private().ec.Public())
	}
	unreachable := errors.New("connection refused")
	for name, row := range map[string]struct {
		claims object
		change func(*testing.T, *changingKeys, *time.Time)
		reason Reason
	}{
		"nothing":                {nil, func(*testing.T, *changingKeys, *time.Time) {}, ""},
		"key removed":            {nil, func(_ *testing.T, k *changingKeys, _ *time.Time) { k.key = nil }, UnknownKey},
		"key replaced":           {nil, func(t *testing.T, k *changingKeys, _ *time.Time) { k.key = ec(t, false) }, BadSignature},
		"key replaced by itself": {nil, func(t *testing.T, k *changingKeys, _ *time.Time) { k.key = ec(t, true) }, ""},
		"key of another algorithm": {nil, func(t *testing.T, k *changingKeys, _ *time.Time) {
			k.key = publicKey(t, ecKID, "RS256", &private().rsa.PublicKey)
		}, WrongAlgorithm},
		"keys out of reach":       {nil, func(_ *testing.T, k *changingKeys, _ *time.Time) { k.err = unreachable }, KeysUnavailable},
		"clock just before exp":   {nil, func(_ *testing.T, _ *changingKeys, now *time.Time) { *now = now.Add(time.Hour + 29*time.Second) }, ""},
		"clock past exp":          {nil, func(_ *testing.T, _ *changingKeys, now *time.Time) { *now = now.Add(time.Hour + 30*time.Second) }, Expired},
		"clock set back over nbf": {object{"nbf": at(0)}, func(_ *testing.T, _ *changingKeys, now *time.Time) { *now = now.Add(-31 * time.Second) }, NotYetValid},
		"clock set back over iat": {nil, func(_ *testing.T, _ *changingKeys, now *time.Time) { *now = now.Add(-time.Hour) }, IssuedInFuture},
	} {
		t.Run(name, func(t *testing.T) {
			clock, keys := now, &changingKeys{key: ec(t, true)}
			v := newTwins(t, func() time.Time { return clock }, Options{URL: issuerA, Algorithms: []string{"ES256", "RS256"}, Keys: keys})
			token := signed(claims(row.claims))
			if _, err := v.Verify(context.Background(), token); err != nil || !remembers(v.mindful, token) {
				t.Fatalf("not let in and remembered: %v", err)
			}
			row.change(t, keys, &clock)
			_, err := v.Verify(context.Background(), token)
			if row.reason == "" {
				if err != nil || !remembers(v.mindful, token) {
					t.Errorf("not let in and remembered: %v", err)
				}
				return
			}
			wantRefusal(t, err, row.reason, token)
			if remembers(v.mindful, token) {
				t.Error("refused, and still remembered")
			}
			// A token that was valid before is valid again.
			clock, *keys = now, changingKeys{key: ec(t, true)}
			if _, err := v.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
}

// changingKeys has one key, or an error.
type changingKeys struct {
	key *jws.Key
	err error
}

func (k *changingKeys) Key(context.Context, string, string) (*jws.Key, error) { return k.key, k.err }

// Oathkeeper CVE-2021-32701 and CVE-2026-33496: a token that one route accepts, and that is
// remembered, must still be checked on the next route.
func TestRememberedTokensAreAuthorizedByEachRoute(t *testing.T) {
	v := newVerifier(t).mindful
	token := signed(claims(object{"scope": "orders.read"}))
	for _, row := range []struct {
		route  Requirement
		reason Reason
	}{
		{Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.read"}}, ""},
		{Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.write"}}, MissingScope},
		{Requirement{Audiences: []string{"billing-api"}, Scopes: []string{"orders.read"}}, WrongAudience},
		{Requirement{Audiences: []string{"orders-api"}, Scopes: []string{"orders.read"}}, ""},
	} {
		got, err := v.Verify(context.Background(), token)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Authorize(&row.route, clock, nil); row.reason != "" {
			wantRefusal(t, err, row.reason, token)
		} else if err != nil {
			t.Error(err)
		}
	}
}

// A token that one issuer remembers does not get in with another issuer, also if that has
// the same URL and another configuration.
func TestIssuersRememberForThemselves(t *testing.T) {
	const clientID = "client_id"
	options := Options{URL: issuerA, Algorithms: []string{"ES256"}, Keys: keySet{ecKID: publicKey(t, ecKID, "ES256", private().ecA.Public())}}
	token := compact(header(object{"typ": "JWT"}), claims(object{clientID: removed{}, "azp": "orders-worker", "nbf": at(20 * time.Second)}), byEC(private().ecA))
	lenient := options
	lenient.Types, lenient.Claims, lenient.Leeway = []string{"jwt"}, Layout{ClientID: []claimrule.Path{{clientID}, {"azp"}}}, MaxLeeway
	for name, row := range map[string]struct {
		change func(*Options)
		reason Reason
	}{
		"type":      {func(o *Options) { o.Types = nil }, WrongType},
		"layout":    {func(o *Options) { o.Claims = Layout{} }, MissingClaim},
		"leeway":    {func(o *Options) { o.Leeway = time.Second }, NotYetValid},
		"algorithm": {func(o *Options) { o.Algorithms = []string{"RS256"} }, WrongAlgorithm},
		"keys":      {func(o *Options) { o.Keys = keySet{ecKID: publicKey(t, ecKID, "ES256", private().ec.Public())} }, BadSignature},
		"no keys":   {func(o *Options) { o.Keys = keySet{} }, UnknownKey},
		"URL":       {func(o *Options) { o.URL = issuerB }, UnknownIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			first, strict := newTwins(t, clock, lenient), lenient
			if _, err := first.Verify(context.Background(), token); err != nil {
				t.Fatal(err)
			}
			row.change(&strict)
			_, err := newTwins(t, clock, strict).Verify(context.Background(), token)
			wantRefusal(t, err, row.reason, token)
		})
	}
}

// The Verifier's clock decides.
func TestVerifiersShareWhatAnIssuerRemembers(t *testing.T) {
	issuer, err := NewIssuer(twoIssuers(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	late := now.Add(2 * time.Hour)
	first, errFirst := New(clock, issuer)
	second, errSecond := New(clock, issuer)
	later, errLater := New(func() time.Time { return late }, issuer)
	if err := errors.Join(errFirst, errSecond, errLater); err != nil {
		t.Fatal(err)
	}
	token := goodToken()
	got, err := first.Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := second.Verify(context.Background(), token); err != nil || again != got {
		t.Errorf("verified twice: %v", err)
	}
	_, err = later.Verify(context.Background(), token)
	wantRefusal(t, err, Expired, token)
}

// A source may know a key by another name. The verifier asks for the name in the token.
func TestRecallAsksForTheKeyOfTheToken(t *testing.T) {
	keys := keySet{"alias": publicKey(t, ecKID, "ES256", private().ecA.Public())}
	v := newTwins(t, clock, Options{URL: issuerA, Algorithms: []string{"ES256"}, Keys: keys})
	token := headed(header(object{"kid": "alias"}))
	if got, err := v.Verify(context.Background(), token); err != nil || got.KeyID != "alias" {
		t.Errorf("%+v, %v", got, err)
	}
	delete(keys, "alias")
	_, err := v.Verify(context.Background(), token)
	wantRefusal(t, err, UnknownKey, token)
}

// A remembered token with one changed bit is a token that was never verified.
func TestChangedTokensAreNotRemembered(t *testing.T) {
	v, token := newVerifier(t), goodToken()
	if _, err := v.Verify(context.Background(), token); err != nil {
		t.Fatal(err)
	}
	for i := range token {
		changed := token[:i] + string(token[i]^1) + token[i+1:]
		if _, err := v.Verify(context.Background(), changed); err == nil {
			t.Errorf("let in with another character at %d", i)
		}
	}
}

func TestLessThanNoCacheRemembersNothing(t *testing.T) {
	o := twoIssuers(t)[0]
	o.CacheSize = -1
	issuer, err := NewIssuer(o)
	if err != nil || issuer.cache != nil {
		t.Errorf("%+v, %v", issuer, err)
	}
}

// The annotation of a token is made once, from what it is verified to have.
func TestAnnotation(t *testing.T) {
	for size, want := range map[int]any{0: "orders-worker " + ecKID, -1: nil} {
		made := 0
		o := twoIssuers(t)[0]
		o.CacheSize, o.Annotate = size, func(c *Claims) any {
			made++
			return c.ClientID + " " + c.KeyID
		}
		issuer, err := NewIssuer(o)
		if err != nil {
			t.Fatal(err)
		}
		v, err := New(clock, issuer)
		if err != nil {
			t.Fatal(err)
		}
		token := signed(claims(nil))
		for range 2 {
			got, err := v.Verify(t.Context(), token)
			if err != nil || got.Annotation() != want {
				t.Errorf("cache %d: %+v, %v; want %v", size, got, err, want)
			}
		}
		if made > 1 {
			t.Errorf("cache %d: made %d times", size, made)
		}
	}
}

// The test counts, and does not measure time.
func TestRememberedTokensCostNoAllocation(t *testing.T) {
	v, h := newVerifier(t).mindful, http.Header{}
	authorization := []string{"Bearer " + compact(header(object{"alg": "RS256", "kid": rsaKID}), claims(nil), byRS256)}
	if allocs := testing.AllocsPerRun(100, func() {
		if err := check(v, h, authorization); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Keys come and go while requests run. After a key is removed, no request gets in.
func TestKeysChangeWhileTokensAreRecalled(t *testing.T) {
	keys := new(swappedKeys)
	keys.Store(new(changingKeys))
	own, other := publicKey(t, ecKID, "ES256", private().ecA.Public()), publicKey(t, ecKID, "ES256", private().ec.Public())
	v := newWith(t, clock, 4, Options{URL: issuerA, Algorithms: []string{"ES256"}, Keys: keys})
	var tokens []string
	for range 8 { // twice the size of the cache
		tokens = append(tokens, goodToken())
	}
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			for range 100 {
				before := keys.Load()
				got, err := v.Verify(context.Background(), tokens[i])
				if err == nil && (got.Issuer != issuerA || before.key != own && keys.Load() == before) {
					t.Errorf("let in without its key: %+v", got)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 300 {
			keys.Store(&changingKeys{key: []*jws.Key{own, other, own, nil}[i%4]})
		}
		keys.Store(new(changingKeys))
	})
	wg.Wait()
	for _, token := range tokens {
		_, err := v.Verify(context.Background(), token)
		wantRefusal(t, err, UnknownKey, token)
	}
}

// swappedKeys is another source of keys after every change.
type swappedKeys struct{ atomic.Pointer[changingKeys] }

func (k *swappedKeys) Key(context.Context, string, string) (*jws.Key, error) {
	return k.Load().key, nil
}
