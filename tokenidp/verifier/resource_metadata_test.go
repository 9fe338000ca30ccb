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
		"https://api.example.com/":        "!must not end in a slash",
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
	document, err := r.Metadata([]string{"https://idp.example.com"}, []string{"orders.read"})
	const want = `{"resource":"https://api.example.com","authorization_servers":["https://idp.example.com"],"scopes_supported":["orders.read"],"bearer_methods_supported":["header"]}`
	if err != nil || string(document) != want {
		t.Errorf("%s, %v", document, err)
	}
	if document, _ = r.Metadata(nil, nil); string(document) != `{"resource":"https://api.example.com","bearer_methods_supported":["header"]}` {
		t.Errorf("%s", document)
	}
}
