package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// endpoint is a token endpoint that answers as a test says, and keeps what it was
// asked.
type endpoint struct {
	*httptest.Server
	asked []*http.Request
}

func newEndpoint(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := new(endpoint)
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		e.asked = append(e.asked, r)
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

// answering is an answer with headers, each as "Name: value".
func answering(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func (e *endpoint) web() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(e.Certificate())
	return Web(roots, nil)
}

func (e *endpoint) client(authentication Authentication) *Client {
	return &Client{
		Web: e.web(), ID: "orders-worker", Authentication: authentication, Now: func() time.Time { return noon },
		Server: Server{Issuer: "https://idp.example.com", TokenEndpoint: e.URL + "/token"},
	}
}

const bearer = `{"access_token":"a.b.c","token_type":"Bearer","expires_in":3600,"scope":"orders.read"}`

func TestAuthentication(t *testing.T) {
	key := newTestKey(t, "ES256")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("h.p.s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "a+b/c:d%e f"
	for _, row := range []struct {
		name           string
		authentication Authentication
		user, password string // form-encoded (RFC 6749 section 2.3.1)
		form           map[string]string
	}{
		{"Basic", SecretBasic(secret), "orders-worker", "a%2Bb%2Fc%3Ad%25e+f", nil},
		{"body", SecretPost(secret), "", "", map[string]string{"client_id": "orders-worker", "client_secret": secret}},
		{"key", PrivateKey(key), "", "", map[string]string{"client_id": "orders-worker", "client_assertion_type": assertionType, "client_assertion": "*"}},
		{"file", AssertionFile(file), "", "", map[string]string{"client_id": "orders-worker", "client_assertion_type": assertionType, "client_assertion": "h.p.s"}},
		{"certificate", Certificate(), "", "", map[string]string{"client_id": "orders-worker"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t, answering(200, bearer, "Client-Secret-Expires-At: soon"))
			token, err := e.client(row.authentication).Token(t.Context(), Request{Scope: "orders.read orders.write", Resource: "https://api.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			if *token != (Token{"a.b.c", "Bearer", 3600, "orders.read", "soon"}) {
				t.Errorf("%+v", token)
			}
			r := e.asked[0]
			user, password, _ := r.BasicAuth()
			if user != row.user || password != row.password || r.Method != http.MethodPost || r.URL.RawQuery != "" || r.Header.Get("DPoP") != "" {
				t.Errorf("%s %s, %q %q", r.Method, r.URL, user, password)
			}
			want := map[string]string{"grant_type": "client_credentials", "scope": "orders.read orders.write", "resource": "https://api.example.com"}
			for name, value := range row.form {
				want[name] = value
			}
			members(t, "form", single(t, r.PostForm), want)
			if row.name == "key" {
				signed(t, key.Public(), r.PostForm.Get("client_assertion"))
			}
		})
	}
}

func single(t *testing.T, form url.Values) map[string]any {
	t.Helper()
	values := make(map[string]any)
	for name, all := range form {
		if len(all) != 1 {
			t.Errorf("%s is there %d times", name, len(all))
		}
		values[name] = all[0]
	}
	return values
}

// The file is replaced while the service runs.
func TestAssertionFileIsReadEachTime(t *testing.T) {
	e := newEndpoint(t, answering(200, bearer))
	file := filepath.Join(t.TempDir(), "token")
	c := e.client(AssertionFile(file))
	for i, content := range []string{"a.b.c", "d.e.f\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Token(t.Context(), Request{}); err != nil {
			t.Fatal(err)
		}
		if got := e.asked[i].PostForm.Get("client_assertion"); got != strings.TrimSpace(content) {
			t.Errorf("%q", got)
		}
	}
	for name, content := range map[string]string{"a secret": "marigold", "empty": "", "endless": strings.Repeat("a.b.c", longestAssertion)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Token(t.Context(), Request{}); err == nil || strings.Contains(err.Error(), "marigold") || len(err.Error()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(e.asked) != 2 {
		t.Errorf("%d requests", len(e.asked))
	}
}

// RFC 9449 section 5: the token request has a proof.
func TestBoundToken(t *testing.T) {
	key := newTestKey(t, "ES256")
	e := newEndpoint(t, answering(200, `{"access_token":"a","token_type":"DPoP"}`))
	c := e.client(SecretPost("secret"))
	c.DPoP = key
	token, err := c.Token(t.Context(), Request{})
	if err != nil || token.TokenType != "DPoP" {
		t.Fatalf("%v, %v", token, err)
	}
	_, claims := signed(t, key.Public(), e.asked[0].Header.Get("DPoP"))
	members(t, "claims", claims, map[string]string{"jti": "*", "htm": "POST", "htu": e.URL + "/token", "iat": fmt.Sprint(noon.Unix())})
}

// RFC 9449 section 8: with the nonce of the server, once.
func TestNonceOfTheServer(t *testing.T) {
	key := newTestKey(t, "ES256")
	var proofs []map[string]any
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_, claims := signed(t, key.Public(), r.Header.Get("DPoP"))
		if proofs = append(proofs, claims); claims["nonce"] == "n-1" {
			answering(200, `{"access_token":"a","token_type":"DPoP"}`)(w, r)
			return
		}
		answering(400, `{"error":"use_dpop_nonce"}`, fmt.Sprintf("DPoP-Nonce: n-%d", len(proofs)))(w, r)
	})
	c := e.client(SecretPost("secret"))
	c.DPoP = key
	if _, err := c.Token(t.Context(), Request{}); err != nil {
		t.Fatal(err)
	}
	if len(proofs) != 2 || proofs[0]["jti"] == proofs[1]["jti"] || proofs[0]["nonce"] != nil {
		t.Errorf("%v", proofs)
	}
	// Only one more try: the third proof gets the nonce n-3.
	refusing := newEndpoint(t, answering(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce: n-0"))
	c.Server.TokenEndpoint, c.Web = refusing.URL, refusing.web()
	var refusal *Refusal
	if _, err := c.Token(t.Context(), Request{}); !errors.As(err, &refusal) || len(refusing.asked) != 2 {
		t.Errorf("%v after %d requests", err, len(refusing.asked))
	}
}

// RFC 6749 section 7.1: a client does not use a token of a type that it does not know.
func TestTokensThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		body  string
		bound bool
	}{
		"none":                           {`{"token_type":"Bearer"}`, false},
		"no type":                        {`{"access_token":"a"}`, false},
		"another type":                   {`{"access_token":"a","token_type":"mac"}`, false},
		"bound to a key that nobody has": {`{"access_token":"a","token_type":"DPoP"}`, false},
		"not bound to the key":           {bearer, true},
		"two lines":                      {`{"access_token":"a\nb","token_type":"Bearer"}`, false},
		"not ASCII":                      {`{"access_token":"ä","token_type":"Bearer"}`, false},
		"a number":                       {`{"access_token":1,"token_type":"Bearer"}`, false},
		"a repeated name":                {`{"access_token":"a","access_token":"b","token_type":"Bearer"}`, false},
		"no JSON":                        {"<html>", false},
		"too long":                       {bearer + strings.Repeat(" ", longestAnswer), false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newEndpoint(t, answering(200, row.body)).client(SecretPost("marigold"))
			if row.bound {
				c.DPoP = newTestKey(t, "ES256")
			}
			token, err := c.Token(t.Context(), Request{})
			if err == nil || strings.Contains(err.Error(), "marigold") {
				t.Errorf("%+v, %v", token, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		name    string
		answer  http.HandlerFunc
		want    Refusal
		text    string
		passing bool
	}{
		{"of OAuth", answering(401, `{"error":"invalid_client","error_description":"no"}`), Refusal{Status: 401, Code: "invalid_client", Description: "no"}, "401 invalid_client: no", false},
		{"in HTML", answering(404, "<html>"), Refusal{Status: 404}, "404 Not Found", false},
		{"wait, in seconds", answering(429, `{"error":"x"}`, "Retry-After: 30"), Refusal{Status: 429, Code: "x", RetryAfter: 30 * time.Second}, "429 x", true},
		{"wait, by a date", answering(503, "", "Retry-After: Wed, 25 Nov 2026 12:01:00 GMT"), Refusal{Status: 503, RetryAfter: time.Minute}, "503 Service Unavailable", true},
		{"wait, for a date that is over", answering(503, "", "Retry-After: Wed, 25 Nov 2026 11:01:00 GMT"), Refusal{Status: 503}, "503 Service Unavailable", true},
		{"wait, for nonsense", answering(503, "", "Retry-After: -5"), Refusal{Status: 503}, "503 Service Unavailable", true},
		{"of a type", answering(400, `{"error":1}`), Refusal{Status: 400}, "400 Bad Request", false},
		{"another good status", answering(202, bearer), Refusal{Status: 202}, "202 Accepted", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t, row.answer)
			_, err := e.client(SecretPost("secret")).Token(t.Context(), Request{})
			var refusal *Refusal
			if !errors.As(err, &refusal) || *refusal != row.want || refusal.Error() != row.text || refusal.Passing() != row.passing {
				t.Errorf("%v", err)
			}
			if len(e.asked) != 1 {
				t.Errorf("%d requests", len(e.asked))
			}
		})
	}
}

// A redirect would take the secret to whoever can place one.
func TestRedirectIsNotFollowed(t *testing.T) {
	other := newEndpoint(t, answering(200, bearer))
	for _, status := range []int{301, 302, 303, 307, 308} {
		e := newEndpoint(t, answering(status, "", "Location: "+other.URL))
		_, err := e.client(SecretBasic("secret")).Token(t.Context(), Request{})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Location != other.URL || refusal.Passing() {
			t.Errorf("%d: %v", status, err)
		}
	}
	if len(other.asked) != 0 {
		t.Error("a redirect was followed")
	}
}

// Nothing is sent where others could read it, nor without knowing for whom.
func TestNothingIsSent(t *testing.T) {
	e := newEndpoint(t, answering(200, bearer))
	plain := httptest.NewServer(e.Config.Handler)
	defer plain.Close()
	for name, c := range map[string]*Client{
		"over http":                   {Server: Server{TokenEndpoint: "http://idp.example.com/token"}, Authentication: SecretPost("secret")},
		"to a file":                   {Server: Server{TokenEndpoint: "file:///token"}, Authentication: SecretPost("secret")},
		"to nowhere":                  {Authentication: SecretPost("secret")},
		"for no issuer":               {Server: Server{TokenEndpoint: e.URL}, Authentication: PrivateKey(newTestKey(t, "ES256"))},
		"without the file":            {Server: Server{TokenEndpoint: e.URL}, Authentication: AssertionFile("missing")},
		"to a certificate of nobody":  {Server: Server{TokenEndpoint: e.URL}, Authentication: SecretPost("secret"), Web: Web(x509.NewCertPool(), nil)},
		"over http with certificates": {Server: Server{TokenEndpoint: e.URL, TLSTokenEndpoint: "http://idp.example.com/token"}, Authentication: Certificate(), UsesTLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.ID, c.Now = "orders-worker", time.Now
			if c.Web == nil {
				c.Web = e.web()
			}
			if token, err := c.Token(t.Context(), Request{}); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, %v", token, err)
			}
		})
	}
	if len(e.asked) != 0 {
		t.Errorf("%d requests", len(e.asked))
	}
	loopback := &Client{Web: e.web(), ID: "orders-worker", Now: time.Now, Server: Server{TokenEndpoint: plain.URL}, Authentication: SecretPost("secret")}
	if _, err := loopback.Token(t.Context(), Request{}); err != nil {
		t.Errorf("what does not leave the machine: %v", err)
	}
}
