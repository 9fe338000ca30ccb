package adminapi

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

func answering(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return clientAt(t, server.Listener.Addr().String())
}

func clientAt(t *testing.T, address string) *Client {
	t.Helper()
	c, err := NewClient(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is wrong is one sentence, without what carried it.
func TestErrorsOfTheServer(t *testing.T) {
	for _, row := range []struct {
		status int
		body   string
		want   string
	}{
		{409, `{"error":"this server does not issue; rotate on one that does"}`, "this server does not issue; rotate on one that does"},
		{404, `{"error":"no issuer is configured"}`, "no issuer is configured"},
		{404, "404 page not found\n", "this Caddy does not know the question; is it built with this module, in this version?"},
		{502, "<html>", "the admin endpoint answers 502 Bad Gateway"},
		{500, `{"error":""}`, "the admin endpoint answers 500 Internal Server Error"},
	} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(row.status)
			_, _ = w.Write([]byte(row.body))
		})
		if _, err := c.Keys(t.Context()); err == nil || err.Error() != row.want {
			t.Errorf("%d %s: %v", row.status, row.body, err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	address := "127.0.0.1:" + testport.Free(t)
	_, err := clientAt(t, address).Keys(t.Context())
	if err == nil || !strings.Contains(err.Error(), "asking the admin endpoint at "+address+": ") || !strings.Contains(err.Error(), "is Caddy running") || strings.Contains(err.Error(), "http://") {
		t.Errorf("nobody there: %v", err)
	}
	_, err = answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[{")) }).Keys(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the answer of the admin endpoint at ") {
		t.Errorf("cut off: %v", err)
	}
	for _, address := range []string{"localhost:1-5", "localhost:x"} {
		if _, err := NewClient(address); err == nil || !strings.Contains(err.Error(), "write it as localhost:2019") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Caddy's admin endpoint may listen on a socket, with its permissions in the address.
func TestClientOfASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `[{"issuer":%q}]`, r.Host+r.Header.Get("Origin"))
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	if all, err := clientAt(t, "unix/"+path+"|0220").Keys(t.Context()); err != nil || len(all) != 1 || all[0].Issuer != "127.0.0.1" {
		t.Errorf("%+v, %v", all, err)
	}
}

// A client follows the pages, and stops where something is wrong.
func TestPages(t *testing.T) {
	page := Page{}
	for name, row := range map[string]struct {
		handler func(w http.ResponseWriter, r *http.Request, after []string)
		want    string
	}{
		"to the last": {func(w http.ResponseWriter, r *http.Request, after []string) {
			if len(after) == 0 || len(after[0]) < 3 {
				page.Link(w, r, strings.Join(after, "")+"x")
			}
			_, _ = fmt.Fprintf(w, `[{"route":"%d"}]`, len(strings.Join(after, "")))
		}, "0123"},
		"one that names itself": {func(w http.ResponseWriter, r *http.Request, _ []string) {
			page.Link(w, r, "x")
			_, _ = fmt.Fprint(w, `[{"route":"0"}]`)
		}, "gives one page again and again"},
		"an error": {func(w http.ResponseWriter, r *http.Request, after []string) {
			if after != nil {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprint(w, `{"error":"enough"}`)
				return
			}
			page.Link(w, r, "x")
			_, _ = fmt.Fprint(w, `[]`)
		}, "enough"},
	} {
		c := answering(t, func(w http.ResponseWriter, r *http.Request) {
			asked, err := ReadPage(r.URL.Query(), 1)
			if err != nil || asked.Limit != PageSize {
				t.Errorf("%s: %+v, %v", r.URL, asked, err)
			}
			row.handler(w, r, asked.After)
		})
		all, err := c.Report(t.Context(), false)
		got := fmt.Sprint(err)
		if err == nil {
			got = ""
			for _, r := range all {
				got += r.Route
			}
		}
		if !strings.Contains(got, row.want) {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}
