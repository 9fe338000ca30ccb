package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// RFC 8414 section 3.1, and OpenID Connect Discovery section 4.
func TestDiscover(t *testing.T) {
	for _, row := range []struct {
		name, path, at string
		asks           int
	}{
		{"the root", "", "/.well-known/oauth-authorization-server", 1},
		{"a path", "/a/b", "/.well-known/oauth-authorization-server/a/b", 1},
		{"a slash at the end", "/a/", "/.well-known/oauth-authorization-server/a", 1},
		{"OpenID, the root", "", "/.well-known/openid-configuration", 2},
		{"OpenID, a path", "/a", "/a/.well-known/openid-configuration", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != row.at {
					http.NotFound(w, r)
					return
				}
				base := "https://" + r.Host
				answering(200, `{"issuer":"`+base+row.path+`","token_endpoint":"`+base+`/t","mtls_endpoint_aliases":{"token_endpoint":"`+base+`/m"}}`)(w, r)
			})
			server, err := Discover(t.Context(), e.web(), e.URL+row.path)
			if err != nil {
				t.Fatal(err)
			}
			if *server != (Server{e.URL + row.path, e.URL + "/t", e.URL + "/m"}) || len(e.asked) != row.asks {
				t.Errorf("%+v after %d requests", server, len(e.asked))
			}
		})
	}
}

// RFC 8705 section 5: only who has a certificate asks where certificates are asked for.
func TestEndpointForCertificates(t *testing.T) {
	for _, row := range []struct {
		usesTLS     bool
		alias, want string
	}{{true, "https://b", "https://b"}, {false, "https://b", "https://a"}, {true, "", "https://a"}} {
		c := &Client{UsesTLS: row.usesTLS, Server: Server{TokenEndpoint: "https://a", TLSTokenEndpoint: row.alias}}
		if got := c.endpoint(); got != row.want {
			t.Errorf("%+v: %s", row, got)
		}
	}
}

func TestIssuersThatAreRefused(t *testing.T) {
	for name, issuer := range map[string]string{
		"http": "http://idp.example.com", "no host": "https://", "a user": "https://a@idp.example.com", "a fragment": "https://idp.example.com#a",
		"a query": "https://idp.example.com?a", "no URL": "idp", "nothing": "", "opaque": "https:idp",
	} {
		if server, err := Discover(t.Context(), http.DefaultClient, issuer); err == nil {
			t.Errorf("%s: %v", name, server)
		}
	}
}

// RFC 8414 section 3.3: metadata of another issuer must not be used. Nor is a second
// place asked where the first has something else to say than that there are none.
func TestMetadataThatAreRefused(t *testing.T) {
	const head, tail = `{"issuer":"https://idp.example.com","token_endpoint":`, `}`
	for name, row := range map[string]struct{ body, says string }{
		"another issuer":     {`{"issuer":"https://idp.example.com/","token_endpoint":"https://idp.example.com/token"}`, "write it exactly as the issuer does"},
		"no issuer":          {`{"token_endpoint":"https://idp.example.com/token"}`, "write it exactly as the issuer does"},
		"no endpoint":        {`{"issuer":"https://idp.example.com"}`, "not a URL with a host"},
		"an http endpoint":   {head + `"http://idp.example.com/token"` + tail, "must be https"},
		"a number":           {head + "1" + tail, "not a URL"},
		"an http alias":      {head + `"https://idp.example.com/token","mtls_endpoint_aliases":{"token_endpoint":"http://idp.example.com"}` + tail, "must be https"},
		"a repeated issuer":  {`{"issuer":"https://a","issuer":"https://idp.example.com","token_endpoint":"https://a"}`, "reading the metadata"},
		"no JSON":            {"<html>", "reading the metadata"},
		"something trailing": {head + `"https://a"` + tail + "{}", "reading the metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			if server, err := parseMetadata("https://idp.example.com", []byte(row.body)); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v, %v", server, err)
			}
		})
	}
	wrong := newEndpoint(t, answering(200, "{}"))
	if _, err := Discover(t.Context(), wrong.web(), wrong.URL); err == nil || len(wrong.asked) != 1 {
		t.Errorf("%v after %d requests", err, len(wrong.asked))
	}
	away := newEndpoint(t, answering(302, "", "Location: "+wrong.URL))
	if _, err := Discover(t.Context(), away.web(), away.URL); !errors.Is(err, errNoMetadata) || len(wrong.asked) != 1 {
		t.Errorf("a redirect of the metadata: %v", err)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://a","token_endpoint":"https://a/token","mtls_endpoint_aliases":{"token_endpoint":"https://b"}}`))
	f.Add([]byte(`{"issuer":"https://a","token_endpoint":"http://a/token"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		server, err := parseMetadata("https://a", body)
		if err != nil {
			return
		}
		for _, endpoint := range []string{server.TokenEndpoint, server.TLSTokenEndpoint} {
			if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || !weburl.IsProtected(u)) {
				t.Errorf("%q", endpoint)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(bearer), "30", false)
	f.Add([]byte(`{"error":"invalid_client","error_description":"no"}`), "Wed, 25 Nov 2026 12:01:00 GMT", true)
	f.Fuzz(func(t *testing.T, body []byte, after string, bound bool) {
		if token, err := parseToken(body, bound); err == nil {
			if token.AccessToken == "" || strings.ContainsAny(token.AccessToken, " \r\n\x00") || bound == strings.EqualFold(token.TokenType, "Bearer") {
				t.Errorf("%+v", token)
			}
		}
		if r := newRefusal(400, http.Header{"Retry-After": {after}}, body, noon); r.RetryAfter < 0 || r.Error() == "" {
			t.Errorf("%+v", r)
		}
	})
}
