package verifier

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

func TestExpression(t *testing.T) {
	c := &Claims{
		Issuer: issuerA, ClientID: "orders-worker", Audience: []string{"orders-api"}, Scope: []string{"orders.read"},
		all: claimsOf(object{
			"tenant": "a", "admin": true, "null": nil, "groups": []any{"staff", strictjson.Number("7")},
			"level": strictjson.Number("3"), "rate": strictjson.Number("1.5"), "spelled": strictjson.Number("1.20e1"),
			"id": strictjson.Number("9007199254740993"), "most": strictjson.Number("9223372036854775807"),
			"beyond": strictjson.Number("9223372036854775808"), "huge": strictjson.Number("1e999999999"), "large": strictjson.Number("1e300"),
			"act": map[string]any{"sub": "x", "n": strictjson.Number("-1")}, "https://example.com/x": "y",
		}),
	}
	for source, want := range map[string]string{ // the cause of the refusal, if any
		`claims.tenant == "a"`:                                      "",
		`claims.tenant == "b"`:                                      "is false",
		`claims["https://example.com/x"] == "y"`:                    "",
		`"orders.read" in scopes && !("orders.write" in scopes)`:    "",
		`client_id == "orders-worker"`:                              "",
		`issuer == "` + issuerA + `" && audience == ["orders-api"]`: "",
		`request.method == "GET" && request.host == "api.example.com" && request.path == "/tenants/a/1"`: "",
		`request.path.startsWith("/tenants/" + claims.tenant + "/")`:                                     "",
		`request.path.matches("^/tenants/[a-z]+/[0-9]+$")`:                                               "",
		`claims.level == 3 && claims.level > 2 && claims.level % 2 == 1`:                                 "",
		`claims.rate == 1.5 && claims.rate < 2`:                                                          "",
		`claims.spelled == 12`:                                                                           "",
		`claims.spelled + 1 == 13`:                                                                       "",
		`claims.large == 1e300`:                                                                          "",
		`claims.id == 9007199254740993`:                                                                  "",
		`claims.id == 9007199254740992`:                                                                  "is false",
		`claims.most == 9223372036854775807`:                                                             "",
		`claims.beyond > 0`:                                                                              "out of range",
		`claims.beyond == 9223372036854775808.0`:                                                         "out of range",
		`claims.huge > 0`:                                                                                "out of range",
		`!(claims.huge > 0)`:                                                                             "out of range",
		`claims.act.sub == "x" && claims.act.n == -1`:                                                    "",
		`"staff" in claims.groups && 7 in claims.groups`:                                                 "",
		`"7" in claims.groups`:                                                                           "is false",
		`claims.groups.exists(g, g == "staff")`:                                                          "",
		`has(claims.tenant) && !has(claims.owner)`:                                                       "",
		`claims["null"] == null`:                                                                         "",
		`claims.owner == "a"`:                                                                            "no such key: owner",
		`claims.owner != "a"`:                                                                            "no such key: owner",
		`!(claims.owner == "a")`:                                                                         "no such key: owner",
		`claims.act.owner != "a"`:                                                                        "no such key: owner",
		`claims.tenant.x == "a"`:                                                                         "no such",
		`claims.tenant > 3`:                                                                              "no such overload",
		`!(claims.tenant > 3)`:                                                                           "no such overload",
		`claims.level == "3"`:                                                                            "is false",
		`claims.level / 0 == 1`:                                                                          "by zero",
		`claims.most + 1 > 0`:                                                                            "overflow",
		`"x" in claims.tenant`:                                                                           "no such overload",
		`claims.admin`:                                                                                   "compiling",
	} {
		t.Run(source, func(t *testing.T) {
			e, err := NewExpression(source)
			if want == "compiling" {
				if err == nil {
					t.Error("it compiles")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantExpressed(t, c, e, httptest.NewRequest("GET", "https://API.example.com:5001/tenants/a/1", nil), want)
		})
	}
}

// wantExpressed wants a refusal whose cause contains the text, or none.
func wantExpressed(t *testing.T, c *Claims, e *Expression, r *http.Request, cause string) {
	t.Helper()
	err := c.Authorize(&Requirement{Audiences: c.Audience, Expressions: []*Expression{e}}, clock, r)
	if cause == "" {
		wantVerdict(t, err, "")
		return
	}
	wantRefusal(t, err, ExpressionRefused, "")
	if !strings.Contains(err.Error(), cause) {
		t.Errorf("the cause is %q, not %q", err, cause)
	}
}

func TestExpressionMistakes(t *testing.T) {
	for source, says := range map[string]string{
		``:                                    "line 1, column",
		`claims.tenant ==`:                    "line 1, column 17",
		"claims.a == 1 &&\n  tenant == 'a'":   "line 2, column 3: undeclared reference to 'tenant'",
		`request.header == "x"`:               "undeclared reference to 'request'",
		`claims.tenant`:                       "it gives dyn, not bool",
		`client_id`:                           "it gives string, not bool",
		`client_id == 7`:                      "no matching overload",
		`7 in scopes`:                         "no matching overload",
		`client_id.matches("(")`:              "column",
		`{http.request.uri.path} == "/"`:      "line 1, column",
		`claims.a == "{http.request.x}" && {`: "line 1, column",
		`[1].map(x, x) == lists.range(9)`:     "undeclared reference to 'lists'",
	} {
		if _, err := NewExpression(source); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, which does not say %q", source, err, says)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v has several lines", source, err)
		}
	}
}

