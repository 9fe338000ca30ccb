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
		{"wrong, mounted", "mounted", "wrong"},
		{"wrong, in the generated form", "worker", expired()},
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
			e.clock.Advance(failureWindow / failuresPerClient)
			if got := e.try(t, row.id, row.secret, here); got == ReasonTooManyFailures {
				t.Error("still limited after the time in which one is forgotten")
			}
			if got := e.try(t, row.id, row.secret, here); got != ReasonTooManyFailures {
				t.Errorf("a second one at that time: %q", got)
			}
		})
	}
	for id, secret := range map[string]string{"slow": chosen, "mounted": mounted} {
		t.Run("a right chosen secret waits, too: "+id, func(t *testing.T) {
			e := newEndpoint(t)
			if got := e.try(t, id, secret, here); got != "" { // and is remembered
				t.Fatal(got)
			}
			e.exhaust(t, always(id), "wrong", here, failuresPerClient)
			if got := e.try(t, id, secret, here); got != ReasonTooManyFailures {
				t.Errorf("got %q: guessing goes on behind the limit", got)
			}
			if got := e.try(t, id, secret, netip.MustParseAddr("192.0.2.2")); got != "" {
				t.Errorf("from elsewhere: %q", got)
			}
		})
	}
}

// Nobody guesses 256 random bits: however many stale replicas and attackers there are
// behind an address, the right generated secret gets in, at once.
func TestAGeneratedSecretIsNeverLimited(t *testing.T) {
	e := newEndpoint(t)
	for i := range 2 * failuresPerSource {
		e.try(t, "worker", "wrong", here)
		e.try(t, "worker", expired(), here)
		e.try(t, numbered(i), "wrong", here)
		held := len(e.clock.slept)
		if got := e.try(t, "worker", generated, here); got != "" || len(e.clock.slept) != held {
			t.Fatalf("after %d wrong ones: %q", 3*(i+1), got)
		}
	}
	if got := e.try(t, "defaulted", generated, here); got != "" {
		t.Errorf("a client that was not known before: %q", got)
	}
}

// What cannot be a secret of anybody tests nothing, and is not counted.
func TestWhatIsNoGuessIsNotLimited(t *testing.T) {
	e := newEndpoint(t)
	for range 2 * failuresPerSource {
		for _, id := range []string{"worker", "slow", "nobody", "inactive", "certified"} {
			for _, c := range []Credentials{
				{Method: ClientSecretPost, ClientID: id}, {Method: ClientSecretPost, ClientID: id, Secret: generated[:20]},
				{Method: None, ClientID: id}, {Method: PrivateKeyJWT, ClientID: id, Assertion: ParseAssertion("a.b.c")},
			} {
				held := len(e.clock.slept)
				_, err := e.auth.Authenticate(t.Context(), e.set, c, here)
				if got := refusal(t, err); got.Status != http.StatusUnauthorized || len(e.clock.slept) != held+1 {
					t.Fatalf("%s by %s: %+v, held %d times", id, c.Method, got, len(e.clock.slept)-held)
				}
			}
		}
	}
	if got := e.try(t, "slow", chosen, here); got != "" {
		t.Errorf("the right secret: %q", got)
	}
}

