package e2e

import (
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/http/fcgi"
	"slices"
	"strings"
	"testing"
)

// claimHeaderSite has each kind of route that a forged claim header may try.
const claimHeaderSite = `
	handle /orders* {
		verify orders.read {
			claim_header X-Client-Id client_id
			claim_header X-Scope scope
			claim_header x-tenant tenant
		}
		reverse_proxy localhost:5002
	}
	handle /partly* {
		@writes method POST PUT
		verify @writes orders.write {
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}
	handle /open* {
		verify orders.read {
			allow_preflight
			claim_header X-Client-Id client_id
		}
		reverse_proxy localhost:5002
	}
	handle /fastcgi* {
		verify orders.read {
			claim_header X-Client-Id client_id
			claim_header X-Tenant tenant
		}
		reverse_proxy localhost:5003 {
			transport fastcgi
		}
	}
	handle_errors {
		reverse_proxy localhost:5002
	}`

// The server itself drops names with underscores and dots unless they are
// expected, so expect them.
func startClaimHeaders(t *testing.T) *guarded {
	t.Helper()
	return startGuardedBy(t, strings.Replace(shopOptions, "{\n",
		"{\n\tservers {\n\t\texpected_underscore_headers X_Client_Id\n\t\texpected_dot_headers X.Scope\n\t}\n", 1)+
		"localhost:5001 {\n\ttokenidp\n"+claimHeaderSite+"\n}\n")
}

// RFC 9110 section 5.1: what tells the upstream who calls comes from the token,
// whatever the client sent and whatever became of the request.
func TestClaimHeadersComeFromTheTokenAlone(t *testing.T) {
	t.Parallel()
	g := startClaimHeaders(t)
	token := g.token("orders-worker", "orders.read")
	forged := map[string][]string{
		"plain":              {"X-Client-Id: admin"},
		"lower case":         {"x-client-id: admin"},
		"mixed case":         {"X-cLiEnT-iD: admin"},
		"repeated":           {"X-Client-Id: admin", "X-Client-Id: root"},
		"in two cases":       {"X-Client-Id: admin", "x-client-id: root"},
		"underscores":        {"X_Client_Id: admin"},
		"dots":               {"X.Scope: orders.admin"},
		"other punctuation":  {"X!Client!Id: admin", "X~Client'Id: admin", "X+Scope: admin"},
		"mixed punctuation":  {"X_Client-Id: admin", "X.Client_Id: admin"},
		"every header":       {"X-Client-Id: admin", "X-Scope: orders.admin", "X-Tenant: 1", "X_Client_Id: root"},
		"empty":              {"X-Client-Id: "},
		"named as a trailer": {"Trailer: X-Client-Id", "X-Client-Id: admin"},
	}
	for kind, row := range map[string]struct {
		method, path string
		headers      []string
		want         map[string][]string
	}{
		"verified":        {"GET", "/orders", []string{bearer(token)}, map[string][]string{"X-Client-Id": {"orders-worker"}, "X-Scope": {"orders.read"}}},
		"without a token": {"GET", "/orders", nil, nil},
		"bad token":       {"GET", "/orders", []string{bearer("x.y.z")}, nil},
	} {
		for name, headers := range forged {
			t.Run(kind+", "+name, func(t *testing.T) {
				checkClaimHeaders(t, g, row.method, row.path, slices.Concat(headers, row.headers), row.want)
			})
		}
	}
	for name, headers := range forged {
		if name == "dots" || name == "every header" || name == "other punctuation" {
			continue // X-Scope is no claim header of these
		}
		t.Run("not matched, "+name, func(t *testing.T) {
			checkClaimHeaders(t, g, "GET", "/partly", headers, nil)
		})
		t.Run("lacking a scope, "+name, func(t *testing.T) {
			checkClaimHeaders(t, g, "POST", "/partly", append([]string{bearer(token)}, headers...), nil)
		})
		t.Run("preflight, "+name, func(t *testing.T) {
			checkClaimHeaders(t, g, "OPTIONS", "/open", append([]string{"Origin: https://a.example", "Access-Control-Request-Method: GET"}, headers...), nil)
		})
	}
}

