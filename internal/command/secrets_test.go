package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// pagedSecrets starts an admin endpoint with many secrets of an issuer, after one secret of
// another issuer, and before an issuer without secrets.
func pagedSecrets(t *testing.T, n int) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := adminapi.ReadPage(r.URL.Query(), 1)
		if err != nil {
			t.Error(err)
		}
		first := 0
		all := []adminapi.IssuerSecrets{{Issuer: "https://a.example", Secrets: []adminapi.Secret{{ClientID: "a"}}}, {Issuer: "https://b.example", Secrets: []adminapi.Secret{}}}
		if page.After != nil {
			_, _ = fmt.Sscan(page.After[0], &first)
			all = all[1:]
		}
		last := min(n, first+page.Limit)
		for i := first; i < last; i++ {
			secrets := &all[len(all)-1].Secrets
			*secrets = append(*secrets, adminapi.Secret{ClientID: fmt.Sprintf("client-%06d", i), SecretID: "2026-11", State: "valid", Needed: "it is watched only since\u202e"})
		}
		if last < n {
			page.Link(w, r, fmt.Sprint(last))
		} else {
			all = append(all, adminapi.IssuerSecrets{Issuer: "https://c.example", Secrets: []adminapi.Secret{}})
		}
		_ = json.NewEncoder(w).Encode(all)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Any number of secrets is listed, and their JSON is one list.
func TestSecretsHaveNoEnd(t *testing.T) {
	t.Parallel()
	address := pagedSecrets(t, 100_000)
	r := run(t, "secrets", "--json", "--address", address)
	var all []adminapi.IssuerSecrets
	if err := json.Unmarshal([]byte(r.stdout), &all); err != nil || r.code != 0 || !harmless(r.stdout) {
		t.Fatalf("exit code %d, %v, %s", r.code, err, r.stderr)
	}
	if len(all) != 3 || len(all[0].Secrets) != 1 || len(all[1].Secrets) != 100_000 || all[1].Secrets[99_999].ClientID != "client-099999" || all[2].Secrets == nil {
		t.Errorf("%d issuers", len(all))
	}
	if r := run(t, "secrets", "--address", address); r.code != 0 || strings.Count(r.stdout, "\n") != 100_001+2*3 {
		t.Errorf("exit code %d, %d lines", r.code, strings.Count(r.stdout, "\n"))
	}
}

// The stream equals the JSON of the whole, for any page boundaries.
func TestStreamedSecrets(t *testing.T) {
	a, b, none := adminapi.Secret{ClientID: "a"}, adminapi.Secret{ClientID: "b"}, []adminapi.Secret{}
	for name, pages := range map[string][][]adminapi.IssuerSecrets{
		"nothing":              {{}},
		"an issuer without":    {{{Issuer: "x", Secrets: none}}},
		"two without":          {{{Issuer: "x", Secrets: none}, {Issuer: "y", Secrets: none}}},
		"one page":             {{{Issuer: "x", Secrets: []adminapi.Secret{a, b}}, {Issuer: "y", Secrets: []adminapi.Secret{a}}}},
		"two pages of one":     {{{Issuer: "x", Secrets: []adminapi.Secret{a}}}, {{Issuer: "x", Secrets: []adminapi.Secret{b}}}},
		"an issuer that opens": {{{Issuer: "x", Secrets: none}}, {{Issuer: "x", Secrets: []adminapi.Secret{b}}, {Issuer: "y", Secrets: none}}},
	} {
		seq := func(yield func([]adminapi.IssuerSecrets, error) bool) {
			for _, page := range pages {
				if !yield(page, nil) {
					return
				}
			}
		}
		whole, err := allSecrets(seq)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := streamSecrets(&printer{stdout: &text}, seq); err != nil {
			t.Fatal(err)
		}
		var got []adminapi.IssuerSecrets
		if err := json.Unmarshal(text.Bytes(), &got); err != nil || len(got) != len(whole) || len(got) > 0 && !reflect.DeepEqual(got, whole) {
			t.Errorf("%s: %v: %s", name, err, text.String())
		}
	}
}

// The answer says whether a secret can be removed, and its place says where.
func TestRetireAnswers(t *testing.T) {
	retire := []string{"secrets", "--client", "reader", "--id", "a", "--retire", "--address"}
	if r := run(t, append(retire, ordinaryServer(t, true))...); r.code != 0 || r.stdout != "nobody uses the secret a of reader any more; remove it at apps.yaml:7\n" {
		t.Errorf("%+v", r)
	}
	if r := run(t, append(retire, ordinaryServer(t, false))...); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "the secret a of reader stays, because it was used") {
		t.Errorf("%+v", r)
	}
}
