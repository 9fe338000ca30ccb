package jwks

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// RFC 9111 section 5.2.2.1, within bounds, and a little early.
func TestRefreshFollowsMaxAgeWithinBounds(t *testing.T) {
	for name, row := range map[string]struct {
		header string
		want   time.Duration
	}{
		"nothing":            {"X: y", defaultRefresh},
		"max-age":            {"Cache-Control: public, max-age=600", 10 * time.Minute},
		"quoted, upper case": {`Cache-Control: MAX-AGE="600"`, 10 * time.Minute},
		"too short":          {"Cache-Control: max-age=15", minRefresh},
		"zero":               {"Cache-Control: max-age=0", minRefresh},
		"too long":           {"Cache-Control: max-age=86400", maxRefresh},
		"overflowing":        {"Cache-Control: max-age=99999999999999999999999", maxRefresh},
		"negative":           {"Cache-Control: max-age=-1", defaultRefresh},
		"no number":          {"Cache-Control: max-age=soon", defaultRefresh},
		"without value":      {"Cache-Control: max-age", defaultRefresh},
		"two":                {"Cache-Control: max-age=900, max-age=120", 2 * time.Minute},
		"s-maxage":           {"Cache-Control: s-maxage=900", defaultRefresh},
		"no-store":           {"Cache-Control: no-store, no-cache", defaultRefresh},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"), row.header)
				s, _ := i.source(t)
				run(t, s)
				time.Sleep(20 * row.want)
				asked, different := i.requests("/jwks"), map[time.Duration]bool{}
				if len(asked) < 20 {
					t.Fatalf("asked %d times", len(asked))
				}
				for n := range len(asked) - 1 {
					apart := asked[n+1].at.Sub(asked[n].at)
					different[apart] = true
					if apart > row.want || apart < row.want*4/5 {
						t.Errorf("two fetches are %s apart, want %s", apart, row.want)
					}
				}
				if len(different) < 5 {
					t.Errorf("no jitter: %v", different)
				}
			})
		})
	}
}

// Keys that may serve for little are asked for twice as often.
func TestRefreshLeavesRoomForAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=3600")
		s, _ := i.source(t, func(o *Options) { o.MaxStale = MinMaxStale })
		run(t, s)
		for range 100 {
			synctest.Wait()
			mustKey(t, s, "k1")
			time.Sleep(time.Minute)
		}
		if n := len(i.requests("/jwks")); n < 40 || n > 51 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestFailuresBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		s, _ := i.source(t)
		run(t, s)
		time.Sleep(time.Hour)
		asked := i.requests("/jwks")
		for n, want := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, maxBackoff, maxBackoff, maxBackoff} {
			if apart := asked[n+1].at.Sub(asked[n].at); apart > want || apart < want*4/5 {
				t.Errorf("attempt %d came after %s, want %s", n+2, apart, want)
			}
		}
		i.publish("/jwks", newSet(t, "k1"))
		time.Sleep(maxBackoff)
		i.answer("/jwks", http.NotFound)
		before := len(i.requests("/jwks"))
		time.Sleep(defaultRefresh + minBackoff)
		asked = i.requests("/jwks")[before:]
		if apart := asked[1].at.Sub(asked[0].at); apart > minBackoff {
			t.Errorf("after a success the backoff is still %s", apart)
		}
	})
}

// A fetch that a request brought about moves the next one, both ways.
func TestRequestsMoveTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=3600")
		s, _ := i.source(t)
		run(t, s)
		time.Sleep(40 * time.Minute)
		wantUnknown(t, s, "k2")
		time.Sleep(40 * time.Minute)
		if n := len(i.requests("/jwks")); n != 2 {
			t.Errorf("asked %d times", n)
		}
		i.answer("/jwks", http.NotFound)
		wantOutOfReach(t, s, "k2")
		time.Sleep(minBackoff)
		if n := len(i.requests("/jwks")); n != 4 {
			t.Errorf("asked %d times after a failure", n)
		}
	})
}

// RFC 9110 section 13.1.2.
func TestETagAndNotModified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		set := newSet(t, "k1")
		serve := func(etag string) {
			i.answer("/jwks", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", etag)
				w.Header().Set("Cache-Control", "max-age=120")
				if r.Header.Get("If-None-Match") == etag {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				_, _ = io.WriteString(w, set)
			})
		}
		serve(`"one"`)
		s, _ := i.source(t)
		run(t, s)
		synctest.Wait()
		key := mustKey(t, s, "k1")
		time.Sleep(2 * DefaultMaxStale) // long dead, if 304 did not confirm them
		if mustKey(t, s, "k1") != key {
			t.Error("the pointer changed")
		}
		asked := i.requests("/jwks")
		if asked[0].header.Get("If-None-Match") != "" || asked[len(asked)-1].header.Get("If-None-Match") != `"one"` {
			t.Errorf("%q, then %q", asked[0].header, asked[len(asked)-1].header)
		}
		if asked[0].header.Get("Cache-Control") != "no-cache" {
			t.Error("a cache on the way may answer")
		}
		set = newSet(t, "k2")
		serve(`"two"`)
		time.Sleep(2 * time.Minute)
		mustKey(t, s, "k2")
		wantUnknown(t, s, "k1")
	})
}

// 304 is an answer only to a question.
func TestNotModifiedWithoutConditionIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
		s, _ := i.source(t)
		wantOutOfReach(t, s, "k1")
	})
}

// What the issuer itself would refuse as too large a header is not sent back.
func TestLongETagIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"), `ETag: "`+strings.Repeat("x", maxETag)+`"`)
		s, _ := i.source(t)
		run(t, s)
		time.Sleep(defaultRefresh)
		if asked := i.requests("/jwks"); len(asked) != 2 || asked[1].header.Get("If-None-Match") != "" {
			t.Errorf("asked %v", asked)
		}
	})
}

// The ETag of a document that was not accepted is not kept: 304 would make its
// keys good.
func TestETagOfARefusedSetIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish("/jwks", newSet(t, "k1"), `ETag: "good"`)
		s, _ := i.source(t)
		run(t, s)
		synctest.Wait()
		i.publish("/jwks", `{"keys":[]}`, `ETag: "empty"`)
		time.Sleep(time.Hour)
		for _, asked := range i.requests("/jwks")[1:] {
			if got := asked.header.Get("If-None-Match"); got != `"good"` {
				t.Errorf("If-None-Match: %s", got)
			}
		}
	})
}

// Run returns when its context ends, even during a fetch, and leaves nothing.
func TestRunLeavesNoGoroutine(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{"hanging": hang, "answering": http.NotFound} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.answer("/jwks", answer)
				s, _ := i.source(t, stored(newStorage(t)))
				before := goleak.IgnoreCurrent()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				s.Run(ctx)
				if took := time.Since(start); took > fetchTimeout {
					t.Errorf("Run took %s", took)
				}
				synctest.Wait()
				if err := goleak.Find(before, goleak.IgnoreAnyFunction("internal/synctest.Run")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