func checkClaimHeaders(t *testing.T, g *guarded, method, path string, headers []string, want map[string][]string) {
	t.Helper()
	got := make(map[string][]string)
	maps.Copy(got, g.checkAllowed(t, g.ask(t, method, path, "", headers...)).header)
	maps.DeleteFunc(got, func(name string, _ []string) bool {
		return !slices.ContainsFunc([]string{"xclientid", "xscope", "xtenant"}, func(folded string) bool {
			return folded == strings.Map(func(c rune) rune {
				if c < 'a' || c > 'z' {
					return -1
				}
				return c
			}, strings.ToLower(name))
		})
	})
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("arrived: %v, want %v", got, want)
	}
}

// RFC 9110 section 7.6.1: the client cannot have a claim header dropped on the
// way, and RFC 9110 section 6.5: nor add one at the end.
func TestClaimHeadersSurviveConnectionAndTrailers(t *testing.T) {
	t.Parallel()
	g := startClaimHeaders(t)
	auth := bearer(g.token("orders-worker", "orders.read")) + "\n"
	const chunks = "Transfer-Encoding: chunked\n\n5\nhello\n0\n"
	for name, row := range map[string]struct{ headers, rest, body string }{
		"Connection":                    {"Connection: X-Client-Id, x-scope, close\n", "\n", ""},
		"Connection with underscores":   {"Connection: close\nConnection: X_Client_Id,X.Scope\n", "\n", ""},
		"Connection in a list of space": {"Connection: close ,\tx-client-id , ,,X-SCOPE\n", "\n", ""},
		"Proxy-Connection, Keep-Alive":  {"Proxy-Connection: X-Client-Id\nKeep-Alive: X-Client-Id\nConnection: close\n", "\n", ""},
		"announced trailer":             {"Trailer: X-Client-Id, X-Sum\n", chunks + "X-Client-Id: admin\nX-Sum: 1\n\n", "hello"},
		"announced in another spelling": {"Trailer: x-client-id\nTrailer: X_Client_Id, X.Scope\n", chunks + "x-client-id: admin\nX_Client_Id: admin\nX.Scope: admin\n\n", "hello"},
		"unannounced trailer":           {"", chunks + "X-Client-Id: admin\n\n", "hello"},
		"unannounced beside another":    {"Trailer: X-Sum\n", chunks + "X-Sum: 1\nX-Client-Id: admin\nX_Client_Id: admin\nx-tenant: 1\n\n", "hello"},
		"trailer and a header":          {"Trailer: X-Tenant\nX-Tenant: 1\n", chunks + "X-Tenant: 2\n\n", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.raw(t, "POST /orders HTTP/1.1\nHost: HOST\n"+auth+row.headers+row.rest)
			if a == nil {
				t.Fatal("no answer")
			}
			a.Request = &http.Request{Method: http.MethodPost}
			got := g.checkAllowed(t, a)
			if ids, scopes := got.header["X-Client-Id"], got.header["X-Scope"]; !slices.Equal(ids, []string{"orders-worker"}) || !slices.Equal(scopes, []string{"orders.read"}) {
				t.Errorf("X-Client-Id %q, X-Scope %q", ids, scopes)
			}
			if len(got.header["X-Tenant"]) > 0 || got.body != row.body {
				t.Errorf("X-Tenant %q, body %q", got.header["X-Tenant"], got.body)
			}
			for name := range got.trailer {
				if name != "X-Sum" {
					t.Errorf("trailer %s arrived", name)
				}
			}
		})
	}
}

