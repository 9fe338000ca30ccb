package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const protected = "protected content"

// arrival is a request that reached the API.
type arrival struct {
	method, uri, body string
	header, trailer   http.Header
}

// api stands behind Caddy and records what reaches it.
type api struct {
	mu   sync.Mutex
	seen []arrival
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.seen = append(a.seen, arrival{r.Method, r.RequestURI, string(body), r.Header, r.Trailer})
	a.mu.Unlock()
	w.Header().Set("X-Echo-Client-Id", r.Header.Get("X-Client-Id"))
	fmt.Fprint(w, protected)
}

// take returns what arrived since the last call.
func (a *api) take() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

// guarded is the shop with an API behind it, and one client for many requests.
type guarded struct {
	*caddy
	api  *api
	http *http.Client
}

// startGuarded runs the shop with a site that proxies to the API at 5002.
func startGuarded(t *testing.T, site string) *guarded {
	t.Helper()
	return startGuardedBy(t, shopOptions+"localhost:5001 {\n\ttokenidp\n"+site+"\n}\n")
}

func startGuardedBy(t *testing.T, caddyfile string, more ...file) *guarded {
	t.Helper()
	g := &guarded{api: new(api)}
	p := newPorts(t)
	server := &http.Server{Handler: g.api, ReadHeaderTimeout: patience}
	go server.Serve(listen(t, p.free["5002"]))
	t.Cleanup(func() { server.Close() })
	files := map[string]string{"applications.yaml": shopApplications}
	for _, f := range more {
		files[f.name] = f.content
	}
	g.caddy = start(t, caddyfile, options{ports: p, files: files})
	g.http = g.client()
	return g
}

// file stands beside the Caddyfile.
type file struct{ name, content string }

func listen(t *testing.T, port string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ask requests a path of the site.
func (g *guarded) ask(t *testing.T, method, path, body string, headers ...string) *answer {
	t.Helper()
	return send(t, g.http, g.request(method, "https://localhost:5001"+path, body, headers...))
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// answersTo are the status and the end of the challenge by reason; any other
// reason is an invalid_token.
var answersTo = map[string]struct {
	status    int
	challenge string
}{
	"no_token":                      {http.StatusUnauthorized, ""},
	"several_authorization_headers": {http.StatusBadRequest, `, error="invalid_request", error_description="Exactly one Authorization header is allowed"`},
	"malformed_authorization":       {http.StatusBadRequest, `, error="invalid_request", error_description="The Authorization header is not one scheme and one token"`},
	"expired":                       {http.StatusUnauthorized, `, error="invalid_token", error_description="The access token expired"`},
	"too_old":                       {http.StatusUnauthorized, `, error="invalid_token", error_description="The access token is too old for this resource"`},
	"lives_too_long":                {http.StatusUnauthorized, `, error="invalid_token", error_description="The access token is valid for longer than this resource accepts"`},
	"claim_required":                {http.StatusForbidden, `, error="insufficient_scope", error_description="The access token lacks a claim that this resource requires"`},
	"claim_not_accepted":            {http.StatusForbidden, `, error="insufficient_scope", error_description="The access token lacks a claim that this resource requires"`},
	"expression_refused":            {http.StatusForbidden, `, error="insufficient_scope", error_description="The access token does not allow this request"`},
	"missing_scope":                 {http.StatusForbidden, `, error="insufficient_scope", error_description="The access token lacks a scope that this resource requires", scope=`},
}

// checkRefused looks at everything that a refusal is: the answer, the line in
// the log, and that the API was left alone. The scope is that of missing_scope.
func (g *guarded) checkRefused(t *testing.T, a *answer, path, reason, scope string) {
	t.Helper()
	want, ok := answersTo[reason]
	if !ok {
		want.status = http.StatusUnauthorized
		want.challenge = `, error="invalid_token", error_description="The access token is malformed or not accepted here"`
	}
	line := g.refusalAt(path)
	if scope != "" {
		want.challenge += `"` + scope + `"`
	} else if asked := g.scopesAt(line["source"]); want.status == http.StatusUnauthorized && asked != "" {
		want.challenge += `, scope="` + asked + `"` // those of the route, for who gets a token
	}
	challenge := `Bearer realm="` + g.url("https://localhost:5001") + `"` + want.challenge
	if got := a.Header.Values("WWW-Authenticate"); a.StatusCode != want.status || !slices.Equal(got, []string{challenge}) {
		t.Errorf("%d %q, want %d %q", a.StatusCode, got, want.status, challenge)
	}
	if a.body != "" {
		t.Errorf("body %q", a.body)
	}
	if seen := g.api.take(); len(seen) > 0 {
		t.Errorf("the API was reached: %+v", seen)
	}
	if line["reason"] != reason || line["status"] != float64(want.status) {
		t.Errorf("logged %v, want reason %s", line, reason)
	}
}

// scopesAt reads from the Caddyfile what the verify of a source asks for.
func (g *guarded) scopesAt(source any) string {
	g.t.Helper()
	_, number, _ := strings.Cut(fmt.Sprint(source), ":")
	at, err := strconv.Atoi(number)
	lines := strings.Split(read(g.t, filepath.Join(g.dir, "Caddyfile")), "\n")
	if err != nil || at > len(lines) || !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "verify") {
		g.t.Fatalf("no verify at %v", source)
	}
	scopes := func(words []string) []string {
		return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return strings.ContainsAny(word, "@/*{") })
	}
	var all []string
	for i, line := range lines[at-1:] {
		words := strings.Fields(line)
		switch {
		case i == 0 || len(words) > 1 && words[0] == "any_scope":
			all = append(all, scopes(words[1:])...)
		case len(words) > 1 && words[0] == "policy":
			for _, line := range lines {
				if policy := strings.Fields(line); len(policy) > 1 && policy[0] == "policy" && slices.Contains(words, policy[1]) && strings.HasSuffix(line, "{") {
					all = append(all, scopes(policy[2:])...)
				}
			}
		}
		if i == 0 && !strings.HasSuffix(line, "{") || strings.TrimSpace(line) == "}" {
			break
		}
	}
	// Of alternatives, a token can have those of one API.
	return strings.Join(slices.DeleteFunc(all, func(scope string) bool {
		of := func(scope string) string { api, _, _ := strings.Cut(scope, "."); return api }
		return of(scope) != of(all[0])
	}), " ")
}

