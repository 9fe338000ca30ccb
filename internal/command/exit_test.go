package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/testport"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// ordinaryServer starts an admin endpoint on which everything is in order, or nothing.
func ordinaryServer(t *testing.T, inOrder bool) (address string) {
	t.Helper()
	refused := []adminapi.RefusedGroup{{ClientID: "reader", Reason: "missing_scope", Times: 1}}
	if inOrder {
		refused = nil
	}
	moment := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	return adminServer(t, map[string]any{
		"/tokenidp/keys":        []adminapi.IssuerKeys{},
		"/tokenidp/keys/rotate": adminapi.Rotation{},
		"/tokenidp/status":      adminapi.Status{Ready: inOrder},
		"/tokenidp/report":      []adminapi.RouteReport{{Route: "api.example.com", Source: "Caddyfile:1", WouldRefuse: refused}},
		"/tokenidp/secrets": []adminapi.IssuerSecrets{{Issuer: "https://a.example", Secrets: []adminapi.Secret{
			{ClientID: "reader", SecretID: "a", Removable: inOrder, Needed: "it was used", File: "apps.yaml", Line: 7},
		}}},
		"/tokenidp/trusted": []adminapi.TrustedIssuer{},
		"/tokenidp/applications": adminapi.Applications{Parts: []adminapi.ApplicationsPart{{
			Issuer: "https://a.example", File: "apps.yaml", Content: fmt.Sprintf(`{"resources": [{"name": "orders-api", "scopes": [{"name": "orders.read"}]}],
				"applications": [{"client_id": "reader", "active": %t, "scopes": ["orders.read"], "secrets": [{"id": "a", "hash": "{not rendered}"}]}]}`, inOrder),
		}}},
		"/tokenidp/explain": adminapi.Explanation{Verdict: adminapi.Verdict{Passes: inOrder}},
		"/tokenidp/revoke":  adminapi.RevokeResult{RevokeRequest: adminapi.RevokeRequest{TokenID: "a", Until: &moment}},
		"/config/":          json.RawMessage(ordinaryConfig),
	})
}

const ordinaryConfig = `{"apps": {"tokenidp": {"issuers": [{"issuer": "https://a.example", "applications": ["apps.yaml"]}]},
	"http": {"servers": {"s": {"listen": [":443"], "routes": [
		{"match": [{"host": ["api.example.com"], "path": ["/orders*"]}], "handle": [
			{"handler": "verify", "scopes": ["orders.read"], "source": "Caddyfile:1"}, {"handler": "reverse_proxy", "upstreams": [{"dial": "up:1"}]}]}]}}}}}`

// One rule is valid for every command: 0 is yes or done, 1 is no, 2 is no answer.
func TestExitCodes(t *testing.T) {
	yes, no, without := ordinaryServer(t, true), ordinaryServer(t, false), adminServer(t, nil)
	nobody := "127.0.0.1:" + testport.Free(t)
	for _, row := range []struct {
		args []string
		no   int // the exit code if the answer is no
	}{
		{[]string{"status"}, 1},
		{[]string{"report"}, 1},
		{[]string{"explain", "a.b.c"}, 1},
		{[]string{"access"}, 0},
		{[]string{"access", "--client", "reader"}, 1},
		{[]string{"secrets"}, 0},
		{[]string{"secrets", "--client", "reader", "--id", "a", "--retire"}, 1},
		{[]string{"keys"}, 0},
		{[]string{"keys", "rotate"}, 0},
		{[]string{"trusted"}, 0},
		{[]string{"revoke", "--jti", "a"}, 0},
	} {
		for address, want := range map[string]int{yes: 0, no: row.no, without: 2, nobody: 2} {
			if r := run(t, append(row.args, "--address", address)...); r.code != want {
				t.Errorf("%q: exit code %d, want %d: %s%s", row.args, r.code, want, r.stdout, r.stderr)
			}
		}
		if r := run(t, append(row.args, "--nonsense")...); r.code != 2 {
			t.Errorf("%q with a wrong flag: exit code %d", row.args, r.code)
		}
	}
	for _, args := range [][]string{
		{"statsu"}, {"keys", "rotaet"}, {"status", "now"}, {"secrets", "--retire"}, {"revoke", "--unknown-client", "--jti", "a"}, {"explain", "a", "b"},
		{"keypair", "--alg", "HS256"}, {"secret", "--expires", "soon"}, {"secret", "a"}, {"proof"}, {"proof", "a"}, {"token"}, {"token", "a"},
		{"access", "--route", "Caddyfile:2", "--address", yes},
	} {
		if r := run(t, args...); r.code != 2 {
			t.Errorf("%q: exit code %d: %s%s", args, r.code, r.stdout, r.stderr)
		}
	}
}