// RFC 6749 section 2.3.1: against one guess at each of many clients.
func TestTheSourceLimit(t *testing.T) {
	e := newEndpoint(t)
	if got := e.try(t, "slow", chosen, here); got != "" {
		t.Fatal(got)
	}
	e.exhaust(t, numbered, "wrong", here, failuresPerSource)
	for name, row := range map[string]struct {
		id, secret string
		source     netip.Addr
		want       Reason
	}{
		"another client, same source":         {"basic-only", "wrong", here, ReasonTooManyFailures},
		"a proven client":                     {"slow", chosen, here, ""},
		"a proven client, wrong secret":       {"slow", "wrong", here, ReasonWrongSecret},
		"another source":                      {"basic-only", "wrong", netip.MustParseAddr("192.0.2.2"), ReasonWrongSecret},
		"another source, the proven client":   {"slow", "wrong", netip.MustParseAddr("192.0.2.2"), ReasonWrongSecret},
		"no source":                           {"worker", "wrong", netip.Addr{}, ReasonWrongSecret},
		"the same source, mapped into IPv6":   {"defaulted", "wrong", netip.MustParseAddr("::ffff:192.0.2.1"), ReasonTooManyFailures},
		"another source, mapped into IPv6":    {"defaulted", "wrong", netip.MustParseAddr("::ffff:192.0.2.3"), ReasonWrongSecret},
		"an IPv6 address with the same bytes": {"defaulted", "wrong", netip.MustParseAddr("::192.0.2.1"), ReasonWrongSecret},
	} {
		t.Run(name, func(t *testing.T) {
			if got := e.try(t, row.id, row.secret, row.source); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	e.clock.Advance(failureWindow)
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
			got := e.try(t, "worker", "wrong", netip.MustParseAddr(row.b))
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
			e.clock.Advance(time.Duration(random.Int64N(int64(3 * time.Second))))
			_, err := e.auth.Authenticate(t.Context(), e.set, Credentials{Method: ClientSecretPost, ClientID: numbered(random.IntN(4)), Secret: "wrong"}, here)
			e.try(t, numbered(random.IntN(1000)), "wrong", here)
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
		if wait := throttle.attempt(clientID, here).fails(at); wait > 0 {
			t.Fatalf("%s has to wait %v already", clientID, wait)
		}
	}
	for range failuresPerClient {
		fail("worker", start)
	}
	fail("worker", start.Add(10500*time.Millisecond)) // its second token comes at 12 s
	now := start.Add(11999 * time.Millisecond)
	for i := range failuresPerSource {
		fail(numbered(i), now)
	}
	if wait := throttle.attempt("worker", here).fails(now); wait != time.Second {
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
				for i := range cap(answers) {
					go func() {
						_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: numbered(i)}, here)
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

// A guess that was compared counts, even if its caller does not wait for the answer, or
// the server is too busy to give one.
func TestGivingUpDoesNotMakeAGuessFree(t *testing.T) {
	set := loadSet(t)
	for name, giveUp := range map[string]time.Duration{"the caller": 0, "the server": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewAuthenticator()
				fill(a)
				patience, cancel := context.WithTimeout(t.Context(), giveUp)
				defer cancel()
				for i := range failuresPerClient {
					go func() {
						_, err := a.Authenticate(patience, set, Credentials{Method: ClientSecretPost, ClientID: "mounted", Secret: numbered(i)}, here)
						wantRefused(t, err, http.StatusServiceUnavailable, ReasonHashingBusy)
					}()
				}
				time.Sleep(hashingWait + time.Millisecond)
				for range cap(a.hashing) {
					<-a.hashing
				}
				right := Credentials{Method: ClientSecretPost, ClientID: "mounted", Secret: mounted}
				_, err := a.Authenticate(t.Context(), set, right, here)
				wantRefused(t, err, http.StatusUnauthorized, ReasonTooManyFailures)
				time.Sleep(failureWindow)
				_, err = a.Authenticate(t.Context(), set, right, here)
				wantRefused(t, err, 0, "")
			})
		})
	}
}

// Who waits while the server is busy has not failed, right or wrong, whoever he says
// that he is.
func TestABusyServerCountsNoFailures(t *testing.T) {
	set := loadSet(t)
	for id, right := range map[string]string{"slow": chosen, "nobody": "wrong", "inactive": "wrong", "worker": "wrong", "mounted": "wrong"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := NewAuthenticator()
				fill(a)
				for range 2 * failuresPerClient {
					start := time.Now()
					_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: right}, here)
					wantRefused(t, err, http.StatusServiceUnavailable, ReasonHashingBusy)
					if took := time.Since(start); took != hashingWait {
						t.Errorf("after %v", took)
					}
				}
			})
		})
	}
}

