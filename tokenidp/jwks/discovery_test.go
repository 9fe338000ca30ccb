package jwks

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

const (
	oauthMetadata  = weburl.AuthorizationServer
	openidMetadata = weburl.OpenIDConfiguration
)

func discovering(o *Options) { o.JWKSURL = "" }

func TestDiscoveryFindsTheKeys(t *testing.T) {
	for name, row := range map[string]struct {
		issuer   string
		location string
	}{
		"RFC 8414":              {testIssuer, oauthMetadata},
		"OpenID":                {testIssuer, openidMetadata},
		"RFC 8414, with a path": {testIssuer + "/realms/a", oauthMetadata + "/realms/a"},
		"OpenID, with a path":   {testIssuer + "/realms/a", "/realms/a" + openidMetadata},
		"OpenID, with a slash":  {testIssuer + "/", openidMetadata},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish(row.location, metadata(row.issuer, testJWKS))
				i.publish("/jwks", newSet(t, "k1"))
				s, _ := i.source(t, discovering, func(o *Options) { o.Issuer = row.issuer })
				mustKey(t, s, "k1")
				if h := s.Health(); h.From != testJWKS || h.Warning != "" {
					t.Errorf("%+v", h)
				}
			})
		})
	}
}

// RFC 8414 section 3.3: the issuer in the metadata is the one asked for, or the
// metadata is not used. And jwks_uri is https, or does not leave the machine.
func TestMetadataAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		body string
		want string
	}{
		"another issuer":         {metadata("http://other.localhost", testJWKS), "its issuer is"},
		"a slash more":           {metadata(testIssuer+"/", testJWKS), "its issuer is"},
		"another case":           {metadata("http://IDP.localhost", testJWKS), "its issuer is"},
		"default port":           {metadata(testIssuer+":80", testJWKS), "its issuer is"},
		"no issuer":              {`{"jwks_uri":"` + testJWKS + `"}`, "its issuer is"},
		"issuer in another case": {`{"Issuer":"` + testIssuer + `","jwks_uri":"` + testJWKS + `"}`, "its issuer is"},
		"issuer twice":           {`{"issuer":"x","issuer":"` + testIssuer + `","jwks_uri":"` + testJWKS + `"}`, "JSON"},
		"issuer a list":          {`{"issuer":["` + testIssuer + `"],"jwks_uri":"` + testJWKS + `"}`, "its issuer is"},
		"no jwks_uri":            {`{"issuer":"` + testIssuer + `"}`, "no jwks_uri"},
		"jwks_uri null":          {`{"issuer":"` + testIssuer + `","jwks_uri":null}`, "no jwks_uri"},
		"jwks_uri long":          {metadata(testIssuer, testJWKS+strings.Repeat("x", weburl.MaxLength)), "no jwks_uri"},
		"jwks_uri relative":      {metadata(testIssuer, "/jwks"), "not a URL with a host"},
		"jwks_uri http":          {metadata(testIssuer, "http://idp.example/jwks"), "must be https"},
		"jwks_uri http, private": {metadata(testIssuer, "http://169.254.169.254/latest"), "must be https"},
		"jwks_uri file":          {metadata(testIssuer, "file:///etc/passwd"), "not a URL with a host"},
		"jwks_uri with a user":   {metadata(testIssuer, "http://hidden:hidden@idp.localhost/jwks"), "no user"},
		"not JSON":               {"<!DOCTYPE html>", "JSON"},
		"an array":               {"[]", "JSON"},
		"too large":              {metadata(testIssuer, testJWKS) + strings.Repeat(" ", maxBody), "more than 512 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish("/jwks", newSet(t, "k1"))
				i.publish(oauthMetadata, row.body)
				i.publish(openidMetadata, row.body)
				s, _ := i.source(t, discovering)
				err := wantOutOfReach(t, s, "k1")
				if !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hidden") || len(err.Error()) > 1000 {
					t.Errorf("%v; want %q", err, row.want)
				}
				if asked := i.requests(""); len(asked) != 2 {
					t.Errorf("asked %v", asked)
				}

				i.publish(openidMetadata, metadata(testIssuer, testJWKS)) // one good location is enough
				time.Sleep(minInterval)
				mustKey(t, s, "k1")
			})
		})
	}
}

func TestMetadataAreReadAgainNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish(openidMetadata, metadata(testIssuer, testJWKS))
		i.publish("/jwks", newSet(t, "k1"), `ETag: "old"`)
		s, _ := i.source(t, discovering)
		run(t, s)
		time.Sleep(10 * time.Hour)
		if n := len(i.requests(openidMetadata)); n < 9 || n > 11 {
			t.Errorf("read %d times in ten hours", n)
		}
		if n := len(i.requests(oauthMetadata)); n != 1 {
			t.Errorf("the location that has nothing was asked %d times", n)
		}

		// It moves, and the old place still answers.
		i.publish("/new", newSet(t, "k2"))
		i.publish(openidMetadata, metadata(testIssuer, testIssuer+"/new"))
		time.Sleep(rediscoverEvery + defaultRefresh)
		mustKey(t, s, "k2")
		wantUnknown(t, s, "k1")
		if etag := i.requests("/new")[0].header.Get("If-None-Match"); etag != "" {
			t.Errorf("the new place is asked about the old one's document %s", etag)
		}

		// It moves, and the old place is gone: found with the next fetch but one.
		i.answer("/new", http.NotFound)
		i.publish("/newer", newSet(t, "k3"))
		i.publish(openidMetadata, metadata(testIssuer, testIssuer+"/newer"))
		time.Sleep(defaultRefresh + minBackoff)
		mustKey(t, s, "k3")
	})
}

// Metadata out of reach are no reason to give up keys within it; for ever is too long.
func TestMetadataOutage(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"gone": http.NotFound, "hanging": hang,
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, metadata("http://other.localhost", "http://other.localhost/jwks"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t)
				i.publish(openidMetadata, metadata(testIssuer, testJWKS))
				i.publish("/jwks", newSet(t, "k1"))
				s, logs := i.source(t, discovering)
				run(t, s)
				time.Sleep(time.Minute)
				i.answer(openidMetadata, answer)
				time.Sleep(DefaultMaxStale - time.Hour)
				i.publish("/jwks", newSet(t, "k2"))
				time.Sleep(defaultRefresh + fetchTimeout)
				mustKey(t, s, "k2")
				if h := s.Health(); h.Stale || !strings.Contains(h.Warning, "discovering") {
					t.Errorf("%+v", h)
				}
				if logs.FilterLevelExact(zap.WarnLevel).Len() == 0 {
					t.Error("not logged")
				}
				time.Sleep(DefaultMaxStale + 2*time.Hour)
				wantOutOfReach(t, s, "k2")
				i.publish(openidMetadata, metadata(testIssuer, testJWKS))
				time.Sleep(maxBackoff)
				mustKey(t, s, "k2")
			})
		})
	}
}

// Requests that wait for keys do not wait, time and again, for metadata first; and a
// problem that lasts is one line in the log.
func TestMetadataOutOfReachAreLeftInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.publish(openidMetadata, metadata(testIssuer, testJWKS))
		i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=60")
		s, logs := i.source(t, discovering)
		run(t, s)
		time.Sleep(time.Minute)
		i.answer(openidMetadata, http.NotFound)
		time.Sleep(2 * rediscoverEvery)
		before := len(i.requests(openidMetadata))
		time.Sleep(10 * rediscoverRetry)
		if asked := len(i.requests(openidMetadata)) - before; asked < 8 || asked > 10 {
			t.Errorf("asked %d times in %s", asked, 10*rediscoverRetry)
		}
		if told := logs.FilterLevelExact(zap.WarnLevel).Len(); told != 1 {
			t.Errorf("logged %d times", told)
		}
	})
}

// A location that hangs does not hide the other.
func TestHangingMetadataLocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		i.answer(oauthMetadata, hang)
		i.publish(openidMetadata, metadata(testIssuer, testJWKS))
		i.publish("/jwks", newSet(t, "k1"))
		s, _ := i.source(t, discovering)
		run(t, s)
		wantOutOfReach(t, s, "k1")
		time.Sleep(minBackoff)
		mustKey(t, s, "k1")
	})
}

// Two issuers with the same kid do not mix.
func TestTwoIssuersDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(t)
		for _, path := range []string{"/a", "/b"} {
			i.publish(path+openidMetadata, metadata(testIssuer+path, testIssuer+path+"/jwks"))
			i.publish(path+"/jwks", newSet(t, "k1"))
		}
		a, _ := i.source(t, discovering, func(o *Options) { o.Issuer = testIssuer + "/a" })
		b, _ := i.source(t, discovering, func(o *Options) { o.Issuer = testIssuer + "/b" })
		if mustKey(t, a, "k1").Thumbprint() == mustKey(t, b, "k1").Thumbprint() {
			t.Error("one key for two issuers")
		}
	})
}