// refusalAt is the log line of the request for the path, which only one
// request of a test may have.
func (g *guarded) refusalAt(path string) (entry map[string]any) {
	g.t.Helper()
	quoted, _ := json.Marshal(path)
	g.eventually("the refusal at "+path, func() bool {
		for line := range strings.Lines(g.logged()) {
			if strings.Contains(line, `"path":`+string(quoted)+`,`) && strings.Contains(line, `"request refused"`) {
				return json.Unmarshal([]byte(line), &entry) == nil
			}
		}
		return false
	})
	return entry
}

// checkAllowed is the opposite of checkRefused, and returns what arrived.
func (g *guarded) checkAllowed(t *testing.T, a *answer) arrival {
	t.Helper()
	seen := g.api.take()
	if a.StatusCode != http.StatusOK || a.Request.Method != http.MethodHead && a.body != protected || len(seen) != 1 {
		t.Fatalf("%d %q %q, %d requests arrived", a.StatusCode, a.body, a.Header.Get("WWW-Authenticate"), len(seen))
	}
	return seen[0]
}

// raw sends bytes over TLS, as no HTTP client would, and reads one answer.
// Lines end in "\n", and HOST stands for the site. The answer is nil if the
// connection was closed without one.
func (c *caddy) raw(t *testing.T, request string) *answer {
	t.Helper()
	config := c.tlsConfig()
	config.NextProtos = []string{"http/1.1"}
	connection, err := tls.Dial("tcp", c.url("localhost:5001"), config)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	request = strings.ReplaceAll(strings.ReplaceAll(request, "\n", "\r\n"), "HOST", c.url("localhost:5001"))
	if _, err := io.WriteString(connection, request); err != nil {
		return nil
	}
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("reading the answer: %v", err)
	}
	return &answer{Response: response, body: string(body)}
}
