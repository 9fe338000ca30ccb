package statuspage

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, f Facts, method, tag string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/status", nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	if err := New(f, Query{}).Serve(w, r); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestETag checks that the ETag stays the same while only the time changes.
func TestETag(t *testing.T) {
	f := well(3)
	f.Now = f.Now.Add(10 * time.Second)
	first := serve(t, f, http.MethodGet, "")
	tag := first.Header().Get("ETag")
	f.Now = f.Now.Add(9 * time.Second)
	again := serve(t, f, http.MethodGet, tag)
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("9 s later: %d with %d bytes", again.Code, again.Body.Len())
	}
	if !strings.Contains(serve(t, f, http.MethodGet, "").Body.String(), "29 Nov 12:00:19 UTC") {
		t.Error("the page does not say when it was made")
	}
	f.Status.ReloadFailed = true
	changed := serve(t, f, http.MethodGet, tag)
	if changed.Code != http.StatusOK || changed.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d, ETag %s", changed.Code, changed.Header().Get("ETag"))
	}
}

// TestHeaders checks that the policy allows the content of the page, by its hash, and
// nothing else.
func TestHeaders(t *testing.T) {
	w := serve(t, well(3), http.MethodGet, "")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %s lacks %s", policy, want)
		}
	}
	for _, element := range []string{"style", "script"} {
		text := regexp.MustCompile(`(?s)<` + element + `>(.*)</` + element + `>`).FindStringSubmatch(w.Body.String())
		if text == nil || !strings.Contains(policy, element+"-src "+hash(text[1])) {
			t.Errorf("the policy does not allow the %s", element)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	if head := serve(t, well(3), http.MethodHead, ""); head.Body.Len() > 0 || head.Header().Get("ETag") != w.Header().Get("ETag") {
		t.Errorf("HEAD has %d bytes and the ETag %s", head.Body.Len(), head.Header().Get("ETag"))
	}
}

// TestNothingElsewhere checks that the page has no address that a browser fetches.
func TestNothingElsewhere(t *testing.T) {
	text := serve(t, wrong(3), http.MethodGet, "").Body.String()
	for _, m := range regexp.MustCompile(`(?:src|srcset|action|data|poster)="?([^" >]+)|url\(([^)]*)`).FindAllString(text, -1) {
		if m != `action="#reach` {
			t.Errorf("the page has %s", m)
		}
	}
	if n := strings.Count(text, "<link "); n != 1 {
		t.Errorf("the page has %d links to load, and not its icon alone", n)
	}
}

func TestRelative(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "less than 1 min ago", 59 * time.Second: "in less than 1 min", 61 * time.Minute: "in 1 h", -47 * time.Hour: "47 h ago", 48 * time.Hour: "in 2 d", -4000 * day: "4,000 d ago",
	} {
		if got := (Moment{noon.Add(d), noon}).Relative(); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
