package oauth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

const billing = "https://billing.example.com"

// naming is a request in both dialects for a token of the named resources.
func naming(id, scope string, resources ...string) map[string]*http.Request {
	more, list := "&scope="+scope, ""
	for _, resource := range resources {
		more += "&resource=" + url.QueryEscape(resource)
		list += fmt.Sprintf(",%q", resource)
	}
	object := fmt.Sprintf(`{"grantType":"client_credentials","clientId":%q,"clientSecret":%q,"scope":%q,"resource":[%s]}`,
		id, generated, scope, strings.TrimPrefix(list, ","))
	return map[string]*http.Request{"form": form(id, generated, more), "JSON": post(jsonType, object)}
}

// wantTarget checks that a request gets a token for the audience, or, if that is
// empty, invalid_target for the reason.
func (e *endpoint) wantTarget(t *testing.T, r *http.Request, audience string, reason Reason) {
	t.Helper()
	_, token, err := e.issue(httptest.NewRecorder(), r)
	wantRefused(t, err, http.StatusBadRequest, reason)
	if err != nil {
		if got := refusal(t, err).Code; got != CodeInvalidTarget {
			t.Errorf("error %s", got)
		}
		return
	}
	claims, err := strictjson.Object(must(token.Claims()))
	if err != nil || claims["aud"] != audience {
		t.Errorf("aud %v, want %s; %v", claims["aud"], audience, err)
	}
}

// RFC 8707 section 2: "Its value MUST be an absolute URI", and what is "invalid,
// missing, unknown, or malformed" is invalid_target. A name stands for the URI.
func TestResourceIsAnAbsoluteURIOrAName(t *testing.T) {
	e := newEndpoint(t)
	for _, row := range []struct {
		name, resource string
		want           Reason
	}{
		{"the URI", billing, ""},
		{"the URI with its empty path", billing + "/", ""},
		{"the name of the resource with the URI", "billing-api", ""},
		{"the name with a slash", "billing-api/", ReasonUnknownResource},
		{"two slashes", billing + "//", ReasonUnknownResource},
		{"a path", "/billing", ReasonUnknownResource},
		{"no scheme", "billing.example.com", ReasonUnknownResource},
		{"relative to a scheme", "//billing.example.com", ReasonUnknownResource},
		{"no URI", "https://billing example.com", ReasonUnknownResource},
		{"not decoded again", "https%3A%2F%2Fbilling.example.com", ReasonUnknownResource},
		{"two in one", billing + " " + billing, ReasonUnknownResource},
		{"a space behind", billing + " ", ReasonUnknownResource},
		{"another port", billing + ":443", ReasonUnknownResource},
		{"below it", billing + "/invoices", ReasonUnknownResource},
		{"with a query", billing + "?a=b", ReasonUnknownResource},
		{"with an empty query", billing + "?", ReasonUnknownResource},
		{"scheme in upper case", "HTTPS://billing.example.com", ReasonUnknownResource},
		{"name in upper case", "Billing-API", ReasonUnknownResource},
		{"a placeholder", "{env.HOME}", ReasonUnknownResource},
		{"a scope", "billing.read", ReasonUnknownResource},
		{"the issuer", "https://idp.example.com", ReasonUnknownResource},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, r := range naming("worker", "billing.read", row.resource) {
				e.wantTarget(t, r, billing, row.want)
			}
		})
	}
}

// RFC 8707 section 2: "The URI MUST NOT include a fragment component."
func TestResourceHasNoFragment(t *testing.T) {
	e := newEndpoint(t)
	for _, fragment := range []string{"#", "#a", "/#", "?a#b"} {
		for _, r := range naming("worker", "billing.read", billing+fragment) {
			e.wantTarget(t, r, "", ReasonUnknownResource)
		}
	}
}

// RFC 8707 section 2: an API of which the client has no scope is not acceptable,
// and the answer does not tell whether there is one.
func TestResourceIsOneThatTheClientHasAScopeOf(t *testing.T) {
	e := newEndpoint(t)
	var bodies []string
	for _, resource := range []string{"stock-api", "https://nothing.example.com"} {
		for name, r := range naming("worker", "orders.read", resource) {
			w := e.answer(r)
			if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), resource) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if name == "form" {
				bodies = append(bodies, w.Body.String())
			}
		}
	}
	if bodies[0] != bodies[1] {
		t.Errorf("they differ: %s", bodies)
	}
}

