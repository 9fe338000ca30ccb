package verifier

import (
	"strings"
	"testing"
)

// RFC 9728 sections 1.2 and 3: the well-known part goes between host and path.
func TestResourceIdentifiers(t *testing.T) {
	for identifier, want := range map[string]string{
		"https://api.example.com":         "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/orders":  "https://api.example.com/.well-known/oauth-protected-resource/orders",
		"http://localhost:5001/x/y":       "http://localhost:5001/.well-known/oauth-protected-resource/x/y",
		"http://api.example.com":          "!must be https",
		"https://api.example.com/":        "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/orders/": "!must not end in a slash",
		"https://api.example.com//":       "!must not end in a slash",
		"https://api.example.com?x":       "!no query",
		"https://api.example.com#x":       "!no fragment",
		"https://user@api.example.com":    "!must be an https URL",
		"ftp://api.example.com":           "!must be an https URL",
		"orders-api":                      "!must be an https URL",
		"":                                "!must be an https URL",
		"https://api.example.com/a%2Fb":   "!plain form",
		"https://api.example.com/a b":     "!plain form",
		"https://api.example.com:bad/x":   "!must be an https URL",
		"urn:example:api":                 "!must be an https URL",
		"https://[::1]:8443/orders/v1.0~": "https://[::1]:8443/.well-known/oauth-protected-resource/orders/v1.0~",
	} {
		r, err := NewResource(identifier)
		if message, refused := strings.CutPrefix(want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), message) {
				t.Errorf("%s: %v, want %s", identifier, err, message)
			}
			continue
		}
		if err != nil || r.MetadataURL != want || !strings.HasSuffix(want, r.MetadataPath) {
			t.Errorf("%s: %+v, %v", identifier, r, err)
		}
	}
}

// RFC 9728 section 2.
func TestResourceMetadata(t *testing.T) {
	r, err := NewResource("https://api.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		rules ResourceRules
		want  string
	}{
		{ResourceRules{}, `"bearer_methods_supported":["header"]}`},
		{ResourceRules{Issuers: []string{"https://idp.example.com"}, Scopes: []string{"orders.read"}},
			`"authorization_servers":["https://idp.example.com"],"scopes_supported":["orders.read"],"bearer_methods_supported":["header"]}`},
		{ResourceRules{MTLS: true, DPoP: true, DPoPRequired: true},
			`"bearer_methods_supported":["header"],"tls_client_certificate_bound_access_tokens":true,"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","ES384","ES512","PS256","PS384","PS512","RS256","RS384","RS512"],"dpop_bound_access_tokens_required":true}`},
	} {
		document, err := r.Metadata(row.rules)
		if want := `{"resource":"https://api.example.com",` + row.want; err != nil || string(document) != want {
			t.Errorf("%s, %v; want %s", document, err, want)
		}
	}
}

// RFC 3986 section 6.2.3, and nothing more. The requirements for a token stay the same.
func TestResourceOfAnAudience(t *testing.T) {
	for identifier, row := range map[string]struct{ same, others []string }{
		"https://api.example.com":        {[]string{"https://api.example.com", "https://api.example.com/"}, []string{"https://api.example.com//", "https://API.example.com", "https://api.example.com:443", "http://api.example.com", "api.example.com", ""}},
		"https://api.example.com/":       {[]string{"https://api.example.com", "https://api.example.com/"}, []string{"https://api.example.com/orders"}},
		"https://api.example.com/orders": {[]string{"https://api.example.com/orders"}, []string{"https://api.example.com/orders/", "https://api.example.com"}},
	} {
		r, err := NewResource(identifier)
		if err != nil {
			t.Fatal(err)
		}
		for _, audience := range row.same {
			if got, found := r.AudienceOf(&Requirement{Audiences: []string{"other", audience}}); !r.Is(audience) || !found || got != audience {
				t.Errorf("%s is not %s", identifier, audience)
			}
		}
		for _, audience := range row.others {
			if got, found := r.AudienceOf(&Requirement{Audiences: []string{audience}}); r.Is(audience) || found || got != "" {
				t.Errorf("%s is %s", identifier, audience)
			}
		}
		if _, found := r.AudienceOf(nil); found {
			t.Error("what accepts nothing accepts it")
		}
	}
}

func TestResourceThatCoversARequest(t *testing.T) {
	for _, row := range []struct {
		identifier, host, path string
		want                   int
	}{
		{"https://api.example.com", "api.example.com", "/", 0},
		{"https://api.example.com/", "api.example.com", "/orders", 0},
		{"https://api.example.com", "API.example.com", "/orders", 0},
		{"https://api.example.com/orders", "api.example.com", "/orders", 7},
		{"https://api.example.com/orders", "api.example.com", "/Orders/7", 7},
		{"https://api.example.com/orders", "api.example.com", "/orders2", -1},
		{"https://api.example.com/orders", "api.example.com", "/order", -1},
		{"https://api.example.com/orders", "api.example.com", "", -1},
		{"https://api.example.com/orders", "other.example.com", "/orders", -1},
		{"https://api.example.com:8443", "api.example.com", "/", -1},
		{"http://localhost:5001/a/b", "localhost:5001", "/a/b/", 4},
	} {
		r, err := NewResource(row.identifier)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Covers(row.host, row.path); got != row.want {
			t.Errorf("%+v: %d", row, got)
		}
	}
}
