package oauth

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// RFC 6749 section 3.3: scope-token *( SP scope-token ), each of them granted,
// and nothing narrowed. RFC 8707 section 2: one resource.
func TestScopes(t *testing.T) {
	e := newEndpoint(t)
	for _, row := range []struct {
		name, id, scope, resource string
		granted, audience         string
		want                      Reason
	}{
		{"one", "worker", "orders.read", "", "orders.read", "orders-api", ""},
		{"two", "worker", "orders.read orders.write", "", "orders.read orders.write", "orders-api", ""},
		{"as requested", "worker", "orders.write orders.read", "", "orders.write orders.read", "orders-api", ""},
		{"repeated", "worker", "orders.read orders.read", "", "orders.read", "orders-api", ""},
		{"of a resource with an identifier", "worker", "billing.read", "", "billing.read", "https://billing.example.com", ""},
		{"none, with defaults", "defaulted", "", "", "orders.write orders.read", "orders-api", ""},
		{"other than the defaults", "defaulted", "billing.read", "", "billing.read", "https://billing.example.com", ""},
		{"none, no default", "worker", "", "", "", "", ReasonNoScope},

		{"unknown", "worker", "orders.delete", "", "", "", ReasonScopeNotGranted},
		{"of nobody", "worker", "orders.admin", "", "", "", ReasonScopeNotGranted},
		{"of another resource", "worker", "stock.read", "", "", "", ReasonScopeNotGranted},
		{"one of two", "worker", "orders.read orders.admin", "", "", "", ReasonScopeNotGranted},
		{"other case", "worker", "Orders.read", "", "", "", ReasonScopeNotGranted},
		{"all", "worker", "*", "", "", "", ReasonScopeNotGranted},
		{"a prefix", "worker", "orders.", "", "", "", ReasonScopeNotGranted},
		{"two in one", "worker", "orders.read,orders.write", "", "", "", ReasonScopeNotGranted},
		{"placeholder", "worker", "{env.HOME}", "", "", "", ReasonScopeNotGranted},
		{"percent-encoded twice", "worker", "orders%2Eread", "", "", "", ReasonScopeNotGranted},

		{"two spaces", "worker", "orders.read  orders.write", "", "orders.read orders.write", "orders-api", ""},
		{"space before and after", "worker", " orders.read  ", "", "orders.read", "orders-api", ""},
		{"a space", "worker", " ", "", "", "", ReasonMalformedScope},
		{"tab", "worker", "orders.read\torders.write", "", "", "", ReasonMalformedScope},
		{"line break", "worker", "orders.read\norders.write", "", "", "", ReasonMalformedScope},
		{"no-break space", "worker", "orders.read\u00a0orders.write", "", "", "", ReasonMalformedScope},
		{"not ASCII", "worker", "ordérs", "", "", "", ReasonMalformedScope},
		{"letter that folds to s", "worker", "order\u017f.read", "", "", "", ReasonMalformedScope},

		{"resource by its name", "worker", "orders.read", "orders-api", "orders.read", "orders-api", ""},
		{"resource by its identifier", "worker", "billing.read", "https://billing.example.com", "billing.read", "https://billing.example.com", ""},
		{"resource of the defaults", "defaulted", "", "orders-api", "orders.write orders.read", "orders-api", ""},
		{"resource not of the defaults", "defaulted", "", "billing-api", "", "", ReasonWrongResource},
		{"another resource", "worker", "orders.read", "billing-api", "", "", ReasonWrongResource},
		{"unknown resource", "worker", "orders.read", "nothing", "", "", ReasonUnknownResource},
		{"resource without a granted scope", "worker", "orders.read", "stock-api", "", "", ReasonUnknownResource},
		{"identifier of other case", "worker", "billing.read", "https://Billing.example.com", "", "", ReasonUnknownResource},
		{"identifier with its empty path", "worker", "billing.read", "https://billing.example.com/", "billing.read", "https://billing.example.com", ""},
		{"identifier with a path", "worker", "billing.read", "https://billing.example.com/x", "", "", ReasonUnknownResource},
		{"two resources at once", "worker", "orders.read billing.read", "", "", "", ReasonSeveralResources},
	} {
		t.Run(row.name, func(t *testing.T) {
			more := ""
			if row.scope != "" {
				more += "&scope=" + url.QueryEscape(row.scope)
			}
			if row.resource != "" {
				more += "&resource=" + url.QueryEscape(row.resource)
			}
			_, token, err := e.issue(httptest.NewRecorder(), form(row.id, generated, more))
			wantRefused(t, err, 400, row.want)
			if err == nil && (strings.Join(token.Scope, " ") != row.granted || token.Audience != row.audience) {
				t.Errorf("scope %q, audience %q", token.Scope, token.Audience)
			}
		})
	}
}

// RFC 6749 section 3.3: every byte that a scope may have, and every other one.
func TestScopeCharacters(t *testing.T) {
	e := newEndpoint(t)
	for c := range 256 {
		allowed := c >= 0x21 && c <= 0x7e && c != '"' && c != '\\'
		_, err := Authorize(e.set, e.client(t, "worker"), &TokenRequest{GrantType: ClientCredentials, Scope: "a" + string([]byte{byte(c)}) + "b"}, time.Hour)
		want := ReasonMalformedScope
		if allowed || c == ' ' {
			want = ReasonScopeNotGranted
		}
		if got := refusal(t, err); got.Reason != want {
			t.Errorf("%#x: %s, want %s", c, got.Reason, want)
		}
	}
}

