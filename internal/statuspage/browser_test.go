//go:build peers

package statuspage

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// browser reads pages in a real Chromium, and returns the problems of the pages.
func browser(t *testing.T, env ...string) (said struct{ Wrong, Headlines []string }) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "status-page.mjs")
	cmd.Dir = os.Getenv("TOKENIDP_PEERS")
	if cmd.Dir == "" {
		t.Fatal("TOKENIDP_PEERS names no folder; copy e2e/testdata/peers, run `npm ci` in the copy, and set it to that")
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CHROMIUM=" + chromium, "SHOTS=" + os.Getenv("TOKENIDP_SHOTS")}, env...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if err := json.Unmarshal(output, &said); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return said
}

// TestPeerChromium reads the page as a person does: on a phone and on a desk, light and
// dark, with the keyboard, without a script, and with the rules of axe-core for readers who
// do not see it.
func TestPeerChromium(t *testing.T) {
	type address struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	mux, pages := http.NewServeMux(), []address{}
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, row := range []struct {
		name  string
		facts Facts
		query string
	}{
		{"well 0", well(0), ""},
		{"well 3", well(3), ""},
		{"well 3 client", well(3), "client=orders-worker"},
		{"well 200 route", well(200), "route=" + url.QueryEscape(routes[1].id)},
		{"well 200", well(200), ""},
		{"wrong 3", wrong(3), ""},
		{"wrong 10000", wrong(10_000), ""},
		{"crowded search", crowded(10_000), "q=0001"},
		{"no map", mapped(Map{Problem: "a module of the configuration panicked: odd"}), ""},
		{"another map later", mapped(Map{At: in(-4 * time.Minute), Version: "3f2a9c1b5d6e7f80", Changed: true, Next: in(90 * time.Second)}), ""},
		{"odd answers", odd(), "route=" + url.QueryEscape(routes[1].id)},
	} {
		path := "/" + url.PathEscape(row.name)
		mux.HandleFunc("GET "+"/"+url.PathEscape(row.name), func(w http.ResponseWriter, r *http.Request) {
			if err := New(row.facts, ReadQuery(r.URL.Query())).Serve(w, r); err != nil {
				t.Error(err)
			}
		})
		pages = append(pages, address{row.name, server.URL + path + "?" + row.query})
	}
	list, err := json.Marshal(pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range browser(t, "PAGES="+string(list)).Wrong {
		t.Error(wrong)
	}
}

// TestPeerChromiumRefresh checks that an open page follows the server, and says so if the
// server does not answer.
func TestPeerChromiumRefresh(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := well(3)
		switch asked.Add(1) {
		case 4:
			f.Status.ReloadFailed = true
		case 5:
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if err := New(f, Query{}).Serve(w, r); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	said := browser(t, "PAGES=[]", "LIVE="+server.URL)
	want := []string{"All in order", "first: 200", "All in order", "same: 304", "All in order", "changed: 200", "1 thing needs you", "gone: 502", "1 thing needs you"}
	if !slices.Equal(said.Headlines, want) {
		t.Errorf("the page says %q, want %q", said.Headlines, want)
	}
}
