package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// The server starts, requests bring about one fetch an interval and no more, and
// the keys arrive without any request once the issuer is up.
func TestStartsWithTheIssuerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.setDown(true)
		s, logs := i.source(t)
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		run(t, s)
		start := time.Now()
		for range 60 {
			var requests sync.WaitGroup
			for n := range 100 {
				requests.Go(func() { wantOutOfReach(t, s, fmt.Sprint("k", n)) })
			}
			requests.Wait()
			time.Sleep(time.Second)
		}
		if most := 1 + int(time.Since(start)/minInterval); i.dialled() > most || i.dialled() < 2 {
			t.Errorf("dialled %d times in %s", i.dialled(), time.Since(start))
		}
		if told := logs.FilterLevelExact(zap.ErrorLevel).Len(); told != 1 {
			t.Errorf("logged %d times", told)
		}
		i.publish("/jwks", newSet(t, "k1"))
		i.setDown(false)
		time.Sleep(maxBackoff)
		if asked := i.requests("/jwks"); len(asked) != 1 {
			t.Fatalf("asked %d times", len(asked))
		}
		mustKey(t, s, "k1")
		if logs.FilterMessage("keys of the foreign issuer can be read again").Len() != 1 {
			t.Error("the recovery is not logged")
		}
	})
}

// A known kid never waits, whatever the issuer does.
func TestKnownKeyNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"))
		s, _ := i.source(t)
		mustKey(t, s, "k1")
		i.answer("/jwks", hang)
		time.Sleep(minInterval)
		go func() { _, _ = s.Key(context.Background(), "k2", "") }()
		synctest.Wait()
		if len(i.requests("/jwks")) != 2 {
			t.Fatal("no fetch is under way")
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		before := time.Now()
		s.mu.Lock() // whoever holds it
		key, err := s.Key(cancelled, "k1", "")
		s.mu.Unlock()
		if err != nil || key == nil || !time.Now().Equal(before) {
			t.Errorf("%+v, %v after %s", key, err, time.Since(before))
		}
		time.Sleep(fetchTimeout)
	})
}

// RFC 7517 section 5 leaves it open how often to look; a flood decides nothing.
func TestUnknownKidFloodIsOneFetchAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=3600")
		s, _ := i.source(t)
		run(t, s)
		synctest.Wait()
		for n := range 100_000 {
			wantUnknown(t, s, fmt.Sprint("x", n))
			if n%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		asked := i.requests("/jwks")
		if len(asked) != 11 { // at 0, 10, … 100
			t.Errorf("asked %d times in 100 seconds", len(asked))
		}
		for n := range len(asked) - 1 {
			if apart := asked[n+1].at.Sub(asked[n].at); apart < minInterval {
				t.Errorf("two fetches are %s apart", apart)
			}
		}
		mustKey(t, s, "k1")
	})
}

// The request that brings a new kid waits for the fetch, and so do all others.
func TestRequestsWaitForOneSharedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		set := newSet(t, "k1", "k2")
		i.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			_, _ = w.Write([]byte(set))
		})
		s, _ := i.source(t)
		var requests sync.WaitGroup
		for n := range 50 {
			requests.Go(func() {
				time.Sleep(time.Duration(n) * 10 * time.Millisecond)
				mustKey(t, s, fmt.Sprint("k", 1+n%2))
			})
		}
		requests.Wait()
		if n := len(i.requests("/jwks")); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Who comes back when the error says finds the issuer asked again.
func TestErrorSaysWhenTheIssuerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		s, _ := i.source(t)
		retryAfter := func() time.Duration {
			t.Helper()
			later, ok := errors.AsType[*verifier.OutOfReach](wantOutOfReach(t, s, "k1"))
			if !ok {
				t.Fatal("the error does not say it")
			}
			return later.RetryAfter
		}
		if got := retryAfter(); got != minInterval {
			t.Errorf("after the first request: %v", got)
		}
		time.Sleep(4 * time.Second)
		if got := retryAfter(); got != minInterval-4*time.Second || len(i.requests("/jwks")) != 1 {
			t.Errorf("4 seconds later: %v, %d requests", got, len(i.requests("/jwks")))
		}
		i.publish("/jwks", newSet(t, "k1"))
		time.Sleep(retryAfter())
		mustKey(t, s, "k1")
	})
}

func TestCancelledRequestLeavesTheFetchToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		set := newSet(t, "k1")
		i.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			_, _ = w.Write([]byte(set))
		})
		s, _ := i.source(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var requests sync.WaitGroup
		requests.Go(func() {
			before := time.Now()
			if _, err := s.Key(ctx, "k1", ""); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, verifier.ErrUnknownKey) {
				t.Errorf("the request that began the fetch: %v", err)
			}
			if waited := time.Since(before); waited != time.Second {
				t.Errorf("it waited %s", waited)
			}
		})
		synctest.Wait()
		requests.Go(func() { mustKey(t, s, "k1") })
		requests.Wait()
		if n := len(i.requests("/jwks")); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// transport is a RoundTripper that does as it pleases.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The wait ends 5 seconds after the fetch began, even if the fetch does not.
func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer("/jwks", hang)
		obedient, _ := i.source(t)
		release := make(chan struct{})
		var asked atomic.Int32
		deaf, _ := i.source(t, func(o *Options) {
			o.Transport = transport(func(*http.Request) (*http.Response, error) {
				asked.Add(1)
				<-release
				return nil, errors.New("released")
			})
		})
		for name, s := range map[string]*Source{"obedient": obedient, "deaf": deaf} {
			before := time.Now()
			wantOutOfReach(t, s, "k1")
			if waited := time.Since(before); waited != fetchTimeout {
				t.Errorf("%s: waited %s", name, waited)
			}
			time.Sleep(time.Second)
			before = time.Now()
			wantOutOfReach(t, s, "k2")
			if waited := time.Since(before); waited != 0 {
				t.Errorf("%s: a request within the interval waited %s", name, waited)
			}
		}
		time.Sleep(time.Hour)
		before := time.Now()
		wantOutOfReach(t, deaf, "k1")
		if asked.Load() != 1 || time.Since(before) != 0 {
			t.Errorf("%d fetches hang, and a request waited %s", asked.Load(), time.Since(before))
		}
		close(release)
	})
}

// A panic in what reads a foreign document is a failed fetch, not the server's end.
func TestPanicIsAFailedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		s, logs := i.source(t, func(o *Options) {
			o.Transport = transport(func(*http.Request) (*http.Response, error) { panic("a bug") })
		})
		wantOutOfReach(t, s, "k1")
		if logs.FilterMessageSnippet("panicked").Len() != 1 {
			t.Error("the panic is not logged")
		}
	})
}

// A rotation without overlap: the new kid is accepted within an interval, the old
// one refused from then on.
func TestRotationWithoutOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "old"), "Cache-Control: max-age=3600")
		s, logs := i.source(t)
		run(t, s)
		synctest.Wait()
		time.Sleep(time.Second)
		i.publish("/jwks", newSet(t, "new"), "Cache-Control: max-age=3600")
		mustKey(t, s, "old")
		rotated := time.Now()
		for _, err := s.Key(t.Context(), "new", ""); err != nil; _, err = s.Key(t.Context(), "new", "") {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(rotated); took > minInterval {
			t.Errorf("accepted after %s", took)
		}
		wantUnknown(t, s, "old")
		changed := logs.FilterMessage("keys of the foreign issuer changed").All()
		if len(changed) != 2 || fmt.Sprint(changed[1].ContextMap()["added"]) != "[new]" || fmt.Sprint(changed[1].ContextMap()["removed"]) != "[old]" {
			t.Errorf("logged %v", changed)
		}
	})
}

// CVE-2025-22149 was a client that only ever added keys.
func TestGoodFetchReplacesTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		a, b := newJWK(t, "a", "EdDSA", nil), newJWK(t, "b", "EdDSA", nil)
		i.publish("/jwks", setOf(t, a, b))
		s, _ := i.source(t)
		run(t, s)
		synctest.Wait()
		mustKey(t, s, "b")
		i.publish("/jwks", setOf(t, a))
		time.Sleep(defaultRefresh)
		mustKey(t, s, "a")
		wantUnknown(t, s, "b")
	})
}

