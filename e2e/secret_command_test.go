package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	generatedSecret = "tidp_RiGBnd5MbUZwQgpYLQ6bEk_zQX3pTOJp-4jL0UcYMaI1vtHRf"
	chosenSecret    = `correct horse: "battery"+staple%ü`
)

var (
	generatedForm = regexp.MustCompile(`^tidp_[A-Za-z0-9_-]{43}[A-Za-z0-9]{6}$`)
	sha256Form    = regexp.MustCompile(`^\$sha256\$[0-9a-f]{64}$`)
	argon2idForm  = regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	secretsForm   = regexp.MustCompile(`(?m)^    secrets:\n      - id: "(.*)"\n        hash: "(.*)"\n        expires: (.*)\n`)
)

// declared is what the command says in JSON.
type declared struct {
	Secret, ID, Hash, Expires string
}

func sha256Of(secret string) string {
	digest := sha256.Sum256([]byte(secret))
	return "$sha256$" + hex.EncodeToString(digest[:])
}

// secretJSON runs `caddy tokenidp secret --json` with more arguments.
func secretJSON(t *testing.T, stdin string, args ...string) (d declared) {
	t.Helper()
	stdout, stderr, code := command(t, t.TempDir(), stdin, append([]string{"tokenidp", "secret", "--json"}, args...)...)
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); code != 0 || err != nil || stderr != "" {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return d
}

func TestSecretIsPrintedOnce(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := command(t, t.TempDir(), "", "tokenidp", "secret", "--id", "blue", "--expires", "2099-06-30")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	secret, _, _ := strings.Cut(stdout, "\n")
	if !generatedForm.MatchString(secret) || strings.Count(stdout, secret) != 1 {
		t.Errorf("the secret %q is not printed once, in its form:\n%s", secret, stdout)
	}
	yaml := secretsForm.FindStringSubmatch(stdout)
	if yaml == nil || yaml[1] != "blue" || yaml[2] != sha256Of(secret) || yaml[3] != "2099-06-30" {
		t.Errorf("the declaration is %q", yaml)
	}
}

func TestSecretAsJSON(t *testing.T) {
	t.Parallel()
	one, two := secretJSON(t, ""), secretJSON(t, "", "--id", `a "b" ü`, "--expires", "2099-12-31")
	if !generatedForm.MatchString(one.Secret) || one.Secret == two.Secret || one.Hash != sha256Of(one.Secret) {
		t.Errorf("%+v and %+v", one, two)
	}
	expires, err := time.Parse(time.DateOnly, one.Expires)
	if days := time.Until(expires).Hours() / 24; err != nil || days < 363 || days > 367 {
		t.Errorf("by default it expires on %s", one.Expires)
	}
	if !regexp.MustCompile(`^\d{4}-\d{2}-\d{2}\.\d{6}$`).MatchString(one.ID) {
		t.Errorf("by default the id is %q", one.ID)
	}
	if two.ID != `a "b" ü` || two.Expires != "2099-12-31" {
		t.Errorf("%+v", two)
	}
}

