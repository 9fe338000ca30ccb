package oauth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// try authenticates once and tells why it failed.
func (e *endpoint) try(t *testing.T, id, secret string, source netip.Addr) Reason {
	t.Helper()
	_, err := e.auth.Authenticate(t.Context(), e.set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: secret}, source)
	if err == nil {
		return ""
	}
	return refusal(t, err).Reason
}

// exhaust fails until the source is limited for the client, or for all of them.
func (e *endpoint) exhaust(t *testing.T, id func(int) string, secret string, source netip.Addr, times int) {
	t.Helper()
	for i := range times {
		if got := e.try(t, id(i), secret, source); got == "" || got == ReasonTooManyFailures {
			t.Fatalf("attempt %d: %q", i+1, got)
		}
	}
	if got := e.try(t, id(0), secret, source); got != ReasonTooManyFailures {
		t.Fatalf("attempt %d: %q, want a limit", times+1, got)
	}
}

func always(id string) func(int) string { return func(int) string { return id } }
func numbered(i int) string             { return "client" + strconv.Itoa(i) }

// RFC 6749 section 2.3.1: against guesses of one client's secret, however the
// guesses fail.
func TestTheClientLimit(t *testing.T) {
	for _, row := range []struct{ name, id, secret string }{
		{"wrong", "worker", "wrong"},
		{"wrong, slow hash", "slow", "wrong"},
		{"mistyped", "worker", generated[:20]},
		{"no secret", "worker", ""},
		{"unknown client", "nobody", "wrong"},
		{"inactive client", "inactive", generated},
		{"wrong method", "basic-only", generated},
		{"long id", strings.Repeat("a", 300), "wrong"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t)
			e.exhaust(t, always(row.id), row.secret, here, failuresPerClient)
			if len(e.clock.slept) < failuresPerClient {
				t.Errorf("%d answers were held, want %d", len(e.clock.slept), failuresPerClient)
			}
			e.clock.now = e.clock.now.Add(failureWindow / failuresPerClient)
			if got := e.try(t, row.id, row.secret, here); got == ReasonTooManyFailures {
				t.Error("still limited after the time in which one is forgotten")
			}
			if got := e.try(t, row.id, row.secret, here); got != ReasonTooManyFailures {
				t.Errorf("a second one at that time: %q", got)
			}
		})
	}
	t.Run("a right secret waits, too", func(t *testing.T) {
		e := newEndpoint(t)
		e.exhaust(t, always("worker"), "wrong", here, failuresPerClient)
		if got := e.try(t, "worker", generated, here); got != ReasonTooManyFailures {
			t.Errorf("got %q: guessing goes on behind the limit", got)
		}
	})
}