// A cache of verified tokens compares pointers.
func TestUnchangedKeyKeepsItsPointer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		a, b := newJWK(t, "a", "EdDSA", nil), newJWK(t, "b", "ES256", nil)
		i.publish("/jwks", setOf(t, a, b))
		s, _ := i.source(t)
		run(t, s)
		synctest.Wait()
		keyA, keyB := mustKey(t, s, "a"), mustKey(t, s, "b")
		i.publish("/jwks", setOf(t, newJWK(t, "b", "ES256", nil), newJWK(t, "c", "EdDSA", nil), a))
		time.Sleep(defaultRefresh)
		mustKey(t, s, "c")
		if mustKey(t, s, "a") != keyA {
			t.Error("the key that did not change has another pointer")
		}
		if mustKey(t, s, "b") == keyB {
			t.Error("the key that changed under its kid has not")
		}
	})
}

// RFC 7517 section 4.5: a kid may stand for a key of each algorithm, and a key may be
// there twice.
func TestOneKidForSeveralAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		ed, ec := newJWK(t, "k", "EdDSA", nil), newJWK(t, "k", "ES256", nil)
		i.publish("/jwks", setOf(t, ed, ec, ed, newJWK(t, "two", "EdDSA", nil), newJWK(t, "two", "EdDSA", nil)))
		s, _ := i.source(t)
		run(t, s)
		synctest.Wait()
		for algorithm, want := range map[string]string{"EdDSA": "EdDSA", "ES256": "ES256", "RS256": "EdDSA"} {
			if key, err := s.Key(t.Context(), "k", algorithm); err != nil || key.Algorithm != want {
				t.Errorf("%s: %+v, %v", algorithm, key, err)
			}
		}
		_, err := s.Key(t.Context(), "two", "EdDSA")
		if want := "issuer has no such key: different keys of one algorithm share it in the JWK Set; each needs a kid of its own"; !errors.Is(err, verifier.ErrUnknownKey) || err.Error() != want {
			t.Errorf("two keys under one kid: %v", err)
		}
		before, _ := s.Key(t.Context(), "k", "ES256")
		i.publish("/jwks", setOf(t, newJWK(t, "k", "EdDSA", nil), ec))
		time.Sleep(defaultRefresh)
		if after, err := s.Key(t.Context(), "k", "ES256"); err != nil || after != before {
			t.Errorf("the key that did not change has another pointer: %v", err)
		}
		if h := s.Health(); h.Keys != 2 {
			t.Errorf("%+v", h)
		}
	})
}

func TestSameKeyForAnotherAlgorithmIsAnotherKey(t *testing.T) {
	k, err := parseKeys([]string{"RS256", "PS256"}, document{body: []byte(setOf(t, rsaJWK("RS256")))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseKeys([]string{"RS256", "PS256"}, document{body: []byte(setOf(t, rsaJWK("PS256")))}, k)
	if err != nil {
		t.Fatal(err)
	}
	if k.byID["r"][0] == again.byID["r"][0] || again.byID["r"][0].Algorithm != "PS256" {
		t.Errorf("%+v", again.byID["r"][0])
	}
}

// rsaJWK is the public key of RFC 7638 section 3.1.
func rsaJWK(alg string) object {
	return object{
		"kty": "RSA", "kid": "r", "alg": alg, "e": "AQAB",
		"n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
	}
}

// Stale keys serve while the issuer is down, and then no more.
func TestStaleKeysServeUntilMaxStaleAndThenFailClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"))
		s, logs := i.source(t, func(o *Options) { o.MaxStale = time.Hour })
		run(t, s)
		synctest.Wait()
		i.setDown(true)
		for range 59 {
			time.Sleep(time.Minute)
			wantOutOfReach(t, s, "k2")
		}
		time.Sleep(time.Minute - 1)
		mustKey(t, s, "k1")
		wantOutOfReach(t, s, "k2") // nobody can tell
		time.Sleep(time.Nanosecond)
		wantOutOfReach(t, s, "k1")
		if h := s.Health(); !h.Expired || !h.Stale || h.Keys != 1 || h.Age != time.Hour || !h.UsedUntil.Equal(time.Now()) {
			t.Errorf("%+v", h)
		}
		if told := logs.FilterLevelExact(zap.ErrorLevel).Len(); told < 5 || told > 7 {
			t.Errorf("an outage of an hour was logged %d times", told)
		}
		i.setDown(false)
		time.Sleep(minInterval)
		mustKey(t, s, "k1")
	})
}