func TestSecretHash(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, input string
		form        *regexp.Regexp
		exact       string
	}{
		{"generated", generatedSecret, sha256Form, sha256Of(generatedSecret)},
		{"generated, with a line break", generatedSecret + "\n", sha256Form, sha256Of(generatedSecret)},
		{"generated, with a line break of Windows", generatedSecret + "\r\n", sha256Form, sha256Of(generatedSecret)},
		{"chosen", chosenSecret, argon2idForm, ""},
		{"chosen, with a line break", chosenSecret + "\n", argon2idForm, ""},
		{"the longest", strings.Repeat("x", 1024) + "\n", argon2idForm, ""},
		{"one character", "x", argon2idForm, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := secretJSON(t, row.input, "--hash")
			if d.Secret != "" || !row.form.MatchString(d.Hash) || row.exact != "" && d.Hash != row.exact {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestSecretRefuses(t *testing.T) {
	t.Parallel()
	hash := []string{"--hash"}
	mistyped := generatedSecret[:20] + "x" + generatedSecret[21:]
	for _, row := range []struct {
		name, input string
		args        []string
		says        string
	}{
		{"a mistyped secret", mistyped, hash, "its checksum is wrong; copy it again, whole"},
		{"a secret cut off", generatedSecret[:40], hash, "its checksum is wrong"},
		{"two line breaks", generatedSecret + "\n\n", hash, "its checksum is wrong"},
		{"a carriage return alone", generatedSecret + "\r", hash, "its checksum is wrong"},
		{"the prefix only", "tidp_", hash, "its checksum is wrong"},
		{"an empty secret", "", hash, "the secret is empty"},
		{"a line break only", "\n", hash, "the secret is empty"},
		{"a NUL", "correct\x00horse", hash, "the secret has a NUL in it"},
		{"other than UTF-8", "correct\xffhorse", hash, "the secret is not valid UTF-8"},
		{"a long secret", strings.Repeat("x", 1025), hash, "the secret is longer than 1024 bytes"},
		{"endless input", strings.Repeat("x", 1<<20), hash, "the secret on standard input is longer than 4096 bytes"},
		{"a secret as an argument", "", []string{"--hash", "correct-horse"}, "takes no arguments; with --hash, the secret is read from the terminal or standard input"},
		{"an expiry that is no date", "", []string{"--expires", "soon"}, `--expires "soon" is not a date; write it as 2027-06-30`},
		{"an expiry with a time", "", []string{"--expires", "2099-06-30T12:00:00Z"}, "is not a date"},
		{"an expiry on no day", "", []string{"--expires", "2099-02-30"}, "is not a date"},
		{"an expiry in the past", "", []string{"--expires", "2020-06-30"}, "--expires 2020-06-30 is in the past"},
		{"a long id", "", []string{"--id", strings.Repeat("x", 65)}, "--id must be 1 to 64 printable characters"},
		{"an id of two lines", "", []string{"--id", "a\nb"}, "--id must be 1 to 64 printable characters"},
		{"a secret as id", "", []string{"--id", generatedSecret}, "--id is a secret; an id appears in logs"},
		{"an unknown flag", "", []string{"--expire", "2099-06-30"}, "unknown flag: --expire"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := command(t, t.TempDir(), row.input, append([]string{"tokenidp", "secret"}, row.args...)...)
			if code != 2 || stdout != "" || !strings.Contains(strings.ReplaceAll(stderr, `\"`, `"`), row.says) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
			for _, secret := range []string{"correct", "horse", generatedSecret[5:20], "xxxx"} {
				if strings.Contains(stderr, secret) {
					t.Errorf("the message has the secret: %s", stderr)
				}
			}
		})
	}
}

func TestCommandHelp(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"without a command", []string{"tokenidp"}, 0, "\n  secret  "},
		{"help", []string{"tokenidp", "--help"}, 0, "\n  secret  "},
		{"help of secret", []string{"tokenidp", "secret", "--help"}, 0, "without echo"},
		{"a mistyped command", []string{"tokenidp", "secert"}, 2, "unknown command secert; did you mean secret?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := command(t, t.TempDir(), "", row.args...)
			if code != row.code || !strings.Contains(stdout+stderr, row.says) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
		})
	}
}

// What the command prints is pasted as it is, and the secrets authenticate.
func TestSecretsOfTheCommandAuthenticate(t *testing.T) {
	t.Parallel()
	generate, _, _ := command(t, t.TempDir(), "", "tokenidp", "secret", "--id", `a "b" \ ü`)
	hashed, _, _ := command(t, t.TempDir(), chosenSecret+"\n", "tokenidp", "secret", "--hash")
	again, _, _ := command(t, t.TempDir(), generatedSecret+"\n", "tokenidp", "secret", "--hash")
	fromJSON := secretJSON(t, "")
	made, _, _ := strings.Cut(generate, "\n")

	applications := orderScopes + "applications:\n"
	for _, pasted := range [][2]string{
		{"generated", secretsForm.FindString(generate)},
		{"chosen", secretsForm.FindString(hashed)},
		{"hashed", secretsForm.FindString(again)},
		{"json", fmt.Sprintf("    secrets: [{id: %q, hash: %q, expires: %s}]\n", fromJSON.ID, fromJSON.Hash, fromJSON.Expires)},
	} {
		applications += "  - client_id: " + pasted[0] + "\n    scopes: [orders.read]\n    default_scopes: [orders.read]\n" + pasted[1]
	}
	c := start(t, shopCaddyfile, options{files: map[string]string{"applications.yaml": applications}})
	for _, row := range []struct {
		client, secret string
		status         int
	}{
		{"generated", made, http.StatusOK},
		{"chosen", chosenSecret, http.StatusOK},
		{"hashed", generatedSecret, http.StatusOK},
		{"json", fromJSON.Secret, http.StatusOK},
		{"generated", fromJSON.Secret, http.StatusUnauthorized},
		{"chosen", chosenSecret + "\n", http.StatusUnauthorized},
		{"json", fromJSON.Hash, http.StatusUnauthorized},
	} {
		t.Run(fmt.Sprintf("%s gets %d", row.client, row.status), func(t *testing.T) {
			r := c.request(http.MethodPost, "https://localhost:5001/token", "grant_type=client_credentials", "Content-Type: application/x-www-form-urlencoded")
			r.SetBasicAuth(url.QueryEscape(row.client), url.QueryEscape(row.secret))
			if a := send(t, c.client(), r); a.StatusCode != row.status {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	for _, secret := range []string{made, generatedSecret, fromJSON.Secret, "battery"} {
		if strings.Contains(c.logged(), secret) {
			t.Errorf("the log has the secret %s", secret)
		}
	}
}