// RFC 6749 section 2.3.1: against one guess at each of many clients.
func TestTheSourceLimit(t *testing.T) {
	e := newEndpoint(t)
	if got := e.try(t, "worker", generated, here); got != "" {
		t.Fatal(got)
	}
	e.exhaust(t, numbered, "wrong", here, failuresPerSource)
	for name, row := range map[string]struct {
		id, secret string
		source     netip.Addr
		want       Reason
	}{
		"another client, same source":         {"slow", chosen, here, ReasonTooManyFailures},
		"a proven client":                     {"worker", generated, here, ""},
		"a proven client, wrong secret":       {"worker", "wrong", here, ReasonWrongSecret},
		"another source":                      {"slow", chosen, netip.MustParseAddr("192.0.2.2"), ""},
		"another source, the proven client":   {"worker", generated, netip.MustParseAddr("192.0.2.2"), ""},
		"no source":                           {"worker", generated, netip.Addr{}, ""},
		"the same source, mapped into IPv6":   {"defaulted", generated, netip.MustParseAddr("::ffff:192.0.2.1"), ReasonTooManyFailures},
		"another source, mapped into IPv6":    {"defaulted", generated, netip.MustParseAddr("::ffff:192.0.2.3"), ""},
		"an IPv6 address with the same bytes": {"defaulted", generated, netip.MustParseAddr("::192.0.2.1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := e.try(t, row.id, row.secret, row.source); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	e.clock.now = e.clock.now.Add(failureWindow)
	if got := e.try(t, "slow", chosen, here); got != "" {
		t.Errorf("after the window: %q", got)
	}
}

// Who is the source: an IPv6 host has a whole /64.
func TestSources(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"::1", "127.0.0.1", false},
	} {
		t.Run(row.a+" "+row.b, func(t *testing.T) {
			e := newEndpoint(t)
			e.exhaust(t, always("worker"), "wrong", netip.MustParseAddr(row.a), failuresPerClient)
			got := e.try(t, "worker", generated, netip.MustParseAddr(row.b))
			if (got == ReasonTooManyFailures) != row.same {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestSuccessesNeverCount(t *testing.T) {
	e := newEndpoint(t)
	for range 10 * failuresPerSource {
		if got := e.try(t, "worker", generated, here); got != "" {
			t.Fatal(got)
		}
	}
	e.exhaust(t, always("worker"), "wrong", here, failuresPerClient)
}

// RFC 6585 section 4: who waits as long as Retry-After says is let through.
func TestRetryAfter(t *testing.T) {
	for _, row := range []struct {
		name  string
		id    func(int) string
		times int
		want  string
	}{
		{"client", always("worker"), failuresPerClient, "6"},
		{"source", numbered, failuresPerSource, "1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t)
			e.exhaust(t, row.id, "wrong", here, row.times)
			r := form(row.id(0), "wrong", "")
			r.RemoteAddr = here.String() + ":1"
			w := e.answer(r)
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != row.want {
				t.Errorf("status %d, headers %v, want Retry-After %s", w.Code, w.Header(), row.want)
			}
		})
	}
	t.Run("at any moment, for both limits", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		e := newEndpoint(t)
		for range 2000 {
			e.clock.now = e.clock.now.Add(time.Duration(random.Int64N(int64(3 * time.Second))))
			_, err := e.auth.Authenticate(t.Context(), e.set, Credentials{Method: ClientSecretPost, ClientID: numbered(random.IntN(4)), Secret: ""}, here)
			e.try(t, numbered(random.IntN(1000)), "", here)
			limit := refusal(t, err)
			if limit.Reason != ReasonTooManyFailures {
				continue
			}
			w := httptest.NewRecorder()
			_ = WriteError(w, Form, limit)
			seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
			if err != nil || seconds < 1 || time.Duration(seconds)*time.Second >= limit.RetryAfter+time.Second {
				t.Fatalf("Retry-After %d for %v, %v", seconds, limit.RetryAfter, err)
			}
		}
	})
}

func TestTheLongerOfTwoWaitsIsTold(t *testing.T) {
	throttle, start := NewThrottle(), time.Unix(0, 0)
	fail := func(clientID string, at time.Time) {
		t.Helper()
		attempt := throttle.attempt(clientID, here)
		if wait := attempt.limited(at); wait > 0 {
			t.Fatalf("%s has to wait %v already", clientID, wait)
		}
		attempt.failed(at)
	}
	for range failuresPerClient {
		fail("worker", start)
	}
	fail("worker", start.Add(10500*time.Millisecond)) // its second token comes at 12 s
	now := start.Add(11999 * time.Millisecond)
	for i := range failuresPerSource {
		fail(numbered(i), now)
	}
	if wait := throttle.attempt("worker", here).limited(now); wait != time.Second {
		t.Errorf("wait %v: the source has to wait for a second", wait)
	}
}

// Guesses that were let in together are still held to the limit, one turn after
// another.
func TestTheLimitHoldsForGuessesAtOnce(t *testing.T) {
	set := loadSet(t)
	times := make(map[string][]time.Duration)
	for id, reason := range map[string]Reason{"slow": ReasonWrongSecret, "nobody": ReasonUnknownClient, "inactive": ReasonInactiveClient} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewAuthenticator()
				a.hashing = make(chan struct{}, 1)
				start := time.Now()
				counts := make(map[Reason]int)
				answers := make(chan Reason, 3*failuresPerClient)
				for range cap(answers) {
					go func() {
						_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: "wrong"}, here)
						answers <- refusal(t, err).Reason
					}()
				}
				for range cap(answers) {
					counts[<-answers]++
					times[id] = append(times[id], time.Since(start))
				}
				if counts[reason] != failuresPerClient || counts[ReasonTooManyFailures] != 2*failuresPerClient {
					t.Errorf("answers %v", counts)
				}
			})
		})
	}
	// Neither do the times of a burst tell who exists.
	if !slices.Equal(times["slow"], times["nobody"]) || !slices.Equal(times["slow"], times["inactive"]) {
		t.Errorf("answers after %v", times)
	}
}

