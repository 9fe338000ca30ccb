package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var here = netip.MustParseAddr("192.0.2.1")

// failures are the ways in which an authentication can fail.
var failures = []struct {
	name, id string
	secret   func() string
	only     Method // "": with either method
	want     Reason
}{
	{"unknown client", "nobody", value("wrong"), "", ReasonUnknownClient},
	{"unknown client, right secret of another", "nobody", value(generated), "", ReasonUnknownClient},
	{"unknown client, mistyped", "nobody", value(generated[:20]), "", ReasonUnknownClient},
	{"unknown client, no secret", "nobody", value(""), "", ReasonUnknownClient},
	{"client of other case", "Worker", value(generated), "", ReasonUnknownClient},
	{"placeholder", "{env.HOME}", value("{env.HOME}"), "", ReasonUnknownClient},
	{"inactive client", "inactive", value(generated), "", ReasonInactiveClient},
	{"inactive client, wrong secret", "inactive", value("wrong"), "", ReasonInactiveClient},
	{"wrong", "worker", value("wrong"), "", ReasonWrongSecret},
	{"wrong, in the generated form", "worker", expired, "", ReasonWrongSecret},
	{"wrong, slow hash", "slow", value("wrong"), "", ReasonWrongSecret},
	{"wrong, mounted", "mounted", value(mounted + " "), "", ReasonWrongSecret},
	{"hash as secret", "slow", chosenHash, "", ReasonWrongSecret},
	{"mistyped", "worker", value(generated[:len(generated)-1] + "B"), "", ReasonMistypedSecret},
	{"mistyped, slow hash", "slow", value(generated + " "), "", ReasonMistypedSecret},
	{"expired", "expired", expired, "", ReasonExpiredSecret},
	{"no secret", "worker", value(""), "", ReasonNoCredentials},
	{"wrong method, right secret", "basic-only", value(generated), ClientSecretPost, ReasonUnregisteredMethod},
	{"wrong method, right secret", "post-only", value(generated), ClientSecretBasic, ReasonUnregisteredMethod},
	{"wrong method, wrong secret", "basic-only", value("wrong"), ClientSecretPost, ReasonWrongSecret},
	{"malformed assertion", "worker", value(""), PrivateKeyJWT, ReasonAssertionMalformed},
	{"client_id alone", "worker", value(""), None, ReasonNoCredentials},
	{"secret of a client with a certificate", "certified", value(generated), "", ReasonWrongSecret},
	{"no certificate", "certified", value(""), None, ReasonNoCertificate},
	{"client_id alone, unknown client", "nobody", value(""), None, ReasonUnknownClient},
}

func value(s string) func() string { return func() string { return s } }

// request makes the request of a failure.
func request(id, secret string, m Method) *http.Request {
	const grant = "grant_type=client_credentials&scope=orders.read"
	switch m {
	case ClientSecretBasic:
		return post(formType, grant, "Authorization", basic(id, secret))
	case PrivateKeyJWT:
		return asserting("a.b.c", "&client_id="+id)
	default:
		return form(id, secret, "&scope=orders.read")
	}
}

// RFC 6749 section 5.2, RFC 9700 section 4.1: one answer to every failed
// authentication, after one time; the true reason only for the operator.
func TestFailedAuthenticationsAreIndistinguishable(t *testing.T) {
	const body = `{"error":"invalid_client","error_description":"client authentication failed"}`
	set := loadSet(t)
	for _, row := range failures {
		for _, method := range []Method{ClientSecretBasic, ClientSecretPost, None, PrivateKeyJWT} {
			if row.only != "" && row.only != method || row.only == "" && method != ClientSecretBasic && method != ClientSecretPost {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s", row.name, method), func(t *testing.T) {
				a, c := newTestAuthenticator()
				e := &endpoint{set: set, auth: a, clock: c}
				c.tick = time.Millisecond // of computing between any two looks
				w := e.answer(request(row.id, row.secret(), method))

				want := http.Header{
					"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"}, "X-Content-Type-Options": {"nosniff"},
					"Www-Authenticate": {`Basic realm="token", charset="UTF-8"`},
				}
				if w.Code != http.StatusUnauthorized || w.Body.String() != body || fmt.Sprint(w.Header()) != fmt.Sprint(want) {
					t.Errorf("status %d, headers %v, body %s", w.Code, w.Header(), w.Body)
				}
				start := time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC).Add(c.tick)
				if last := len(c.ends) - 1; last < 0 || c.ends[last].Sub(start) != set.AuthenticationFloor() {
					t.Errorf("held until %v after %v, want %v in the end", c.ends, start, set.AuthenticationFloor())
				}
				a, c = newTestAuthenticator()
				e = &endpoint{set: set, auth: a, clock: c}
				if got := e.refuse(t, request(row.id, row.secret(), method)); got.Reason != row.want {
					t.Errorf("reason %s, want %s", got.Reason, row.want)
				}
			})
		}
	}
}