// Without a usable key no token could be verified: no issuer means that.
func TestSetWithoutAUsableKeyKeepsTheLastGoodOne(t *testing.T) {
	for name, set := range map[string]string{
		"empty":                  `{"keys":[]}`,
		"for encryption only":    setOf(t, newJWK(t, "k1", "EdDSA", object{"use": "enc"})),
		"private keys only":      setOf(t, newJWK(t, "k1", "EdDSA", object{"d": "AQ"})),
		"without kid":            setOf(t, newJWK(t, "k1", "EdDSA", object{"kid": nil})),
		"all of one kid":         setOf(t, newJWK(t, "k1", "EdDSA", nil), newJWK(t, "k1", "EdDSA", nil)),
		"other algorithms":       setOf(t, rsaJWK("RS256")),
		"no algorithm that fits": setOf(t, rsaJWK("")),
		"a key, no set":          string(encode(t, newJWK(t, "k1", "EdDSA", nil))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"))
				s, logs := i.source(t)
				run(t, s)
				synctest.Wait()
				key := mustKey(t, s, "k1")
				i.publish("/jwks", set)
				time.Sleep(minInterval)
				wantOutOfReach(t, s, "k2")
				if mustKey(t, s, "k1") != key {
					t.Error("the last good set was replaced")
				}
				if h := s.Health(); h.LastError == "" || !h.Stale || h.Keys != 1 {
					t.Errorf("%+v", h)
				}
				if logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
					t.Error("not logged")
				}
			})
		})
	}
}

// A client that withdraws its only key, the one that was stolen, means it. It is not
// to find it back after a restart either.
func TestSetThatMayBeEmptyWithdrawsTheLastKey(t *testing.T) {
	for name, set := range map[string]string{
		"empty":                 `{"keys":[]}`,
		"unusable keys only":    setOf(t, newJWK(t, "k1", "EdDSA", object{"use": "enc"})),
		"keys without kid only": setOf(t, newJWK(t, "k1", "EdDSA", object{"kid": nil})),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i, storage := newIssuer(t), newStorage(t)
				i.publish("/jwks", newSet(t, "k1"))
				s, logs := i.source(t, stored(storage), mayBeEmpty)
				stop := run(t, s)
				synctest.Wait()
				mustKey(t, s, "k1")
				i.publish("/jwks", set)
				time.Sleep(defaultRefresh)
				synctest.Wait()
				wantUnknown(t, s, "k1")
				if h := s.Health(); h.Keys != 0 || h.Stale || h.LastError != "" {
					t.Errorf("%+v", h)
				}
				if logs.FilterMessageSnippet("there is no usable key").Len() != 1 {
					t.Error("the log does not say so once")
				}
				time.Sleep(defaultRefresh)
				stop()
				i.setDown(true)
				again, logs := i.source(t, stored(storage), mayBeEmpty)
				if err := again.Load(t.Context()); err != nil || logs.Len() != 0 {
					t.Errorf("%v; the log says %v", err, logs.All())
				}
				wantOutOfReach(t, again, "k1")
				i.publish("/jwks", newSet(t, "k2"))
				i.setDown(false)
				time.Sleep(minInterval)
				mustKey(t, again, "k2")
			})
		})
	}
}