// Clients with a slow hash in a hurry, whose secrets are hashed for the first time: all
// are right, nobody has failed, and all get in. The same secret is hashed once.
func TestRightClientsInAHurry(t *testing.T) {
	set := loadSet(t)
	synctest.Test(t, func(t *testing.T) {
		a := NewAuthenticator()
		a.hashing = make(chan struct{}, 1)
		fill(a)
		time.AfterFunc(hashingWait/2, func() { <-a.hashing })
		reasons := make(chan error, 20*failuresPerClient)
		for range cap(reasons) {
			go func() {
				_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: "slow", Secret: chosen}, here)
				reasons <- err
			}()
		}
		for range cap(reasons) {
			if err := <-reasons; err != nil {
				t.Fatal(err)
			}
		}
		throttle := a.throttle
		if _, wait := throttle.attempt("slow", here).limited(time.Now()); wait > 0 || throttle.tests.owes("slow", here) > 0 || throttle.failures.owes("slow", here) > 0 {
			t.Errorf("something is counted: %v, %v", throttle.tests.owes("slow", here), throttle.failures.owes("slow", here))
		}
	})
}

// owes is what is counted for a client.
func (l *ledger) owes(clientID string, source netip.Addr) float64 {
	b, found := l.pairs.Get(new(Throttle).attempt(clientID, source).pair)
	if !found {
		return 0
	}
	return b.owed
}

// However many guesses come at once, no more are tested than one after the other: the
// right one among them is found if it is among the first, and else is not. It is one of
// a remembered secret, of a mounted one, and of one that has to be hashed.
func TestABurstOfGuessesTestsNoMore(t *testing.T) {
	set := loadSet(t)
	for _, row := range []struct {
		id, secret string
		remembered bool
	}{{"slow", chosen, true}, {"slow", chosen, false}, {"mounted", mounted, true}} {
		t.Run(fmt.Sprintf("%s, remembered %t", row.id, row.remembered), func(t *testing.T) {
			set := set
			if !row.remembered {
				set = loadSet(t)
			}
			synctest.Test(t, func(t *testing.T) {
				a := NewAuthenticator()
				if row.remembered {
					if _, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: row.id, Secret: row.secret}, here); err != nil {
						t.Fatal(err)
					}
				}
				const many = 2500
				answers := make(chan error, many)
				for i := range many {
					guess := numbered(i)
					if i >= failuresPerClient && i%100 == 0 {
						guess = row.secret
					}
					go func() {
						_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: row.id, Secret: guess}, here)
						answers <- err
					}()
					if i == failuresPerClient-1 {
						synctest.Wait() // those before are first
					}
				}
				counts := make(map[int]int)
				for range many {
					err := <-answers
					if err == nil {
						t.Fatal("the right guess is found behind the limit")
					}
					counts[refusal(t, err).Status]++
				}
				if counts[http.StatusUnauthorized] > failuresPerClient || counts[http.StatusTooManyRequests] < many/2 {
					t.Errorf("statuses %v", counts)
				}
				if tested := a.throttle.tests.owes(row.id, here); tested > failuresPerClient {
					t.Errorf("%v guesses were tested", tested)
				}
			})
		})
	}
}

// A flood of ids that nobody has, from one address, keeps no client behind it out, also
// one that was never seen there before. What is wrong sees the limit, at the floor, like
// what does not exist.
func TestAFloodOfUnknownIDsLocksOutNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := loadSet(t)
		a := NewAuthenticator()
		stop := make(chan struct{})
		for flood := range 50 {
			go func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						_, _ = a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: fmt.Sprint(flood, " ", i), Secret: "wrong"}, here)
					}
				}
			}()
		}
		defer close(stop)
		time.Sleep(failureWindow)
		exhausted := func() {
			for a.throttle.attempt("one more", here).fails(time.Now()) == 0 {
			}
		}
		for id, secret := range map[string]string{"slow": chosen, "mounted": mounted, "worker": generated} {
			exhausted()
			start := time.Now()
			if _, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: secret}, here); err != nil {
				t.Errorf("%s, after %v: %v", id, time.Since(start), err)
			}
		}
		for _, id := range []string{"basic-only", "nobody", "inactive", "self-signed"} {
			exhausted()
			start := time.Now()
			_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: "wrong"}, here)
			wantRefused(t, err, http.StatusTooManyRequests, ReasonTooManyFailures)
			if took := time.Since(start); took != set.AuthenticationFloor() {
				t.Errorf("%s: after %v", id, took)
			}
		}
	})
}