// A placeholder is plain text.
func TestExpressionExpandsNothing(t *testing.T) {
	e, err := NewExpression(`claims.tenant == "{http.request.uri.path}"`)
	if err != nil {
		t.Fatal(err)
	}
	c := &Claims{Audience: []string{"orders-api"}, all: claimsOf(object{"tenant": "/"})}
	wantExpressed(t, c, e, httptest.NewRequest("GET", "/", nil), "is false")
	c.all.members()["tenant"] = "{http.request.uri.path}"
	wantExpressed(t, c, e, httptest.NewRequest("GET", "/", nil), "")
}

// RFC 3986 section 6.2.2: another spelling of a path does not pass a rule on the path.
func TestExpressionSeesPlainPathsOnly(t *testing.T) {
	const rule = `request.path.startsWith("/tenants/a/") || !request.path.startsWith("/tenants/")`
	e, err := NewExpression(rule)
	if err != nil {
		t.Fatal(err)
	}
	c := &Claims{Audience: []string{"orders-api"}}
	for path, cause := range map[string]string{
		"/tenants/a/1": "", "/tenants/a/": "", "/tenants/a/%20x": "", "/": "", "/t%65nants/a/1": "", "/tenants/b": "is false", "/t%65nants/b": "is false",
		"/tenants/a/../b": "not plain", "/tenants/a/%2e%2e/b": "not plain", "/tenants/a/..%2fb": "not plain", "/x%2F..%2Ftenants/b": "not plain",
		"//tenants/b": "not plain", "/./tenants/b": "not plain", "/x/../tenants/b": "not plain", "/x%5c..%5ctenants/b": "not plain",
		"/tenants/a/%FFb": "not plain", "/tenants/a/%C0%AE%C0%AE/b": "not plain", "/tenants/a/..%20/b": "not plain", "/tenants/a/%20../b": "not plain",
		"/tenants/a/.%20./b": "not plain", "/tenants/a/.../b": "not plain", "/tenants/a/%20/b": "not plain", "/tenants/a/..%C2%A0": "not plain",
		"/tenants/a/%EF%BC%8E%EF%BC%8E/b": "not plain", "/tenants/a/%E2%80%A5/b": "not plain", "/tenants/a/%E2%80%A4./b": "not plain", // fullwidth, two dot and one dot leader
		"/tenants/a%EF%BC%8Fb": "not plain", "/tenants/a/%E2%88%95b": "not plain", "/tenants/a/%EF%BC%BCb": "not plain", "/tenants/a/%EF%BC%85": "not plain",
		"/tenants/a/.%E2%80%8B./b": "not plain", "/tenants/a/%C2%85": "not plain", "/tenants/a/%EF%BB%BF": "not plain",
		"/tenants/a/caf%C3%A9": "", "/tenants/a/.well-known": "", "/tenants/a/x..y": "", "/tenants/a/%E6%97%A5%E6%9C%AC": "",
		"/x/..;/tenants/b": "not plain", "/%252e%252e/tenants/b": "not plain", "/tenants/a/%00": "not plain", "/tenants%2Fa/1": "not plain", "*": "not plain",
	} {
		t.Run(path, func(t *testing.T) {
			wantExpressed(t, c, e, httptest.NewRequest("GET", path, nil), cause)
		})
	}
}