// RFC 6749 section 2.3.1.
func TestAuthentication(t *testing.T) {
	e := newEndpoint(t)
	for _, row := range []struct{ id, secret string }{
		{"worker", generated}, {"slow", chosen}, {"slow", chosen}, {"mounted", mounted}, {"basic-only", generated}, {"post-only", generated},
	} {
		for _, method := range []Method{ClientSecretBasic, ClientSecretPost} {
			if row.id == "basic-only" && method != ClientSecretBasic || row.id == "post-only" && method != ClientSecretPost {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s", row.id, method), func(t *testing.T) {
				client, err := e.auth.Authenticate(t.Context(), e.set, Credentials{Method: method, ClientID: row.id, Secret: row.secret}, here)
				if err != nil || client.Application.ClientID != row.id || client.Secret.ID != "a" {
					t.Errorf("got %+v, %v", client, err)
				}
			})
		}
	}
	if len(e.clock.slept) > 0 {
		t.Error("a success was held up")
	}
}

// RFC 6749 section 2.3.1: hashing is bounded, and what is told while it is busy
// does not depend on the client.
func TestHashingSlots(t *testing.T) {
	set := loadSet(t)
	for _, row := range []struct {
		name, id, secret string
		want             Reason
	}{
		{"slow hash, right", "slow", chosen, ReasonHashingBusy},
		{"slow hash, wrong", "slow", "wrong", ReasonHashingBusy},
		{"fast hash, wrong", "worker", "wrong", ReasonHashingBusy},
		{"fast hash, wrong, generated form", "worker", expired(), ReasonHashingBusy},
		{"mounted, wrong", "mounted", "wrong", ReasonHashingBusy},
		{"unknown client", "nobody", "wrong", ReasonHashingBusy},
		{"inactive client", "inactive", generated, ReasonHashingBusy},
		{"expired", "expired", expired(), ReasonHashingBusy},
		{"mistyped", "worker", generated[:20], ReasonMistypedSecret},
		{"mistyped, unknown client", "nobody", generated[:20], ReasonUnknownClient},
		{"fast hash, right", "worker", generated, ""},
		{"mounted, right", "mounted", mounted, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(30 * 365 * 24 * time.Hour) // a bubble begins in the year 2000
				a := NewAuthenticator()
				fill(a)
				start := time.Now()
				_, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: row.id, Secret: row.secret}, here)
				took := time.Since(start)
				if row.want != ReasonHashingBusy {
					wantRefused(t, err, http.StatusUnauthorized, row.want)
					if row.want != "" && took != set.AuthenticationFloor() || row.want == "" && took != 0 {
						t.Errorf("after %v", took)
					}
					return
				}
				wantRefused(t, err, http.StatusServiceUnavailable, ReasonHashingBusy)
				w := httptest.NewRecorder()
				_ = WriteError(w, Form, refusal(t, err))
				if took != hashingWait || w.Header().Get("Retry-After") != "1" {
					t.Errorf("after %v, headers %v", took, w.Header())
				}
			})
		})
	}
}

// fill takes every slot.
func fill(a *Authenticator) {
	for range cap(a.hashing) {
		a.hashing <- struct{}{}
	}
}

