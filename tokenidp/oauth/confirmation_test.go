package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var proofKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })

func publicJWK() string {
	return string(must(json.Marshal(jose.JSONWebKey{Key: proofKey().Public()})))
}

func thumbprint() string {
	jwk := jose.JSONWebKey{Key: proofKey().Public()}
	return base64.RawURLEncoding.EncodeToString(must(jwk.Thumbprint(crypto.SHA256)))
}

// proof makes a DPoP proof by somebody else's code.
func proof(url string, at time.Time, id string) string {
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: proofKey()}, options))
	claims := must(json.Marshal(map[string]any{"jti": id, "htm": "POST", "htu": url, "iat": at.Unix()}))
	return must(must(signer.Sign(claims)).CompactSerialize())
}

const tokenURL = "https://idp.example.com/token"

// provenRefusals are requests whose proofs do not do, by reason.
func provenRefusals(now time.Time) map[Reason]*http.Request {
	with := func(proofs ...string) *http.Request {
		r := form("worker", generated, "&scope=orders.read")
		r.Header["Dpop"] = proofs
		return r
	}
	return map[Reason]*http.Request{
		ReasonNoProof:               form("proving", generated, "&scope=orders.read"),
		ReasonSeveralProofs:         with(proof(tokenURL, now, "a"), proof(tokenURL, now, "b")),
		ReasonMalformedProof:        with(proof(tokenURL, now, "a") + "," + proof(tokenURL, now, "b")),
		ReasonProofOfAnotherRequest: with(proof("https://idp.example.com/other", now, "a")),
		ReasonStaleProof:            with(proof(tokenURL, now.Add(-2*time.Minute), "a")),
		ReasonReplayedProof:         with(proof(tokenURL, now, "replayed")),
	}
}

// RFC 9449 section 5: a token is bound to the key of the proof with which it was asked
// for, in both dialects, however the client authenticates.
func TestDPoPBoundToken(t *testing.T) {
	e := newEndpoint(t)
	certified := identified("certified")
	certified.TLS = over(certificate(t, "orders.example.com"))
	for name, row := range map[string]struct {
		request *http.Request
		answer  string
	}{
		"form":             {form("worker", generated, "&scope=orders.read"), `"token_type":"DPoP"`},
		"JSON":             {post(jsonType, `{"grantType":"client_credentials","scope":"orders.read","clientId":"worker","clientSecret":"`+generated+`"}`), `"tokenType":"DPoP"`},
		"has to be bound":  {form("proving", generated, "&scope=orders.read"), `"token_type":"DPoP"`},
		"by a certificate": {certified, `"token_type":"DPoP"`},
	} {
		t.Run(name, func(t *testing.T) {
			row.request.Header.Set("DPoP", proof(tokenURL, e.clock.Now(), name))
			_, token, err := e.issue(httptest.NewRecorder(), row.request)
			if err != nil {
				t.Fatal(err)
			}
			if want := `"cnf":{"jkt":"` + thumbprint() + `"}`; !strings.Contains(string(must(token.Claims())), want) {
				t.Errorf("claims %s, want %s", must(token.Claims()), want)
			}
			w := httptest.NewRecorder()
			if err := WriteToken(w, FormatOf(row.request), token, signed, "orders.read"); err != nil || !strings.Contains(w.Body.String(), row.answer) {
				t.Errorf("answer %s, want %s", w.Body, row.answer)
			}
		})
	}
	both := form("bound", generated, "&scope=orders.read")
	both.TLS = over(certificate(t))
	both.Header.Set("DPoP", proof(tokenURL, e.clock.Now(), "both"))
	_, token, err := e.issue(httptest.NewRecorder(), both)
	if err != nil || token.Confirmation.Key != thumbprint() || token.Confirmation.Certificate == "" {
		t.Errorf("bound to both: %+v, %v", token, err)
	}
	// Without a proof, nothing changes.
	w := e.answer(form("worker", generated, "&scope=orders.read"))
	if !strings.Contains(w.Body.String(), `"token_type":"Bearer"`) {
		t.Errorf("%s", w.Body)
	}
}

// RFC 9449 section 5: invalid_dpop_proof, and no token.
func TestProofsThatDoNotDo(t *testing.T) {
	e := newEndpoint(t)
	first := form("worker", generated, "&scope=orders.read")
	first.Header.Set("DPoP", proof(tokenURL, e.clock.Now(), "replayed"))
	if _, _, err := e.issue(httptest.NewRecorder(), first); err != nil {
		t.Fatal(err)
	}
	for reason, r := range provenRefusals(e.clock.Now()) {
		got := e.refuse(t, r)
		if got.Status != http.StatusBadRequest || got.Code != "invalid_dpop_proof" || got.Reason != reason {
			t.Errorf("%s: %d %s %s", reason, got.Status, got.Code, got.Reason)
		}
	}
	// A host that the request names is not that of the proof (RFC 9449 section 4.3).
	forged := form("worker", generated, "&scope=orders.read")
	forged.Host = "attacker.example"
	forged.Header.Set("X-Forwarded-Host", "attacker.example")
	forged.Header.Set("DPoP", proof("https://attacker.example/token", e.clock.Now(), "forged"))
	wantRefused(t, e.refuse(t, forged), http.StatusBadRequest, ReasonProofOfAnotherRequest)
}

// A proof is used up by a token alone, and in doubt there is none.
func TestProofsAreUsedOnce(t *testing.T) {
	e := newEndpoint(t)
	with := func(id, scope string) *http.Request {
		r := form(id, generated, "&scope="+scope)
		r.Header.Set("DPoP", proof(tokenURL, e.clock.Now(), "once"))
		return r
	}
	e.refuse(t, with("worker", "orders.admin"))
	e.refuse(t, with("nobody", "orders.read"))
	if _, _, err := e.issue(httptest.NewRecorder(), with("worker", "orders.read")); err != nil {
		t.Errorf("used up in vain: %v", err)
	}
	wantRefused(t, e.refuse(t, with("worker", "orders.read")), http.StatusBadRequest, ReasonReplayedProof)
	e.used = nil
	wantRefused(t, e.refuse(t, with("worker", "orders.read")), http.StatusServiceUnavailable, ReasonStateUnavailable)
}