// A rule that forbids a path is valid for every spelling that Caddy's matchers treat as
// equal. A rule that permits a path is valid for that spelling alone.
func TestExpressionsHoldForTheCaseOfAPath(t *testing.T) {
	c := &Claims{Audience: []string{"orders-api"}, all: claimsOf(object{"tenant": "Acme", "role": "Clerk", "closed": []any{"/orders/Admin"}, "groups": []any{"a", "b"}})}
	const ambiguous = "differs in case alone"
	for _, row := range []struct{ rule, path, cause string }{
		{`request.path != "/orders/admin"`, "/orders/7", ""},
		{`request.path != "/orders/admin"`, "/orders/admin", "is false"},
		{`request.path != "/orders/admin"`, "/orders/ADMIN", ambiguous},
		{`request.path != "/orders/admin"`, "/orders/%41dmin", ambiguous},
		{`request.path != "/orders/Admin"`, "/orders/admin", ambiguous},
		{`request.path != "/orders/task"`, "/orders/tas%E2%84%AA", ambiguous}, // the Kelvin sign
		{`"/orders/admin" != request.path`, "/orders/ADMIN", ambiguous},
		{`!(request.path == "/orders/admin")`, "/orders/ADMIN", ambiguous},
		{`!request.path.startsWith("/orders/admin")`, "/orders/ADMIN/1", ambiguous},
		{`!request.path.startsWith("/orders/admin")`, "/orders/1", ""},
		{`!(request.path + "/").startsWith("/orders/admin/")`, "/orders/ADMIN", ambiguous},
		{`!request.path.endsWith("/admin")`, "/orders/ADMIN", ambiguous},
		{`!request.path.contains("/admin/")`, "/orders/Admin/1", ambiguous},
		{`!request.path.matches("^/orders/admin")`, "/orders/ADMIN", ambiguous},
		{`!request.path.matches("^/orders/\\D+$")`, "/orders/17", ""},
		{`!(request.path in ["/orders/admin", "/x"])`, "/orders/ADMIN", ambiguous},
		{`!(request.path in claims.closed)`, "/orders/admin", ambiguous},
		{`!(request.path in {"/orders/admin": 1})`, "/orders/ADMIN", ambiguous},
		{`!["/orders/admin"].exists(p, request.path.startsWith(p))`, "/orders/ADMIN", ambiguous},
		{`![request.path].exists(p, p == "/orders/admin")`, "/orders/ADMIN", ambiguous},
		{`request.path == "/orders/admin" ? false : true`, "/orders/ADMIN", ambiguous},
		{`(request.path == "/orders/admin") == false`, "/orders/ADMIN", ambiguous},
		{`request.path != "/orders/admin" || claims.role == "Clerk"`, "/orders/ADMIN", ""},
		{`request.path.startsWith("/tenants/" + claims.tenant + "/")`, "/tenants/Acme/X", ""},
		{`request.path.startsWith("/tenants/" + claims.tenant + "/")`, "/tenants/acme/1", ambiguous},
		{`request.path == "/a" || request.path == "/A"`, "/A", ""},
		{`request.path.matches("^/tenants/[A-Z][a-z]+/[0-9]+$")`, "/tenants/Acme/1", ""},
		{`claims.role != "clerk" && request.path != "/x"`, "/orders", ""}, // claims have case
		{`claims.groups.exists(g, request.path.startsWith("/" + g))`, "/b/1", ""},
		{`request.path.size() == 7`, "/ORDERS", ""},
	} {
		e, err := NewExpression(row.rule)
		if err != nil {
			t.Errorf("%s: %v", row.rule, err)
			continue
		}
		t.Run(row.rule+" "+row.path, func(t *testing.T) {
			wantExpressed(t, c, e, httptest.NewRequest("GET", row.path, nil), row.cause)
		})
	}
}

func TestExpressionWithoutRequest(t *testing.T) {
	e, err := NewExpression(`request.method != "DELETE"`)
	if err != nil {
		t.Fatal(err)
	}
	wantExpressed(t, &Claims{Audience: []string{"orders-api"}}, e, nil, "there is no request")
}

// The content of a token of an attacker's issuer costs no more than that.
func TestExpressionCostIsBounded(t *testing.T) {
	many := slices.Repeat([]any{"aaaaaaaaaaaaaaaa"}, 4000)
	c := &Claims{Audience: []string{"orders-api"}, all: claimsOf(object{"groups": many, "text": strings.Repeat("a", 8000)})}
	for source, want := range map[string]string{
		`!("x" in claims.groups)`:                                                                                   "",
		`claims.groups.all(a, claims.groups.all(b, a == b))`:                                                        "cost limit",
		`!(request.path in claims.groups)`:                                                                          "",
		`claims.groups.all(a, !(request.path in claims.groups))`:                                                    "cost limit",
		`!request.path.startsWith(claims.text)`:                                                                     "",
		`true || claims.groups.all(a, claims.groups.all(b, a == b))`:                                                "",
		`claims.groups.all(a, claims.groups.all(b, a == b)) || true`:                                                "cost limit",
		`claims.groups.exists(a, claims.groups.exists(b, a != b))`:                                                  "cost limit",
		`claims.groups.map(a, claims.groups.map(b, a + b)).size() > 0`:                                              "cost limit",
		`claims.groups.exists(a, claims.text.matches("(a*)*b"))`:                                                    "cost limit",
		`[1, 2, 3, 4, 5, 6, 7, 8].map(a, claims.groups.map(b, claims.text + claims.text + claims.text)).size() > 0`: "cost limit",
	} {
		t.Run(source, func(t *testing.T) {
			e, err := NewExpression(source)
			if err != nil {
				t.Fatal(err)
			}
			wantExpressed(t, c, e, httptest.NewRequest("GET", "/orders", nil), want)
		})
	}
}
