package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// rotating is an Application whose secrets overlap.
const rotating = `
# Kept by the shop's team.
resources:
  - name: orders-api
    scopes: [{name: orders.read}]
applications:
  - client_id: reader
    secrets:
      - id: "2026-05" # the old one
        hash: ` + shopHash + `
        expires: %s
      # made in November
      - id: "2026-11"
        hash: "$argon2id$v=19$m=19456,t=2,p=1$eDZ1OU1qM0hQa1l5cTBuRA$u6T1rVdZ4mXo7vB2sQk9wE5yH8cJ3nF0aL1gR6tPiNc"
    scopes: [orders.read]
`

// startRotating is the shop with that Application alone.
func startRotating(t *testing.T, expires time.Time, option string, o options) *caddy {
	t.Helper()
	o.files = map[string]string{"applications.yaml": fmt.Sprintf(rotating, expires.Format(time.DateOnly))}
	return start(t, shopWith(option), o)
}

// watched makes a storage in which a node of an earlier release has watched the secrets
// for days, and saw the old one used.
func watched(t *testing.T, p *ports, days int) (home string) {
	t.Helper()
	home = t.TempDir()
	files := &certmagic.FileStorage{Path: filepath.Join(home, ".local/share/caddy")}
	began, now := time.Now().AddDate(0, 0, -days).Unix(), time.Now().Unix()
	entry := fmt.Sprintf(`{"version":1,"watched":[%[1]d,%[2]d],"secrets":{"reader":{"2026-05":[%[2]d,%[1]d],"2026-11":[0,%[1]d]}}}`, began, now)
	key := storage.Folder(p.replace("https://localhost:5001")) + "/last_use/0123456789abcdef0123456789abcdef-1.json"
	if err := files.Store(t.Context(), key, []byte(entry)); err != nil {
		t.Fatal(err)
	}
	return home
}

type secretRow struct {
	ClientID  string `json:"client_id"`
	SecretID  string `json:"secret_id"`
	State     string
	ExpiresAt string `json:"expires_at"`
	LastUsed  string `json:"last_used"`
	Removable bool
	Needed    string
	Line      int
}

// secrets are those that `caddy tokenidp secrets` lists, by id.
func (c *caddy) secrets(args ...string) map[string]secretRow {
	c.t.Helper()
	output, code := c.ctl(append([]string{"secrets", "--json"}, args...)...)
	var all []struct{ Secrets []secretRow }
	if err := json.Unmarshal([]byte(output), &all); err != nil || code != 0 || len(all) != 1 {
		c.t.Fatalf("secrets: %d %v\n%s", code, err, output)
	}
	rows := make(map[string]secretRow)
	for _, row := range all[0].Secrets {
		rows[row.SecretID] = row
	}
	return rows
}

// Which secret is used is known, over a restart, and one that is used stays.
func TestSecretsTellTheirLastUse(t *testing.T) {
	c := startRotating(t, time.Now().AddDate(1, 0, 0), "", options{})
	if row := c.secrets()["2026-05"]; row.LastUsed != "" || row.Removable || row.State != "valid" || row.Line == 0 {
		t.Errorf("before the first use: %+v", row)
	}
	used := ""
	for range 3 {
		c.eventually("a use that is later", func() bool {
			c.token("reader", "orders.read")
			before := used
			used = c.secrets()["2026-05"].LastUsed
			return used > before
		})
		if rows := c.secrets(); rows["2026-11"].LastUsed != "" || len(rows) != 2 {
			t.Errorf("after a use: %+v", rows)
		}
		c = c.restarted()
		// What it knew is read in the background.
		c.eventually("the last use from before", func() bool { return c.secrets()["2026-05"].LastUsed != "" })
		if row := c.secrets()["2026-05"]; row.LastUsed != used {
			t.Errorf("after a restart, the last use is at %s; it was at %s", row.LastUsed, used)
		}
	}
	output, code := c.ctl("secrets", "--client", "reader", "--id", "2026-05", "--retire")
	if code != 1 || !strings.Contains(output, "stays, because it was used at") {
		t.Errorf("a secret in use is retired: %d %s", code, output)
	}
	if output, code := c.ctl("secrets"); code != 0 || !strings.Contains(output, "LAST USED") || strings.Contains(output, shopSecret) || strings.Contains(output, "sha256") {
		t.Errorf("secrets: %d\n%s", code, output)
	}
}

