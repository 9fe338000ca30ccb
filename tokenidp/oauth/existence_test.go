package oauth

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// slowKeys answer after a time, or with their caller's patience: as a fetch that goes
// on when nobody waits for it any more.
type slowKeys struct {
	after time.Duration
	key   *jws.Key // nil: out of reach
}

func (k slowKeys) Key(ctx context.Context, _, _ string) (*jws.Key, error) {
	select {
	case <-time.After(k.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if k.key == nil {
		return nil, context.DeadlineExceeded
	}
	return k.key, nil
}

// everyKind is a set with a client of every kind, and how their keys are reached.
func everyKind(t *testing.T) (*application.Set, *Assertions) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "applications.yaml")
	text := fmt.Sprintf(`
resources: [{name: orders-api, scopes: [{name: orders.read}]}]
applications:
  - {client_id: generated, secrets: [{id: a, hash: %[1]s}], scopes: [orders.read]}
  - {client_id: slow, secrets: [{id: a, hash: "%[2]s"}], scopes: [orders.read]}
  - {client_id: two-hashes, secrets: [{id: a, hash: "%[2]s"}, {id: b, hash: %[1]s}], scopes: [orders.read]}
  - {client_id: mounted, secrets: [{id: a, file: secret.txt}], scopes: [orders.read]}
  - {client_id: inactive, active: false, secrets: [{id: a, hash: "%[2]s"}], scopes: [orders.read]}
  - {client_id: keys, jwks: {keys: [%[3]s]}, scopes: [orders.read]}
  - {client_id: keys-at-once, jwks_uri: "https://at-once.example.com", scopes: [orders.read]}
  - {client_id: keys-late, jwks_uri: "https://late.example.com", scopes: [orders.read]}
  - {client_id: keys-never, jwks_uri: "https://never.example.com", scopes: [orders.read]}
  - {client_id: federated, federated: [{issuer: %[4]s, subject: "system:serviceaccount:shop:worker"}], scopes: [orders.read]}
  - {client_id: federated-never, federated: [{issuer: %[5]s, subject: "system:serviceaccount:shop:worker"}], scopes: [orders.read]}
  - {client_id: certified, tls_client_auth_san_dns: orders.example.com, scopes: [orders.read]}
`, generatedHash(), chosenHash(), jwk(ecKey().Public(), "ec", ""), cluster, pipeline)
	for path, text := range map[string]string{file: text, filepath.Join(folder, "secret.txt"): mounted + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	key := must(jws.NewKey("ec", "ES256", ecKey().Public()))
	return set, &Assertions{
		Issuer: idp, Replay: new(replayed),
		KeysAt: func(published application.PublishedKeys) verifier.KeySource {
			return map[string]slowKeys{
				"https://at-once.example.com": {0, key}, "https://late.example.com": {time.Second, key}, "https://never.example.com": {time.Hour, nil},
			}[published.URL]
		},
		Trusted: map[string]TrustedIssuer{cluster: vouching(t, cluster, slowKeys{0, key}), pipeline: vouching(t, pipeline, slowKeys{time.Hour, nil})},
	}
}

func vouching(t *testing.T, issuer string, keys verifier.KeySource) TrustedIssuer {
	t.Helper()
	iss := must(verifier.NewIssuer(verifier.Options{
		URL: issuer, Algorithms: []string{"ES256"}, Types: []string{"", "jwt"}, Keys: keys,
		Claims: verifier.Layout{ClientID: []claimrule.Path{{"sub"}}, Optional: []string{"sub", "jti", "iat"}},
	}))
	return TrustedIssuer{Verifier: must(verifier.New(time.Now, iss))}
}

// RFC 6749 section 2.3.1, RFC 9700 section 4.1: whoever does not authenticate sees the
// same answers in the same order, after the same times, whether the client exists, is
// active, has secrets, keys or a certificate, and whether its keys are in reach.
func TestWhichClientsExistCannotBeTold(t *testing.T) {
	tries := map[string]func(id string, i int) Credentials{
		"wrong secrets": func(id string, i int) Credentials {
			return Credentials{Method: ClientSecretBasic, ClientID: id, Secret: fmt.Sprint("wrong", i)}
		},
		"one wrong secret": func(id string, _ int) Credentials {
			return Credentials{Method: ClientSecretPost, ClientID: id, Secret: "wrong"}
		},
		"wrong generated secrets": func(id string, _ int) Credentials {
			return Credentials{Method: ClientSecretBasic, ClientID: id, Secret: secret.Generate()}
		},
		"mistyped": func(id string, _ int) Credentials {
			return Credentials{Method: ClientSecretBasic, ClientID: id, Secret: generated[:20]}
		},
		"its own assertions, by another key": func(id string, _ int) Credentials {
			claims := assertionClaims(id, time.Now())
			return Credentials{Method: PrivateKeyJWT, ClientID: id, Assertion: ParseAssertion(assert(t, otherECKey(), "ES256", members{"kid": "ec"}, claims))}
		},
		"assertions of the issuer of federated": func(id string, _ int) Credentials {
			claims := podToken(time.Now())
			return Credentials{Method: PrivateKeyJWT, ClientID: id, Assertion: ParseAssertion(assert(t, otherECKey(), "ES256", members{"kid": "ec"}, claims))}
		},
		"assertions of the other issuer": func(id string, _ int) Credentials {
			claims := podToken(time.Now()).with(members{"iss": pipeline})
			return Credentials{Method: PrivateKeyJWT, ClientID: id, Assertion: ParseAssertion(assert(t, otherECKey(), "ES256", members{"kid": "ec"}, claims))}
		},
		"nothing": func(id string, _ int) Credentials { return Credentials{Method: None, ClientID: id} },
		"one of each": func(id string, i int) Credentials {
			switch i % 3 {
			case 0:
				return Credentials{Method: PrivateKeyJWT, ClientID: id, Assertion: ParseAssertion("a.b.c")}
			case 1:
				return Credentials{Method: ClientSecretPost, ClientID: id, Secret: fmt.Sprint("wrong", i)}
			}
			return Credentials{Method: None, ClientID: id}
		},
	}
	set, assertions := everyKind(t)
	for name, credentials := range tries {
		for pause, after := range map[string]func(){"one after the other": func() {}, "all at once": nil, "beyond the source's limit": func() {}} {
			t.Run(name+", "+pause, func(t *testing.T) {
				var want []string
				for _, id := range []string{
					"nobody", "inactive", "generated", "slow", "two-hashes", "mounted", "keys", "keys-at-once", "keys-late", "keys-never", "federated", "federated-never", "certified",
				} {
					var got []string
					synctest.Test(t, func(t *testing.T) {
						a := NewAuthenticator().With(assertions)
						a.hashing = make(chan struct{}, 1)
						got = seen(t, a, set, func(i int) Credentials { return credentials(id, i) }, after == nil, pause == "beyond the source's limit")
					})
					if want == nil {
						want = got
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s:\n%v\nand a client that does not exist:\n%v", id, got, want)
					}
				}
			})
		}
	}
}

// seen are the answers, with the times after which they came.
func seen(t *testing.T, a *Authenticator, set *application.Set, credentials func(int) Credentials, atOnce, beyond bool) (answers []string) {
	t.Helper()
	const times = 3 * failuresPerClient
	start, all := time.Now(), make(chan string, times)
	ask := func(i int) {
		_, err := a.Authenticate(t.Context(), set, credentials(i), netip.MustParseAddr("192.0.2.1"))
		e := refusal(t, err)
		all <- fmt.Sprint(e.Status, " ", e.Code, " ", e.RetryAfter, " after ", time.Since(start))
	}
	for i := range times {
		if beyond {
			for a.throttle.attempt("one more", here).fails(time.Now()) == 0 || a.throttle.attempt(fmt.Sprint("another ", i), here).fails(time.Now()) == 0 {
			}
		}
		if atOnce {
			go ask(i)
		} else {
			ask(i)
		}
	}
	for range times {
		answers = append(answers, <-all)
	}
	time.Sleep(time.Minute) // what goes on behind the answers
	slices.Sort(answers)
	return answers
}

// A key that is on its way at the floor is there for the next assertion, and one that
// comes before is waited for.
func TestKeysAreWaitedForUntilTheFloor(t *testing.T) {
	set, assertions := everyKind(t)
	for after, want := range map[time.Duration]Reason{0: "", 200 * time.Millisecond: "", time.Second: ReasonAssertionKeysUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			here := *assertions
			here.Replay = state.NewMemory(state.NewNode(state.Options{Now: time.Now}))
			here.KeysAt = func(application.PublishedKeys) verifier.KeySource {
				return slowKeys{after, must(jws.NewKey("ec", "ES256", ecKey().Public()))}
			}
			start := time.Now()
			c := Credentials{Method: PrivateKeyJWT, ClientID: "keys-late", Assertion: ParseAssertion(assert(t, ecKey(), "ES256", members{"kid": "ec"}, assertionClaims("keys-late", start)))}
			_, err := NewAuthenticator().With(&here).Authenticate(t.Context(), set, c, netip.Addr{})
			wantRefused(t, err, 401, want)
			if took := time.Since(start); want == "" && took != after || want != "" && took != set.AuthenticationFloor() {
				t.Errorf("keys after %v: answered after %v", after, took)
			}
		})
	}
}