// A guess that is known to be wrong counts, even if its caller does not wait
// for the answer.
func TestGivingUpDoesNotMakeAGuessFree(t *testing.T) {
	e := newEndpoint(t)
	fill(e.auth)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range failuresPerClient {
		_, err := e.auth.Authenticate(gone, e.set, Credentials{Method: ClientSecretPost, ClientID: "mounted", Secret: "wrong"}, here)
		wantRefused(t, err, http.StatusServiceUnavailable, ReasonHashingBusy)
	}
	if got := e.try(t, "mounted", mounted, here); got != ReasonTooManyFailures {
		t.Errorf("got %q: guessing goes on without a limit", got)
	}
}

// Whatever does not succeed counts, or it would show who exists: what is known
// to be wrong has to count, even while the server is busy.
func TestABusyServerCountsFailuresAlike(t *testing.T) {
	for _, id := range []string{"slow", "nobody"} {
		e := newEndpoint(t)
		fill(e.auth)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range failuresPerClient {
			_, err := e.auth.Authenticate(gone, e.set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: "wrong"}, here)
			wantRefused(t, err, http.StatusServiceUnavailable, ReasonHashingBusy)
		}
		if got := e.try(t, id, "wrong", here); got != ReasonTooManyFailures {
			t.Errorf("%s: %q", id, got)
		}
	}
}

func TestTheMemoryOfTheThrottleIsBounded(t *testing.T) {
	throttle, now := NewThrottle(), time.Unix(0, 0)
	var address [16]byte
	copy(address[:], []byte{0x20, 0x01, 0x0d, 0xb8})
	for i := range 200_000 {
		address[4], address[5], address[6], address[7] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		attempt := throttle.attempt(numbered(i), netip.AddrFrom16(address))
		if wait := attempt.limited(now); wait > 0 {
			t.Fatalf("attempt %d has to wait", i)
		}
		if i%3 == 0 {
			attempt.succeeded()
		} else {
			attempt.failed(now)
		}
	}
	if pairs, sources, proven := throttle.pairs.Len(), throttle.sources.Len(), throttle.proven.Len(); pairs != maxTracked || sources != maxTracked || proven != maxTracked {
		t.Errorf("%d pairs and %d sources are remembered, and %d that succeeded", pairs, sources, proven)
	}
}

// Anybody can be refused, as often as he likes and as any client: that others
// authenticated, or failed to, is not forgotten for it.
func TestRefusedRequestsHaveNothingForgotten(t *testing.T) {
	e := newEndpoint(t)
	if got := e.try(t, "worker", generated, here); got != "" {
		t.Fatal(got)
	}
	e.exhaust(t, always("slow"), "", here, failuresPerClient)
	attacker := netip.MustParseAddr("192.0.2.66")
	e.exhaust(t, numbered, "", attacker, failuresPerSource)
	for i := range maxTracked {
		if got := e.try(t, numbered(i), "", attacker); got != ReasonTooManyFailures {
			t.Fatalf("request %d: %q", i, got)
		}
	}
	if got := e.try(t, "slow", "", here); got != ReasonTooManyFailures {
		t.Errorf("the failures of another source: %q", got)
	}
	e.exhaust(t, numbered, "", here, failuresPerSource-failuresPerClient)
	if got := e.try(t, "worker", generated, here); got != "" {
		t.Errorf("a client that has authenticated before is held to the failures of others: %q", got)
	}
}

// Whoever can fail from many sources has nobody forgotten who authenticated.
func TestFailuresForgetNoProvenClient(t *testing.T) {
	throttle, now := NewThrottle(), time.Unix(0, 0)
	throttle.attempt("worker", here).succeeded()
	for i := range maxTracked + 1 {
		throttle.attempt("nobody", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})).failed(now)
	}
	for i := range failuresPerSource {
		throttle.attempt(numbered(i), here).failed(now)
	}
	if wait := throttle.attempt("worker", here).limited(now); wait != 0 {
		t.Errorf("it waits for %v", wait)
	}
}

// What the throttle remembers of a request is not the whole of it.
func TestTheThrottleKeepsNoBodies(t *testing.T) {
	e := newEndpoint(t)
	padding := strings.Repeat("a", maxBody-1000)
	before := heap()
	const many = 500
	for i := range many {
		body := fmt.Sprintf("grant_type=client_credentials&client_id=id%d&client_secret=%s", i, padding)
		request, err := parse(post(formType, body))
		if err != nil {
			t.Fatal(err)
		}
		from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		e.auth.throttle.attempt(request.Credentials.ClientID, from).failed(e.clock.now)
	}
	if grown := heap() - before; grown > many*maxBody/10 {
		t.Errorf("%d kB are kept for %d clients", grown>>10, many)
	}
	runtime.KeepAlive(e)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