// RFC 6749 section 5.2: unauthorized_client.
func TestAClientUsesItsGrantTypesOnly(t *testing.T) {
	e := newEndpoint(t)
	client := &Client{Application: &application.Application{ClientID: "a", GrantTypes: []string{"urn:other"}}}
	_, err := Authorize(e.set, client, &TokenRequest{GrantType: ClientCredentials}, time.Hour)
	if got := refusal(t, err); got.Code != CodeUnauthorizedClient || got.Reason != ReasonGrantNotAllowed {
		t.Errorf("got %s, %s", got.Code, got.Reason)
	}
	_, err = Authorize(e.set, client, &TokenRequest{GrantType: "urn:other"}, time.Hour)
	if got := refusal(t, err); got.Code != CodeUnsupportedGrantType {
		t.Errorf("got %s, %s", got.Code, got.Reason)
	}
}

func (e *endpoint) client(t *testing.T, id string) *Client {
	t.Helper()
	app, ok := e.set.Application(id)
	if !ok {
		t.Fatalf("no client %s", id)
	}
	return &Client{Application: app, Secret: app.Secrets[0]}
}

// RFC 9068 section 2.2: these claims, and nothing that the request says.
func TestNothingOfTheRequestBecomesAClaim(t *testing.T) {
	e := newEndpoint(t)
	e.clock.Set(time.Date(2026, 3, 16, 12, 0, 0, 999_999_999, time.UTC))
	names := []string{"sub", "iss", "exp", "iat", "nbf", "aud", "audience", "jti", "client_name", "roles", "groups", "claims", "alg", "kid", "cnf", "act",
		"username", "user_id", "expires_in", "lifetime", "token_lifetime", "azp", "tenant", "nonce", "authorization_details"}
	formBody, jsonBody := "", ""
	for _, name := range names {
		formBody += "&" + name + "=admin"
		jsonBody += `,"` + name + `":{"sub":"admin","exp":9999999999}`
	}
	for name, row := range map[string]struct {
		id       string
		lifetime float64
		request  func(id string) (*AccessToken, error)
	}{
		"form": {"worker", 3600, func(id string) (*AccessToken, error) {
			_, token, err := e.issue(httptest.NewRecorder(), form(id, generated, "&scope=orders.read"+formBody))
			return token, err
		}},
		"JSON, own lifetime": {"defaulted", 600, func(id string) (*AccessToken, error) {
			_, token, err := e.issue(httptest.NewRecorder(), post(jsonType, `{"grantType":"client_credentials","scope":"orders.read","clientId":"`+id+`","clientSecret":"`+generated+`"`+jsonBody+"}"))
			return token, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := row.request(row.id)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(must(token.Claims()), &got); err != nil {
				t.Fatal(err)
			}
			if id, ok := got["jti"].(string); !ok || len(id) != 22 {
				t.Errorf("jti %v", got["jti"])
			}
			iat := float64(e.clock.Now().Unix())
			want := map[string]any{
				"iss": "https://idp.example.com", "sub": row.id, "client_id": row.id, "aud": "orders-api", "scope": "orders.read",
				"iat": iat, "exp": iat + row.lifetime, "jti": got["jti"],
			}
			if g, w := must(json.Marshal(got)), must(json.Marshal(want)); string(g) != string(w) {
				t.Errorf("claims %s, want %s", g, w)
			}
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(slices.Values(ClaimNames))) {
				t.Errorf("a token has the claims %v, and ClaimNames are %v", names, ClaimNames)
			}
			// RFC 6749 section 5.1: expires_in is the lifetime.
			if float64(token.ExpiresIn()) != row.lifetime {
				t.Errorf("expires_in %d", token.ExpiresIn())
			}
		})
	}
}

// RFC 7519 section 4.1.7.
func TestTokenIDsAreUnique(t *testing.T) {
	e := newEndpoint(t)
	client := e.client(t, "worker")
	seen := make(map[string]bool)
	for range 10_000 {
		id := NewAccessToken("https://idp.example.com", client, &application.Grant{}, e.clock.Now()).ID
		if seen[id] || len(id) != 22 { // 128 bits in base64url
			t.Fatalf("jti %q", id)
		}
		seen[id] = true
	}
}

// RFC 9068 section 2.2.3: the Application's own claims are beside the others, and
// count for the size.
func TestOwnClaims(t *testing.T) {
	client := &Client{Application: &application.Application{ClientID: "a", Claims: []byte(`{"org":{"unit":7},"team":"shop"}`)}}
	token := NewAccessToken(idp, client, &application.Grant{Audience: "orders-api", Lifetime: time.Hour}, time.Now())
	claims, err := token.Claims()
	if err != nil {
		t.Fatal(err)
	}
	object, err := strictjson.Object(claims)
	if err != nil || object["team"] != "shop" || object["iss"] != idp || object["jti"] != token.ID || fmt.Sprint(object["org"]) != "map[unit:7]" {
		t.Errorf("%s: %v", claims, err)
	}
	token.More = []byte(`{"a":"` + strings.Repeat("b", maxClaims) + `"}`)
	if _, err := token.Claims(); err == nil {
		t.Error("a token that no verifier takes was made")
	}
}
