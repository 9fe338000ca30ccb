package caddyfile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// mistake is a configuration that is refused with advice, and the same one as the advice
// says.
type mistake struct {
	// advice is what the message says to write, word for word, and what is written. It is
	// "" where the message says what to do in other words.
	advice       string
	wrong, right configured
}

// configured is a Caddyfile, and the files beside it. json, if not nil, changes what the
// Caddyfile adapts to.
type configured struct {
	caddyfile, yaml, text string // text is the line in question
	json                  func(string) string
}

// What is written as an error says is accepted, and there is a mistake here for each text
// in the sources that says what to write.
func TestAdviceIsAccepted(t *testing.T) {
	var messages []string
	for _, m := range allMistakes() {
		// The name is in the path of the files, which a placeholder names.
		t.Run(strings.NewReplacer("{", "", "}", "").Replace(m.wrong.text), func(t *testing.T) {
			err := load(t, m.wrong)
			if err == nil {
				t.Fatal("the mistake is accepted")
			}
			messages = append(messages, err.Error())
			if !strings.Contains(err.Error(), m.advice) || !strings.Contains(m.right.text, m.advice) {
				t.Errorf("it does not say to write %s:\n%v", m.right.text, err)
			}
			if err := load(t, m.right); err != nil {
				t.Errorf("after\n%s\nthis is refused: %s\n%v", messages[len(messages)-1], m.right.text, err)
			}
		})
	}
	for text, place := range advices(t) {
		pattern := regexp.MustCompile(strings.ReplaceAll(verb.ReplaceAllString(regexp.QuoteMeta(text), ".*"), "%%", "%"))
		if !refusesNothing.MatchString(text) && !pattern.MatchString(strings.Join(messages, "\n")) {
			t.Errorf("%s: no mistake here has the message: %s", place, text)
		}
	}
}

// verb is one of fmt, as regexp.QuoteMeta has it.
var verb = regexp.MustCompile(`%(\\\[1\\\])?(\\\.\d+)?[a-z]`)

// refusesNothing are the texts of warnings, of requests, of the admin endpoint, and of what
// happens while the server runs.
var refusesNothing = regexp.MustCompile(`^(` + strings.Join([]string{
	"it expired on", "its hashes are so slow together", `.*has the same (secret|%s); give each its own`, `client_id has a \+ or a %`, "secrets expire within", "this verify matches on a path", "the file is gone, and with it", "this handle_errors serves", "nothing uses this issuer", "no site with", "no verify accepts", "this handle_response also serves",
	"nobody said under which URL clients call this API; write", `claim %s %s; write: claim_header`, "token_scope was asked about",
	"must be a mapping of claims", "anonymous must be true", "has neither allow nor deny",
	"unused_for", "the signing key in %s has the kid", "the signing keys come from outside", "the key %s is encrypted with", "%s has %d entries",
	"write `dpop_origin` with", "%v; if this issuer's access tokens have it too", "look at how the caller", "declare the Application", "give the Application",
	"unused_for", "caddy run --environ prints this secret", "no Application of this issuer has the client_id",
}, "|") + ")")

// load returns the error of validating a configuration, in a folder of its own.
func load(t *testing.T, c configured) error {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"applications.yaml": c.yaml, "Caddyfile": strings.NewReplacer("STORAGE", filepath.Join(dir, "storage"), "/run/secrets", dir, "/var/log/caddy", dir).Replace(c.caddyfile)}
	for name, content := range besides(t) {
		files[name] = content
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	adapted, err := adapt(files["Caddyfile"])
	if err != nil {
		return err
	}
	if c.json != nil {
		adapted = []byte(c.json(string(adapted)))
	}
	var config caddy.Config
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		return err
	}
	return testsIn(c.yaml)
}

// testsIn returns the mistakes in the tests of a file, which are warnings while it is
// served.
func testsIn(yaml string) error {
	set, err := application.Union([]application.Part{{Document: application.Read("applications.yaml", []byte(yaml), application.Options{})}})
	if err == nil {
		_, err = set.Tests()
	}
	return err
}