// Beyond the limit of a source, guesses are tested still, and no more than the limits
// permit.
func TestUnseenGuessesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := loadSet(t)
		a := NewAuthenticator()
		try := func(id, secret string) error {
			_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: secret}, here)
			return err
		}
		for i := range failuresPerSource {
			a.throttle.attempt(fmt.Sprint(i), here).fails(time.Now())
		}
		for i := range 3 * failuresPerClient {
			wantRefused(t, try("slow", fmt.Sprint("x", i)), http.StatusTooManyRequests, ReasonTooManyFailures)
			for j := range failuresPerSource { // the flood goes on
				a.throttle.attempt(fmt.Sprint(i, " ", j), here).fails(time.Now())
			}
		}
		if tested := a.throttle.tests.owes("slow", here); tested > failuresPerClient {
			t.Errorf("%v were tested", tested)
		}
		wantRefused(t, try("slow", chosen), http.StatusTooManyRequests, ReasonTooManyFailures)
		time.Sleep(failureWindow)
		wantRefused(t, try("slow", chosen), 0, "")
	})
}

func TestTheMemoryOfTheThrottleIsBounded(t *testing.T) {
	throttle, now := NewThrottle(), time.Unix(0, 0)
	var address [16]byte
	copy(address[:], []byte{0x20, 0x01, 0x0d, 0xb8})
	for i := range 200_000 {
		address[4], address[5], address[6], address[7] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		attempt := throttle.attempt(numbered(i), netip.AddrFrom16(address))
		switch i % 3 {
		case 0:
			attempt.succeeded(now, 0, 0)
		case 1:
			attempt.failsUnseen(now)
		default:
			if wait := attempt.fails(now); wait > 0 || !attempt.tests(false, now) {
				t.Fatalf("attempt %d has to wait", i)
			}
		}
	}
	for name, l := range map[string]ledger{"failures": throttle.failures, "tests": throttle.tests} {
		if pairs, sources := l.pairs.Len(), l.sources.Len(); pairs != maxTracked || sources != maxTracked {
			t.Errorf("%s of %d pairs and %d sources are remembered", name, pairs, sources)
		}
	}
	if proven := throttle.proven.Len(); proven != maxTracked {
		t.Errorf("%d that succeeded are remembered", proven)
	}
}

// Anybody can be refused, as often as he likes and as any client: that others
// authenticated, or failed to, is not forgotten for it.
func TestRefusedRequestsHaveNothingForgotten(t *testing.T) {
	e := newEndpoint(t)
	if got := e.try(t, "mounted", mounted, here); got != "" {
		t.Fatal(got)
	}
	e.exhaust(t, always("slow"), "wrong", here, failuresPerClient)
	attacker := netip.MustParseAddr("192.0.2.66")
	e.exhaust(t, numbered, "wrong", attacker, failuresPerSource)
	for i := range maxTracked + failuresPerSource {
		if got := e.try(t, numbered(i), "wrong", attacker); got != ReasonTooManyFailures {
			t.Fatalf("request %d: %q", i, got)
		}
	}
	if got := e.try(t, "slow", "wrong", here); got != ReasonTooManyFailures {
		t.Errorf("the failures of another source: %q", got)
	}
	e.exhaust(t, numbered, "wrong", here, failuresPerSource-failuresPerClient)
	if got := e.try(t, "mounted", "wrong", here); got != ReasonWrongSecret {
		t.Errorf("a client that has authenticated before is held to the failures of others: %q", got)
	}
}

// Whoever can fail from many sources has nobody forgotten who authenticated.
func TestFailuresForgetNoProvenClient(t *testing.T) {
	throttle, now := NewThrottle(), time.Unix(0, 0)
	throttle.attempt("worker", here).succeeded(now, 0, 0)
	for i := range maxTracked + 1 {
		throttle.attempt("nobody", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})).fails(now)
	}
	for i := range failuresPerSource {
		throttle.attempt(numbered(i), here).fails(now)
	}
	if wait := throttle.attempt("worker", here).fails(now); wait != 0 {
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
		e.auth.throttle.attempt(request.Credentials.ClientID, from).fails(e.clock.Now())
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