// RFC 3875 section 4.1.18: CGI has one name for all spellings.
func TestClaimHeadersOfFastCGI(t *testing.T) {
	t.Parallel()
	g := startClaimHeaders(t)
	arrived := make(chan http.Header, 1)
	listener := listen(t, g.ports.free["5003"])
	defer listener.Close()
	go fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- r.Header
		io.WriteString(w, protected)
	}))
	token := g.token("orders-worker", "orders.read")
	for name, headers := range map[string][]string{
		"plain": {"X-Client-Id: admin"}, "underscores": {"X_Client_Id: admin", "X_Tenant: 1"}, "dots": {"X.Client.Id: admin", "X.Tenant: 1"},
		"other": {"X!Client_Id: admin", "X-Tenant: 1"}, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := g.ask(t, "GET", "/fastcgi", "", append(headers, bearer(token))...)
			if a.StatusCode != http.StatusOK || a.body != protected {
				t.Fatalf("%d %q", a.StatusCode, a.body)
			}
			got := <-arrived
			if !slices.Equal(got["X-Client-Id"], []string{"orders-worker"}) || got["X-Tenant"] != nil || got["Authorization"] != nil {
				t.Errorf("arrived: %v", got)
			}
		})
	}
	if a := g.ask(t, "GET", "/fastcgi/refused", ""); a.Header.Get("WWW-Authenticate") == "" || len(arrived) > 0 {
		t.Errorf("without a token: %d", a.StatusCode)
	}
}

// RFC 6901: a part of a nested claim; and all claims at once.
func TestNestedClaimsAndAllOfThem(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read {
			claim_header X-Namespace /kubernetes.io/namespace
			claim_header X-Claims *
		}
		reverse_proxy localhost:5002
	}`)
	f := newForger(t, g.caddy)
	token := f.claiming(members{"kubernetes.io": members{"namespace": "shop"}, "run": literal("12345678901234567890")})
	got := g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(token), "X-Namespace: forged", "X_Claims: forged")).header
	all, err := base64.RawURLEncoding.DecodeString(got.Get("X-Claims"))
	if got.Get("X-Namespace") != "shop" || err != nil || !strings.Contains(string(all), `"run":12345678901234567890`) ||
		!strings.Contains(string(all), `"kubernetes.io":{"namespace":"shop"}`) || len(got["X_claims"]) > 0 {
		t.Errorf("namespace %q, claims %s %v", got.Get("X-Namespace"), all, err)
	}
	plain := f.claiming(members{"kubernetes.io": "no object"})
	if got := g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(plain), "X-Namespace: forged")).header; got.Get("X-Namespace") != "" {
		t.Errorf("a claim that is not there: %q", got.Get("X-Namespace"))
	}
}

// RFC 7519 section 4: what becomes of each type of claim, in a header and in a
// placeholder.
func TestClaimsAsText(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, `
	handle /orders* {
		verify orders.read {
			claim_header X-Claim c
		}
		reverse_proxy localhost:5002 {
			header_up X-Placeholder "[{http.auth.user.claims.c}]"
		}
	}`)
	f := newForger(t, g.caddy)
	for name, row := range map[string]struct {
		claim any
		want  []string
	}{
		"missing":        {absent{}, nil},
		"text":           {"a b", []string{"a b"}},
		"list":           {[]string{"a", "b", "c"}, []string{"a b c"}},
		"list of one":    {[]string{"a"}, []string{"a"}},
		"number":         {7, []string{"7"}},
		"large number":   {literal("12345678901234567890"), []string{"12345678901234567890"}},
		"boolean":        {true, []string{"true"}},
		"object":         {members{"id": 7, "name": "a"}, []string{`{"id":7,"name":"a"}`}},
		"list of others": {[]any{"a", 1}, []string{`["a",1]`}},
		"placeholder":    {"{env.HOME}{http.request.host}", []string{"{env.HOME}{http.request.host}"}},
		"umlaut":         {"ä", []string{"ä"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(f.claiming(members{"c": row.claim})), "X-Claim: forged")).header
			if !slices.Equal(got["X-Claim"], row.want) {
				t.Errorf("X-Claim: %q, want %q", got["X-Claim"], row.want)
			}
			if want := "[" + strings.Join(row.want, "") + "]"; got.Get("X-Placeholder") != want {
				t.Errorf("placeholder: %s, want %s", got.Get("X-Placeholder"), want)
			}
		})
	}
	rows := make(forgeries)
	for name, claim := range map[string]any{
		"line break": "a\r\nX-Admin: 1", "newline": "a\nb", "NUL": "a\x00b", "escape": "\x1b[31m", "line break in a list": []string{"a", "b\r\nX-Admin: 1"},
		"list that joins as another": []string{"staff", "x admin"},
	} {
		rows[name] = forgery{f.claiming(members{"c": claim}), "malformed_claims"}
	}
	f.refuseAll(t, g, rows)
}