// What is no JWK Set withdraws nothing.
func TestFailedFetchWithdrawsNoKeyOfASetThatMayBeEmpty(t *testing.T) {
	for name, answer := range map[string]func(*issuer){
		"down":             func(i *issuer) { i.setDown(true) },
		"an empty answer":  func(i *issuer) { i.publish("/jwks", "") },
		"an empty object":  func(i *issuer) { i.publish("/jwks", "{}") },
		"a page":           func(i *issuer) { i.publish("/jwks", "<html>") },
		"an error's JSON":  func(i *issuer) { i.publish("/jwks", `{"error":"maintenance"}`) },
		"not found":        func(i *issuer) { i.answer("/jwks", http.NotFound) },
		"keys of one name": func(i *issuer) { i.publish("/jwks", `{"keys":[],"keys":[]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"))
				s, _ := i.source(t, mayBeEmpty)
				mustKey(t, s, "k1")
				answer(i)
				time.Sleep(minInterval)
				wantOutOfReach(t, s, "k2")
				mustKey(t, s, "k1")
			})
		})
	}
}

func mayBeEmpty(o *Options) { o.MayBeEmpty = true }

// RFC 7517 section 5: entries that are not understood are ignored, one by one, and
// the operator can see why.
func TestUnusableEntriesAreSkippedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", setOf(t,
			newJWK(t, "good", "EdDSA", nil),
			newJWK(t, "twice", "EdDSA", nil), newJWK(t, "twice", "EdDSA", nil),
			newJWK(t, "enc", "ES256", object{"use": "enc"}),
			newJWK(t, "", "ES256", object{"kid": nil}),
			object{"kty": "oct", "kid": "secret", "k": "c2VjcmV0LWtleS1tYXRlcmlhbA"},
			object{"kty": "post-quantum", "kid": strings.Repeat("long", 1000)},
			newJWK(t, "azure", "ES256", object{"alg": nil, "use": nil, "x5t": "x", "issuer": "https://login.example/{tenantid}/v2.0"}),
		))
		s, logs := i.source(t)
		mustKey(t, s, "good")
		if key := mustKey(t, s, "azure"); key.Algorithm != "ES256" {
			t.Errorf("algorithm %s", key.Algorithm)
		}
		for _, kid := range []string{"twice", "enc", "secret", "", "GOOD", "good "} {
			wantUnknown(t, s, kid)
		}
		h := s.Health()
		if h.Keys != 2 || len(h.Skipped) != 6 {
			t.Errorf("%d keys, skipped %q", h.Keys, h.Skipped)
		}
		for _, reason := range h.Skipped {
			if len(reason) > maxReason+10 || strings.Contains(reason, "c2VjcmV0") {
				t.Errorf("reason %q", reason)
			}
		}
		if entry := logs.FilterMessage("keys of the foreign issuer changed").All(); len(entry) != 1 || entry[0].ContextMap()["skipped"] != int64(6) {
			t.Errorf("logged %v", entry)
		}
	})
}

// The empty kid names no key, so that nobody is asked for it.
func TestEmptyKidAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		s, _ := i.source(t)
		wantUnknown(t, s, "")
		if i.dialled() != 0 {
			t.Error("the issuer was asked")
		}
	})
}

// Wall clock steps neither expire the keys nor keep them, and storm nobody.
func TestWallClockSteps(t *testing.T) {
	for _, step := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour, time.Hour, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=1800")
				var offset time.Duration
				s, _ := i.source(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(offset) } })
				run(t, s)
				synctest.Wait()
				before := len(i.requests(""))
				offset = step
				time.Sleep(time.Minute)
				mustKey(t, s, "k1")
				if asked := len(i.requests("")) - before; asked != 0 {
					t.Errorf("asked %d times", asked)
				}
				if h := s.Health(); h.Age != time.Minute || !h.LastSuccess.Equal(time.Now().Add(step-time.Minute)) {
					t.Errorf("%+v", h)
				}
				i.setDown(true)
				time.Sleep(DefaultMaxStale - time.Minute)
				wantOutOfReach(t, s, "k1")
			})
		})
	}
}

// A configuration that loads while the issuer is down loses no keys.
func TestPredecessorHandsItsKeysOver(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*Options)
		taken  bool
	}{
		"the same":           {func(*Options) {}, true},
		"another issuer":     {func(o *Options) { o.Issuer = "http://other.localhost" }, false},
		"another URL":        {func(o *Options) { o.JWKSURL += "2" }, false},
		"discovery":          {func(o *Options) { o.JWKSURL = "" }, false},
		"another algorithm":  {func(o *Options) { o.Algorithms = []string{"ES256"} }, false},
		"one may be empty":   {mayBeEmpty, false},
		"algorithms swapped": {func(o *Options) { o.Algorithms = []string{"ES256", "EdDSA"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"))
				before, _ := i.source(t)
				key := mustKey(t, before, "k1")
				i.setDown(true)
				time.Sleep(DefaultMaxStale - time.Hour)
				s, _ := i.source(t, row.change, func(o *Options) { o.Predecessor = before })
				if !row.taken {
					wantOutOfReach(t, s, "k1")
					return
				}
				if mustKey(t, s, "k1") != key {
					t.Error("the pointer changed")
				}
				time.Sleep(time.Hour) // they do not get younger by it
				wantOutOfReach(t, s, "k1")
			})
		})
	}
}

// Nor does it keep what insecure_http let in.
func TestPredecessorsKeysFromAnInsecureURLAreNotTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish(openidMetadata, metadata(testIssuer, "http://idp.example/jwks"))
		i.publish("/jwks", newSet(t, "k1"))
		before, _ := i.source(t, discovering, func(o *Options) { o.InsecureHTTP = true })
		mustKey(t, before, "k1")
		for insecure, want := range map[bool]bool{true: true, false: false} {
			s, _ := i.source(t, discovering, func(o *Options) { o.InsecureHTTP, o.Predecessor = insecure, before })
			if got := s.serving() != nil; got != want {
				t.Errorf("insecure %t: taken over %t", insecure, got)
			}
		}
	})
}

// A file's keys are taken over as those of a URL are.
func TestPredecessorWithAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "jwks.json")
		writeFile(t, file, newSet(t, "k1"))
		before := fileSource(t, file)
		key := mustKey(t, before, "k1")
		s, err := New(Options{Issuer: before.issuer, File: file, Algorithms: before.algorithms, Predecessor: before})
		if err != nil || mustKey(t, s, "k1") != key {
			t.Error(err)
		}
	})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=600")
		s, _ := i.source(t, func(o *Options) { o.JWKSURL += "?apikey=hidden" })
		if h := s.Health(); h.Keys != 0 || !h.LastSuccess.IsZero() || !h.LastAttempt.IsZero() || !h.NextFetch.IsZero() || !h.UsedUntil.IsZero() || h.LastError != "" || h.Stale || h.Expired {
			t.Errorf("at the start: %+v", h)
		}
		mustKey(t, s, "k1")
		fetched := time.Now()
		time.Sleep(time.Minute)
		h := s.Health()
		if h.From != testJWKS || h.Keys != 1 || h.Age != time.Minute || !h.LastSuccess.Equal(fetched) || !h.LastAttempt.Equal(fetched) || h.Stale || h.Restored {
			t.Errorf("after a fetch: %+v", h)
		}
		if due := h.NextFetch.Sub(fetched); due > 10*time.Minute || due < 8*time.Minute {
			t.Errorf("the next fetch is due after %s", due)
		}
		i.setDown(true)
		err := wantOutOfReach(t, s, "k2")
		h = s.Health()
		if !h.Stale || h.Expired || h.Age != time.Minute || !h.LastAttempt.Equal(time.Now()) || h.LastError == "" {
			t.Errorf("after a failure: %+v", h)
		}
		if told := h.LastError + h.From + err.Error(); strings.Contains(told, "hidden") {
			t.Errorf("the query is told: %s", told)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Issuer: "https://idp.example/realm", Algorithms: []string{"RS256"}}
	for name, row := range map[string]struct {
		change func(*Options)
		want   string // "": accepted
	}{
		"discovery":                         {func(*Options) {}, ""},
		"issuer with a slash (Auth0)":       {func(o *Options) { o.Issuer = "https://tenant.example/" }, ""},
		"issuer http on loopback":           {func(o *Options) { o.Issuer = "http://localhost:8080" }, ""},
		"issuer http on 127.0.0.1":          {func(o *Options) { o.Issuer = "http://127.0.0.1:8080" }, ""},
		"issuer http on ::1":                {func(o *Options) { o.Issuer = "http://[::1]:8080" }, ""},
		"issuer http, allowed":              {func(o *Options) { o.Issuer, o.InsecureHTTP = "http://idp.example", true }, ""},
		"any issuer, with a URL":            {func(o *Options) { o.Issuer, o.JWKSURL = "kubernetes/serviceaccount", "https://k8s.example/keys" }, ""},
		"any issuer, with a file":           {func(o *Options) { o.Issuer, o.File = "x", "/keys.json" }, ""},
		"http URL beside a loopback issuer": {func(o *Options) { o.Issuer, o.JWKSURL = "http://localhost", "http://localhost:81/jwks" }, ""},
		"5 minutes":                         {func(o *Options) { o.MaxStale = MinMaxStale }, ""},

		"no issuer":                           {func(o *Options) { o.Issuer = "" }, "identifier"},
		"no algorithm":                        {func(o *Options) { o.Algorithms = nil }, "no algorithm"},
		"HS256":                               {func(o *Options) { o.Algorithms = []string{"HS256"} }, `"HS256" is not supported`},
		"none":                                {func(o *Options) { o.Algorithms = []string{"RS256", "none"} }, `"none" is not supported`},
		"URL and file":                        {func(o *Options) { o.JWKSURL, o.File = "https://idp.example", "x" }, "not from both"},
		"issuer http":                         {func(o *Options) { o.Issuer = "http://idp.example" }, "must be https"},
		"issuer http, a private address":      {func(o *Options) { o.Issuer = "http://10.0.0.1" }, "must be https"},
		"issuer http, a name like localhost":  {func(o *Options) { o.Issuer = "http://localhost.example" }, "must be https"},
		"issuer ftp":                          {func(o *Options) { o.Issuer, o.InsecureHTTP = "ftp://idp.example", true }, "must be https"},
		"issuer no URL":                       {func(o *Options) { o.Issuer = "idp" }, "not a URL"},
		"issuer with a query":                 {func(o *Options) { o.Issuer += "?a" }, "no query"},
		"issuer with a fragment":              {func(o *Options) { o.Issuer += "#" }, "no fragment"},
		"issuer with a password":              {func(o *Options) { o.Issuer = "https://u:hidden@idp.example" }, "no user"},
		"URL http":                            {func(o *Options) { o.JWKSURL = "http://idp.example/jwks" }, "must be https"},
		"URL http on loopback, issuer is not": {func(o *Options) { o.JWKSURL = "http://localhost/jwks?hidden" }, "must be https"},
		"URL http, issuer is on loopback":     {func(o *Options) { o.Issuer, o.JWKSURL = "http://localhost", "http://idp.example" }, "must be https"},
		"URL file":                            {func(o *Options) { o.JWKSURL = "file:///etc/passwd" }, "not a URL with a host"},
		"URL without host":                    {func(o *Options) { o.JWKSURL = "https:///jwks" }, "not a URL with a host"},
		"URL opaque":                          {func(o *Options) { o.JWKSURL = "https:jwks" }, "not a URL with a host"},
		"URL malformed":                       {func(o *Options) { o.JWKSURL = "https://hidden:x@[" }, "not a URL"},
		"negative age":                        {func(o *Options) { o.MaxStale = -1 }, "at least 5m"},
		"an age too short":                    {func(o *Options) { o.MaxStale = MinMaxStale - 1 }, "at least 5m"},
		"storage without a folder":            {func(o *Options) { o.Storage = newStorage(t) }, "folder"},
	} {
		o := good
		row.change(&o)
		s, err := New(o)
		switch {
		case row.want == "" && (err != nil || s == nil):
			t.Errorf("%s: %v", name, err)
		case row.want != "" && (s != nil || err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %+v, %v; want %q", name, s, err, row.want)
		case err != nil && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: a secret is told: %v", name, err)
		}
	}
}

// BenchmarkKnownKey is what every request pays: many at once, as a server has them.
func BenchmarkKnownKey(b *testing.B) {
	k, err := parseKeys([]string{"EdDSA"}, document{body: []byte(newSet(b, "k1", "k2", "k3"))}, nil)
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Options{Issuer: "x", File: "x", Algorithms: []string{"EdDSA"}})
	if err != nil {
		b.Fatal(err)
	}
	s.replace(k.at(s.elapsed()))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Key(b.Context(), "k2", ""); err != nil {
				b.Error(err)
			}
		}
	})
}