// RFC 8707 section 2: "Multiple resource parameters MAY be used"; nothing else may
// be repeated.
func TestResourceMayBeRepeated(t *testing.T) {
	e := newEndpoint(t)
	for _, resources := range [][]string{{billing}, {billing, billing}, {billing, "billing-api", ""}, {"", ""}, {}} {
		for _, r := range naming("worker", "billing.read", resources...) {
			e.wantTarget(t, r, billing, "")
		}
	}
	_, _, err := e.issue(httptest.NewRecorder(), form("worker", generated, "&scope=billing.read&scope=billing.read&resource=billing-api"))
	wantRefused(t, err, http.StatusBadRequest, ReasonRepeatedParameter)
}

// A parameter of a JSON body is a string; resource, which a form may repeat, may be a
// list of them.
func TestResourceInJSON(t *testing.T) {
	e := newEndpoint(t)
	for value, want := range map[string]Reason{
		`"` + billing + `"`:          "",
		`["` + billing + `"]`:        "",
		`""`:                         "",
		`[]`:                         "",
		`[null]`:                     ReasonMalformedBody,
		`[1]`:                        ReasonMalformedBody,
		`["billing-api",["a"]]`:      ReasonMalformedBody,
		`[{"resource":"a"}]`:         ReasonMalformedBody,
		`{"0":"billing-api"}`:        ReasonMalformedBody,
		`null`:                       ReasonMalformedBody,
		`true`:                       ReasonMalformedBody,
		`["billing-api\u0000"]`:      ReasonMalformedBody,
		`"a","resource":["a"]`:       ReasonMalformedBody,
		`"a","resour\u0063e":"a"`:    ReasonMalformedBody,
		"[\"\xff\"]":                 ReasonMalformedBody,
		`["billing-api"],"scope":[]`: ReasonMalformedBody,
	} {
		_, _, err := e.issue(httptest.NewRecorder(), post(jsonType, `{"grantType":"client_credentials","clientId":"defaulted","clientSecret":"`+generated+`","scope":"billing.read","resource":`+value+`}`))
		t.Run(value, func(t *testing.T) { wantRefused(t, err, http.StatusBadRequest, want) })
	}
}

// RFC 8707 section 2: with two resources, a token would be good at both.
func TestTwoResourcesNeedTwoTokens(t *testing.T) {
	e := newEndpoint(t)
	for _, resources := range [][]string{{"orders-api", billing}, {billing, "orders-api"}, {"orders-api", "orders-api", "billing-api"}} {
		for _, r := range naming("worker", "orders.read", resources...) {
			e.wantTarget(t, r, "", ReasonWrongResource)
		}
		for _, r := range naming("worker", "orders.read billing.read", resources...) {
			e.wantTarget(t, r, "", ReasonSeveralResources)
		}
	}
}

// RFC 6749 section 3.3, RFC 8707 section 2: nothing is narrowed, the defaults included.
func TestResourceWithoutScopeIsThatOfTheDefaults(t *testing.T) {
	e := newEndpoint(t)
	for _, r := range naming("defaulted", "", "orders-api") {
		request, token, err := e.issue(httptest.NewRecorder(), r)
		if err != nil || request.Scope != "" || strings.Join(token.Scope, " ") != "orders.write orders.read" || token.Audience != "orders-api" {
			t.Errorf("%+v, %v", token, err)
		}
	}
	for _, r := range naming("defaulted", "", billing) {
		e.wantTarget(t, r, "", ReasonWrongResource)
	}
	for _, r := range naming("worker", "", billing) {
		if got := e.refuse(t, r); got.Code != CodeInvalidScope || got.Reason != ReasonNoScope {
			t.Errorf("%s, %s", got.Code, got.Reason)
		}
	}
}

// RFC 8707 section 2, RFC 9068 section 3: "SHOULD audience-restrict" to what was asked
// for. The scopes, too, are of that resource alone.
func TestAudienceIsTheResource(t *testing.T) {
	e := newEndpoint(t)
	for scope, row := range map[string]struct{ resource, audience string }{
		"orders.read":              {"orders-api", "orders-api"},
		"orders.write orders.read": {"orders-api", "orders-api"},
		"billing.read":             {billing, billing},
	} {
		for _, r := range naming("worker", scope, row.resource) {
			e.wantTarget(t, r, row.audience, "")
		}
		for _, r := range naming("worker", scope) {
			e.wantTarget(t, r, row.audience, "")
		}
	}
}
