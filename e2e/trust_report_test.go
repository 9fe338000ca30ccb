package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// How the keys of trusted issuers are is seen at the admin endpoint, by the command
// and in the metrics.
func TestTrustedIssuersAreVisible(t *testing.T) {
	t.Parallel()
	good, bad := newForeign(t, "/good"), newForeign(t, "/bad")
	good.publishKeys(jwkOf(attackerKey(), "k", nil), jwkOf(secondKey(), "encrypting", members{"use": "enc"}))
	api := startTrusting(t, newPorts(t), t.TempDir(), trustingOptions(good.trust(), bad.trust())+trustedSite("\trespond fine"))
	api.eventually("the first fetches", func() bool {
		all := api.trusted()
		return len(all) == 2 && all[0].Keys == 1 && all[1].LastError != ""
	})
	all := api.trusted()
	if s := all[0]; s.Issuer != good.issuer || s.From != good.server.URL+"/keys" || s.Stale || s.Expired || s.Age == nil || s.LastSuccess == nil || s.NextFetch == nil || len(s.Skipped) != 1 {
		t.Errorf("in order: %+v", s)
	}
	if s := all[1]; s.Issuer != bad.issuer || s.From != "" || !s.Stale || s.Age != nil || s.LastSuccess != nil || !strings.Contains(s.LastError, "status 404") {
		t.Errorf("without keys: %+v", s)
	}

	output, code := api.ctl("trusted")
	for _, pattern := range []string{
		`(?m)^ISSUER +KEYS +CONFIRMED +NEXT FETCH +FROM +STATE$`,
		`(?m)^` + good.issuer + ` +1 +20\S+ \S+ UTC +20\S+ \S+ UTC +` + good.server.URL + `/keys +in order: 1 entries are of no use, the first: key 1 \(kid "encrypting"\).*$`,
		`(?m)^` + bad.issuer + ` +0 +- +20\S+ \S+ UTC +- +no keys yet, its tokens are refused: .*status 404.*$`,
	} {
		if code != 0 || !regexp.MustCompile(pattern).MatchString(output) {
			t.Errorf("exit code %d, nothing like %s in\n%s", code, pattern, output)
		}
	}
	var listed []trustedState
	if output, code = api.ctl("trusted", "--json"); code != 0 || json.Unmarshal([]byte(output), &listed) != nil || len(listed) != 2 {
		t.Errorf("--json: %d %s", code, output)
	}
	output, code = api.ctl("status")
	for _, want := range []string{good.issuer, "trusted, 1 keys", "PROBLEM", bad.issuer + ": no keys yet", "state"} {
		if code == 0 || !strings.Contains(output, want) {
			t.Errorf("status lacks %q: %d\n%s", want, code, output)
		}
	}
	if a := api.do(http.MethodPost, "http://"+api.admin+"/tokenidp/trusted", ""); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST gets %d", a.StatusCode)
	}
	api.checkSamples(t, good.issuer, `1`, `1\.[0-9]+e\+09`, `1`)
	api.checkSamples(t, bad.issuer, `0`, `0`, `0`)

	good.setDown(true)
	api.reload() // which begins with a fetch
	api.eventually("the failed fetch", func() bool { return api.trusted()[0].Stale })
	api.checkSamples(t, good.issuer, `1`, `1\.[0-9]+e\+09`, `0`)
	if output, _ = api.ctl("trusted"); !strings.Contains(output, "out of reach, the last keys serve: ") {
		t.Errorf("stale:\n%s", output)
	}
}

// checkSamples looks at the metrics of a trusted issuer.
func (c *caddy) checkSamples(t *testing.T, issuer, keys, confirmed, inOrder string) {
	t.Helper()
	metrics := c.administer(http.MethodGet, "/metrics", "").body
	label := `\{issuer="` + regexp.QuoteMeta(issuer) + `"\} `
	for name, value := range map[string]string{
		"trusted_keys": keys, "trusted_keys_confirmed_timestamp_seconds": confirmed, "trusted_keys_in_order": inOrder,
	} {
		if !regexp.MustCompile(`(?m)^caddy_tokenidp_` + name + label + value + `$`).MatchString(metrics) {
			t.Errorf("%s of %s is not %s:\n%s", name, issuer, value, metrics)
		}
	}
}