// The help of every command describes its exit codes.
func TestHelpHasTheExitCodes(t *testing.T) {
	group := &cobra.Command{Use: "tokenidp"}
	addCommands(group)
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd != group && (!strings.Contains(cmd.Long, "\nExit codes:\n  0  ") || !strings.Contains(cmd.Long, "\n  2  no answer: ")) {
			t.Errorf("%s: %s", cmd.CommandPath(), cmd.Long)
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(group)
}

// The table of docs/operations.md has the exit codes of each help.
func TestOperationsHasTheExitCodes(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	group := &cobra.Command{Use: "tokenidp"}
	addCommands(group)
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		says := make(map[string]string)
		_, codes, _ := strings.Cut(cmd.Long, "Exit codes:\n")
		for line := range strings.Lines(codes) {
			code, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
			says[code] = text
		}
		row := "| `" + strings.TrimPrefix(cmd.CommandPath(), "tokenidp ") + "`"
		if later := says["3"]; later != "" {
			row += " (3: " + later + ")"
		}
		row += " | " + says["0"] + " | " + says["1"] + " |\n"
		if row = strings.ReplaceAll(row, "|  |", "| |"); cmd != group && !strings.Contains(string(document), row) {
			t.Errorf("docs/operations.md has no row %s", row)
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(group)
}

// The error of a mistyped name suggests the correct name.
func TestMistypedNames(t *testing.T) {
	address := ordinaryServer(t, true)
	for want, args := range map[string][]string{
		"unknown command statsu; did you mean status?":                                {"statsu"},
		"unknown command acess; did you mean access?":                                 {"acess", "--client", "reader"},
		"unknown command rotaet; did you mean rotate?":                                {"keys", "rotaet", "--now"},
		"unknown command nonsense; say 'caddy tokenidp":                               {"nonsense"},
		"unknown flag: --clinet; did you mean --client":                               {"access", "--clinet", "reader"},
		`--alg "ES265" is not one of ES256, PS256, RS256, EdDSA; did you mean ES256?`: {"keypair", "--alg", "ES265"},
		"did you mean Caddyfile:1?":                                                   {"access", "--route", "Caddyfile:2", "--address", address},
		"did you mean api.example.com/orders*?":                                       {"access", "--route", "api.example.com/order*", "--address", address},
	} {
		if r := run(t, args...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %d %s", args, r.code, r.stderr)
		}
	}
}

// The error has only the sentence of the server's refusal.
func TestErrorOfTheServerIsItsSentence(t *testing.T) {
	address := adminServer(t, map[string]any{})
	r := run(t, "keys", "--address", address)
	if want := "there is no " + ascii.Escape(strings.ReplaceAll(hostile, "\n", "; ")) + "\n"; r.stderr != want {
		t.Errorf("%q, want %q", r.stderr, want)
	}
}

// Several mistakes are in one line.
func TestErrorIsOneLine(t *testing.T) {
	err := exit(&cobra.Command{}, fmt.Errorf("wrong: %w", errors.Join(errors.New("first"), errors.New("second"))))
	if want := "wrong: first; second"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// The version is the version of the module, in any build.
func TestVersion(t *testing.T) {
	if r := run(t, "--version"); r.code != 0 || !strings.HasPrefix(r.stdout, "TokenIDP ") || !strings.Contains(r.stdout, ", Caddy ") {
		t.Errorf("%+v", r)
	}
}
