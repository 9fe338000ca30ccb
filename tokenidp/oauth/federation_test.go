package oauth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

const (
	cluster  = "https://kubernetes.default.svc"
	pipeline = "https://token.actions.example.com"
)

// federatedEndpoint has clients for whom a cluster and a pipeline vouch.
func federatedEndpoint(t testing.TB) *endpoint {
	t.Helper()
	file := filepath.Join(t.TempDir(), "applications.yaml")
	text := `
resources: [{name: orders-api, scopes: [{name: orders.read}]}]
applications:
  - client_id: worker
    scopes: [orders.read]
    federated:
      - {issuer: ` + cluster + `, subject: "system:serviceaccount:shop:worker"}
      - {issuer: ` + cluster + `, subject: "system:serviceaccount:shop:batch", claims: {/kubernetes.io/namespace: shop}}
  - client_id: deployer
    scopes: [orders.read]
    federated: [{issuer: ` + pipeline + `, audience: deploy, subject_pattern: "repo:shop@11/orders@74:*", claims: {repository_id: "74"}, claims_pattern: {ref: "refs/heads/*"}}]
  - client_id: stranger
    scopes: [orders.read]
    federated: [{issuer: https://nobody.example.com, subject: a}]
  - {client_id: keyed, scopes: [orders.read], jwks: {keys: [` + jwk(ecKey().Public(), "ec", "") + `]}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	a, c := newTestAuthenticator()
	trusted := make(map[string]TrustedIssuer)
	for issuer, rules := range map[string][]claimrule.Rule{cluster: nil, pipeline: {{Path: claimrule.Path{"repository_owner_id"}, Values: []string{"11"}}}} {
		iss := must(verifier.NewIssuer(verifier.Options{
			URL: issuer, Algorithms: []string{"ES256"}, Types: []string{"", "jwt"},
			Keys:   publishedKeys{"k": must(jws.NewKey("k", "ES256", ecKey().Public()))},
			Claims: verifier.Layout{ClientID: []claimrule.Path{{"sub"}}, Optional: []string{"sub", "jti", "iat"}},
		}))
		everybodys := map[string]string{cluster: "account"}[issuer]
		trusted[issuer] = TrustedIssuer{Verifier: must(verifier.New(a.now, iss)), Claims: rules, EverybodysAudience: everybodys}
	}
	return &endpoint{set: set, clock: c, auth: a.With(&Assertions{Issuer: idp, Replay: new(replayed), KeysAt: keysAt, Trusted: trusted})}
}

// podToken is shaped as Kubernetes makes them.
func podToken(now time.Time) members {
	return members{
		"iss": cluster, "sub": "system:serviceaccount:shop:worker", "aud": []string{idp}, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(12 * time.Hour).Unix(),
		"kubernetes.io": members{"namespace": "shop", "serviceaccount": members{"name": "worker", "uid": "u"}},
	}
}

// jobToken is shaped as GitHub Actions makes them.
func jobToken(now time.Time) members {
	return members{
		"iss": pipeline, "sub": "repo:shop@11/orders@74:ref:refs/heads/main", "aud": "deploy", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": "j",
		"repository_id": "74", "repository_owner_id": "11", "ref": "refs/heads/main",
	}
}

// RFC 7521 section 4.2: an issuer elsewhere vouches for the client, for as long as
// its token lives, and as often as it is used.
func TestFederatedClients(t *testing.T) {
	e := federatedEndpoint(t)
	for _, row := range []struct {
		name, client string
		token        func(time.Time) members
		changes      members
		subject      string
	}{
		{"pod", "worker", podToken, nil, "system:serviceaccount:shop:worker"},
		{"another pod, by another entry", "worker", podToken, members{"sub": "system:serviceaccount:shop:batch"}, "system:serviceaccount:shop:batch"},
		{"a list of our audience alone, twice", "worker", podToken, members{"aud": []string{idp, idp}}, "system:serviceaccount:shop:worker"},
		{"an audience that all tokens of the issuer have, too", "worker", podToken, members{"aud": []string{"account", idp}}, "system:serviceaccount:shop:worker"},
		{"job", "deployer", jobToken, nil, "repo:shop@11/orders@74:ref:refs/heads/main"},
		{"job of another branch", "deployer", jobToken, members{"sub": "repo:shop@11/orders@74:environment:prod", "ref": "refs/heads/fix"}, "repo:shop@11/orders@74:environment:prod"},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := assert(t, ecKey(), "ES256", members{"kid": "k"}, row.token(e.clock.Now()).with(row.changes))
			for range 3 {
				if w := e.answer(asserting(token, "&client_id="+row.client)); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			c := Credentials{Method: PrivateKeyJWT, ClientID: row.client, Assertion: ParseAssertion(token)}
			client, err := e.auth.Authenticate(t.Context(), e.set, c, here)
			if err != nil || client.FederatedSubject != row.subject || client.FederatedIssuer == "" || client.KeyID != "k" {
				t.Errorf("%+v, %v", client, err)
			}
		})
	}
}

// RFC 7523 section 3, RFC 8725 sections 3.8 to 3.12: one answer to all of these.
func TestFederatedRefusals(t *testing.T) {
	now := federatedEndpoint(t).clock.Now()
	key, header := any(ecKey()), members{"kid": "k"}
	for _, row := range []struct {
		name, client string
		token        members
		header       members
		key          any
		want         Reason
	}{
		{"another subject", "worker", podToken(now).with(members{"sub": "system:serviceaccount:shop:other"}), header, key, ReasonAssertionWrongSubject},
		{"subject of other case", "worker", podToken(now).with(members{"sub": "system:serviceaccount:shop:Worker"}), header, key, ReasonAssertionWrongSubject},
		{"subject of one entry, claims of none", "worker", podToken(now).with(members{"sub": "system:serviceaccount:shop:batch", "kubernetes.io": members{"namespace": "dev"}}), header, key, ReasonAssertionWrongSubject},
		{"another audience", "worker", podToken(now).with(members{"aud": "https://kubernetes.default.svc"}), header, key, ReasonAssertionWrongAudience},
		{"an access token for the API", "worker", podToken(now).with(members{"aud": "orders-api"}), header, key, ReasonAssertionWrongAudience},
		{"several audiences, ours among them", "worker", podToken(now).with(members{"aud": []string{"https://other.example.com", idp}}), header, key, ReasonAssertionWrongAudience},
		{"an API's audience, and ours", "worker", podToken(now).with(members{"aud": []string{idp, "orders-api"}}), header, key, ReasonAssertionWrongAudience},
		{"everybody's audience alone", "worker", podToken(now).with(members{"aud": "account"}), header, key, ReasonAssertionWrongAudience},
		{"everybody's audience at another issuer", "deployer", jobToken(now).with(members{"aud": []string{"account", "deploy"}}), header, key, ReasonAssertionWrongAudience},
		{"no audience", "worker", podToken(now).with(members{"aud": nil}), header, key, ReasonAssertionMalformed},
		{"our URL where another audience is declared", "deployer", jobToken(now).with(members{"aud": idp}), header, key, ReasonAssertionWrongAudience},
		{"pattern that does not fit", "deployer", jobToken(now).with(members{"sub": "repo:shop@11/orders@740:ref:refs/heads/main"}), header, key, ReasonAssertionWrongSubject},
		{"the name of the repository, of another owner", "deployer", jobToken(now).with(members{"sub": "repo:shop@12/orders@74:ref:refs/heads/main"}), header, key, ReasonAssertionWrongSubject},
		{"the form without ids", "deployer", jobToken(now).with(members{"sub": "repo:shop/orders:ref:refs/heads/main"}), header, key, ReasonAssertionWrongSubject},
		{"claim of another value", "deployer", jobToken(now).with(members{"repository_id": "75"}), header, key, ReasonAssertionWrongSubject},
		{"claim that is not there", "deployer", jobToken(now).with(members{"repository_id": nil}), header, key, ReasonAssertionWrongSubject},
		{"claim that its pattern does not fit", "deployer", jobToken(now).with(members{"ref": "refs/pull/1/merge"}), header, key, ReasonAssertionWrongSubject},
		{"claim that the operator asks for", "deployer", jobToken(now).with(members{"repository_owner_id": "66"}), header, key, ReasonAssertionWrongSubject},
		{"issuer of another client", "deployer", podToken(now), header, key, ReasonAssertionWrongIssuer},
		{"issuer that nobody trusts", "stranger", podToken(now).with(members{"iss": "https://nobody.example.com"}), header, key, ReasonAssertionWrongIssuer},
		{"issuer with a slash", "worker", podToken(now).with(members{"iss": cluster + "/"}), header, key, ReasonAssertionWrongIssuer},
		{"client that signs itself", "worker", assertionClaims("worker", now), header, key, ReasonAssertionWrongIssuer},
		{"client that has a key", "keyed", podToken(now), header, key, ReasonAssertionWrongIssuer},
		{"expired", "worker", podToken(now).with(members{"iat": nil, "exp": now.Add(-time.Minute).Unix()}), header, key, ReasonAssertionExpired},
		{"not yet", "worker", podToken(now).with(members{"nbf": now.Add(time.Hour).Unix()}), header, key, ReasonAssertionNotYetValid},
		{"of the future", "worker", podToken(now).with(members{"iat": now.Add(time.Hour).Unix()}), header, key, ReasonAssertionNotYetValid},
		{"no exp", "worker", podToken(now).with(members{"exp": nil}), header, key, ReasonAssertionMalformed},
		{"another key", "worker", podToken(now), header, otherECKey(), ReasonAssertionBadSignature},
		{"unknown kid", "worker", podToken(now), members{"kid": "x"}, key, ReasonAssertionUnknownKey},
		{"no kid", "worker", podToken(now), nil, key, ReasonAssertionUnknownKey},
		{"another type", "worker", podToken(now), members{"kid": "k", "typ": "dpop+jwt"}, key, ReasonAssertionWrongType},
		{"ID token of a login", "worker", podToken(now).with(members{"nonce": "n"}), header, key, ReasonAssertionWrongType},
		{"crit", "worker", podToken(now), members{"kid": "k", "crit": []string{"x"}, "x": 1}, key, ReasonAssertionMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := federatedEndpoint(t)
			token := assert(t, row.key, "ES256", row.header, row.token)
			w := e.answer(asserting(token, "&client_id="+row.client))
			if w.Code != http.StatusUnauthorized || w.Body.String() != `{"error":"invalid_client","error_description":"client authentication failed"}` {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(e.clock.slept) != 1 || e.clock.slept[0] != e.set.AuthenticationFloor() {
				t.Errorf("held up by %v", e.clock.slept)
			}
			if got := e.refuse(t, asserting(token, "&client_id="+row.client)); got.Reason != row.want {
				t.Errorf("reason %s (%v), want %s", got.Reason, got.Cause, row.want)
			}
		})
	}
}

// RFC 7521 section 4.2: the subject of a foreign token is not a client here, so that
// the request has to name one.
func TestFederatedClientsNameThemselves(t *testing.T) {
	e := federatedEndpoint(t)
	_, _, err := e.issue(httptest.NewRecorder(), asserting(assert(t, ecKey(), "ES256", members{"kid": "k"}, podToken(e.clock.Now())), ""))
	wantRefused(t, err, http.StatusUnauthorized, ReasonMissingClientID)
}

// A token that is bound to a key or certificate is no bearer's.
func TestBoundTokensDoNotVouch(t *testing.T) {
	e := federatedEndpoint(t)
	token := assert(t, ecKey(), "ES256", members{"kid": "k"}, podToken(e.clock.Now()).with(members{"cnf": members{"jkt": "x"}}))
	got := e.refuse(t, asserting(token, "&client_id=worker"))
	if !slices.Contains([]Reason{ReasonAssertionWrongType, ReasonAssertionMalformed}, got.Reason) || got.Status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.Status, got.Reason)
	}
}

// Whatever comes, it is refused, or was signed by the issuer.
func FuzzFederatedAssertion(f *testing.F) {
	e := federatedEndpoint(f)
	app, _ := e.set.Application("worker")
	signed := assert(f, ecKey(), "ES256", members{"kid": "k"}, podToken(e.clock.Now()))
	f.Add(signed)
	f.Add(assert(f, otherECKey(), "ES256", members{"kid": "k"}, podToken(e.clock.Now())))
	f.Add(assertBytes(f, ecKey(), "ES256", members{"kid": "k"}, must(json.Marshal(jobToken(e.clock.Now())))))
	f.Fuzz(func(t *testing.T, text string) {
		if _, refusal := e.auth.byAssertion(t.Context(), time.Second, app, "", ParseAssertion(text)); refusal == nil && len(text) != len(signed) {
			t.Errorf("accepted %q", text)
		}
	})
}

// revoking is the refusal of a pod's token that the state judges so.
func revoking(t *testing.T, verdict error) *Error {
	t.Helper()
	e := federatedEndpoint(t)
	trusted := e.auth.assertions.Trusted[cluster]
	trusted.NotRevoked = func(*verifier.Claims) error { return verdict }
	e.auth.assertions.Trusted[cluster] = trusted
	return e.refuse(t, asserting(assert(t, ecKey(), "ES256", members{"kid": "k"}, podToken(e.clock.Now())), "&client_id=worker"))
}

// A token that was taken back opens this endpoint no more than an API; where nobody
// knows which ones were, none does.
func TestRevokedFederatedTokens(t *testing.T) {
	wantRefused(t, revoking(t, verifier.Refuse(verifier.Revoked, nil)), http.StatusUnauthorized, ReasonAssertionRevoked)
	wantRefused(t, revoking(t, verifier.Refuse(verifier.RevocationsUnknown, nil)), http.StatusServiceUnavailable, ReasonStateUnavailable)
}