func TestARememberedSecretNeedsNoSlot(t *testing.T) {
	a, _ := newTestAuthenticator()
	set := loadSet(t)
	slow := Credentials{Method: ClientSecretBasic, ClientID: "slow", Secret: chosen}
	if _, err := a.Authenticate(t.Context(), set, slow, here); err != nil {
		t.Fatal(err)
	}
	fill(a)
	if _, err := a.Authenticate(t.Context(), set, slow, here); err != nil {
		t.Error(err)
	}
}

func TestWhoWaitsForASlotGetsOne(t *testing.T) {
	set := loadSet(t)
	for _, row := range []struct {
		name   string
		free   func(*Authenticator, context.CancelFunc)
		reason Reason
	}{
		{"a slot is freed", func(a *Authenticator, _ context.CancelFunc) { <-a.hashing }, ""},
		{"the caller goes away", func(_ *Authenticator, cancel context.CancelFunc) { cancel() }, ReasonHashingBusy},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				a := NewAuthenticator()
				fill(a)
				start := time.Now()
				time.AfterFunc(hashingWait/2, func() { row.free(a, cancel) })
				_, err := a.Authenticate(ctx, set, Credentials{Method: ClientSecretPost, ClientID: "slow", Secret: chosen}, here)
				wantRefused(t, err, http.StatusServiceUnavailable, row.reason)
				if took := time.Since(start); took != hashingWait/2 {
					t.Errorf("after %v", took)
				}
				if row.reason == "" && len(a.hashing) != cap(a.hashing)-1 {
					t.Errorf("%d of %d slots are taken", len(a.hashing), cap(a.hashing))
				}
				time.Sleep(hashingWait) // a guess goes on when its caller goes away
				set = loadSet(t)        // nothing remembered
			})
		})
	}
}

// The floor ends with the caller's patience.
func TestTheFloorEndsWithTheRequest(t *testing.T) {
	set := loadSet(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := NewAuthenticator().Authenticate(ctx, set, Credentials{Method: ClientSecretPost, ClientID: "nobody", Secret: ""}, here)
		wantRefused(t, err, http.StatusUnauthorized, ReasonUnknownClient)
		if took := time.Since(start); took != time.Millisecond {
			t.Errorf("after %v", took)
		}
	})
}

// Many requests at once: every right one succeeds, however few the slots.
func TestAuthenticationsAtOnce(t *testing.T) {
	a, _ := newTestAuthenticator()
	a.waiting = time.Hour // a busy machine takes its time
	set := loadSet(t)
	var group sync.WaitGroup
	for i := range 40 {
		id, secret := "slow", chosen
		if i%2 == 0 {
			id, secret = "worker", generated
		}
		group.Go(func() {
			client, err := a.Authenticate(t.Context(), set, Credentials{Method: ClientSecretPost, ClientID: id, Secret: secret}, here)
			if err != nil || client.Application.ClientID != id {
				t.Errorf("got %v, %v", client, err)
			}
		})
	}
	group.Wait()
	if len(a.hashing) != 0 {
		t.Errorf("%d slots are still taken", len(a.hashing))
	}
}

// RFC 6749 section 4.4: only confidential clients.
func TestNoSecretNoToken(t *testing.T) {
	e := newEndpoint(t)
	worker, _ := e.set.Application("worker")
	worker.Secrets = nil // no file can say so
	for _, secret := range []string{"", "x"} {
		if w := e.answer(form("worker", secret, "&scope=orders.read")); w.Code != http.StatusUnauthorized {
			t.Errorf("secret %q: status %d", secret, w.Code)
		}
	}
}

// What no secret changes is known before a request.
func TestCannotAuthenticate(t *testing.T) {
	set := loadSet(t)
	for clientID, want := range map[string]string{
		"inactive": "inactive_client: it is deactivated", "expired": "expired_secret: all its secrets have expired",
		"worker": "", "certified": "",
	} {
		a, _ := set.Application(clientID)
		got := ""
		if refused := CannotAuthenticate(a, time.Now()); refused != nil {
			got = refused.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", clientID, got, want)
		}
	}
}