// Whether a secret can be removed is an answer, with the line of it, and no file is
// changed.
func TestUnusedSecretsAreRetired(t *testing.T) {
	p := newPorts(t)
	c := startRotating(t, time.Now().AddDate(1, 0, 0), "", options{ports: p, home: watched(t, p, 9)})
	path := filepath.Join(c.dir, "applications.yaml")
	before := read(t, path)
	retire := func(id string, more ...string) (string, int) {
		return c.ctl(append([]string{"secrets", "--retire", "--client", "reader", "--id", id}, more...)...)
	}
	c.eventually("what the other node saw", func() bool { return c.secrets()["2026-11"].Removable })
	for want, args := range map[string][]string{
		"name it with --client":                                    {"secrets", "--retire"},
		"there is no secret 2020-01 of an Application reader":      {"secrets", "--retire", "--client", "reader", "--id", "2020-01"},
		"there is no secret 2026-06; did you mean 2026-05?":        {"secrets", "--id", "2026-06"},
		"this client_id: raeder; did you mean reader?":             {"secrets", "--retire", "--client", "raeder", "--id", "2026-05"},
		"no Application has this client_id: rader; did you mean r": {"secrets", "--client", "rader"},
		"not a duration":  {"secrets", "--unused-for", "often"},
		"at least 1h0m0s": {"secrets", "--unused-for", "1s"},
	} {
		if output, code := c.ctl(args...); code != 2 || !strings.Contains(output, want) {
			t.Errorf("%v: %d %s", args, code, output)
		}
	}
	if output, code := retire("2026-05"); code != 1 || !strings.Contains(output, "it was used at") {
		t.Errorf("a secret in use is retired: %d %s", code, output)
	}
	if output, code := retire("2026-11", "--unused-for", "10d"); code != 1 || !strings.Contains(output, "it is watched only since") {
		t.Errorf("a secret that is hardly watched is retired: %d %s", code, output)
	}
	place := fmt.Sprintf("%s:%d\n", path, c.secrets()["2026-11"].Line)
	if output, code := retire("2026-11"); code != 0 || !strings.HasSuffix(output, "remove it at "+place) || !strings.Contains(strings.Split(before, "\n")[c.secrets()["2026-11"].Line-1], `- id: "2026-11"`) {
		t.Errorf("retire: %d %s", code, output)
	}
	if read(t, path) != before {
		t.Fatal("an answer changed the file")
	}
	c.rewrite("applications.yaml", before[:strings.Index(before, "      # made in November")]+before[strings.Index(before, "    scopes: [orders.read]"):])
	c.entries("applications changed")
	if output, code := retire("2026-05"); code != 1 || !strings.Contains(output, "the only valid secret") {
		t.Errorf("the last secret is retired: %d %s", code, output)
	}
	c.token("reader", "orders.read")
}

// A secret that expires soon is told to the operator in the log, in metrics and
// in the list, and to its client in a header, unless that is turned off.
func TestExpiringSecretsAreTold(t *testing.T) {
	day := time.Now().UTC().AddDate(0, 0, 10)
	expires := time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct{ option, header string }{
		"told":       {"", expires.Format(http.TimeFormat)},
		"turned off": {"hide_secret_expiry", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := startRotating(t, day, row.option, options{})
			if a := send(t, c.client(), c.basic("reader")); a.StatusCode != http.StatusOK || a.Header.Get("Client-Secret-Expires-At") != row.header {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
			log := c.entries("secrets expire within 30 days; add new ones beside them, and remove the old ones once `caddy tokenidp secrets` says that nobody uses them")
			if text := fmt.Sprint(log[0]["secrets"]); !strings.Contains(text, "reader secret 2026-05 expires "+expires.Format(time.RFC3339)) || strings.Contains(text, "2026-11") {
				t.Errorf("the log says %s", text)
			}
			if metrics := c.metrics(); !strings.Contains(metrics, `caddy_tokenidp_secrets{issuer="`+c.url("https://localhost:5001")+`",state="expiring"} 1`) {
				t.Errorf("the metrics do not tell:\n%s", metrics)
			}
			if s := c.secrets()["2026-05"]; s.State != "expiring" || s.ExpiresAt != expires.Format(time.RFC3339) {
				t.Errorf("the list says %+v", s)
			}
			c.rewrite("applications.yaml", fmt.Sprintf(rotating, day.AddDate(1, 0, 0).Format(time.DateOnly)))
			c.entries("applications changed")
			if a := send(t, c.client(), c.basic("reader")); a.Header.Get("Client-Secret-Expires-At") != "" {
				t.Errorf("it is still told: %v", a.Header)
			}
		})
	}
}

// basic is a token request with Basic credentials.
func (c *caddy) basic(clientID string) *http.Request {
	c.t.Helper()
	r := c.request(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials&scope=orders.read",
		"Content-Type: application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, shopSecret)
	return r
}

// restarted ends Caddy and starts it again where it was.
func (c *caddy) restarted() *caddy {
	c.t.Helper()
	c.stop()
	return launch(c.t, &caddy{dir: c.dir, home: c.home, ports: c.ports, admin: c.admin, env: c.env}, "Caddyfile")
}
