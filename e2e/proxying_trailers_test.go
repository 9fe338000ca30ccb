package e2e

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
)

// RFC 9110 section 6.5: trailers arrive in both directions, but for claim
// headers, which no client sets at the end either. Over HTTP/3, Caddy v2.11.9
// loses the values of those from the client, with or without verify.
func TestTrailersAreProxied(t *testing.T) {
	got := make(chan http.Header, 1)
	p := startProxied(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.Copy(w, r.Body)
		got <- r.Trailer
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	}))
	for version, transport := range p.versions(t) {
		t.Run(version, func(t *testing.T) {
			r := p.request(http.MethodPost, "https://localhost:5001/orders", "hello", bearer(p.good)).WithContext(bounded(t))
			r.ContentLength = -1
			r.Trailer = http.Header{"X-Sum": {"7"}, "X-Client-Id": {"admin"}, "X_client_id": {"admin"}}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if a := whole(t, response); a.body != "hello" || a.Trailer.Get("X-Sum") != "1" || a.Trailer.Get("X-Late") != "2" {
				t.Errorf("%q, trailer %v", a.body, a.Trailer)
			}
			want := http.Header{"X-Sum": {"7"}}
			if version == "HTTP/3.0" {
				want = http.Header{"X-Sum": nil}
			}
			if arrived := <-got; !maps.EqualFunc(arrived, want, slices.Equal) {
				t.Errorf("the upstream got the trailer %v", arrived)
			}
			checkIdentity(t, p.arrived(t).header)
		})
	}
}
