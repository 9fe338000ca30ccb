package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// inApplications is a mistake in applications.yaml.
func inApplications(name, yaml string, says ...string) mistake {
	return mistake{name: "applications.yaml: " + name, caddyfile: shopCaddyfile,
		files: map[string]string{"applications.yaml": strings.TrimPrefix(yaml, "\n")}, says: says}
}

// inSecret is a mistake in a line of a secret, which the message must not repeat.
func inSecret(name, line, secret string, says ...string) mistake {
	m := inApplications(name, orderScopes+"applications:\n  - client_id: worker\n    scopes: [orders.read]\n    secrets:\n      - id: one\n        "+line+" # here\n", says...)
	m.secret = secret
	return m
}

// inFiles is a mistake in the files that the Caddyfile names, or in their names.
func inFiles(name, named string, files map[string]string, says ...string) mistake {
	return mistake{name: name, says: says, files: files,
		caddyfile: strings.Replace(shopCaddyfile, "applications applications.yaml", "applications "+named, 1)}
}

const (
	// The issuer is in line 6.
	shopCaddyfile = shopOptions + "localhost:5001 {\n\ttokenidp\n}\n"

	orderScopes = "resources:\n  - name: orders-api\n    scopes:\n      - name: orders.read\n"
	worker      = "  - client_id: worker\n    secrets: [{id: \"1\", hash: " + shopHash + "}]\n    scopes: [orders.read]\n"
)

var applicationMistakes = []mistake{
	inFiles("missing file", "missing.yaml", nil, "Caddyfile:6:", "/missing.yaml: cannot be read: no such file or directory"),
	inFiles("glob without a match", "teams/*.yaml", nil, "Caddyfile:6:", "/teams/*.yaml: no file matches"),
	inFiles("glob that is none", "teams/[.yaml", nil, "Caddyfile:6:", "/teams/[.yaml: not a pattern of file names"),
	inFiles("directory", ".", nil, "Caddyfile:6:", "is a directory, not a file"),
	inFiles("client_id in two files", "one.yaml two.yaml", map[string]string{
		"one.yaml": orderScopes + "applications:\n" + worker, "two.yaml": "applications:\n" + strings.Replace(worker, "worker\n", "worker # here\n", 1),
	}, `client_id "worker" is already defined at `, "/one.yaml:6"),
	inFiles("scope in two files", "one.yaml two.yaml", map[string]string{
		"one.yaml": orderScopes, "two.yaml": strings.Replace(strings.Replace(orderScopes, "orders-api", "other-api", 1), "orders.read\n", "orders.read # here\n", 1),
	}, `scope "orders.read" is already defined at `, "/one.yaml:4"),

	inApplications("empty", "", "applications.yaml:1: is empty", "write `applications: []`"),
	inApplications("comments only", "# nothing\n", "applications.yaml:1: is empty"),
	inApplications("null", "null\n", "applications.yaml:1: is empty"),
	inApplications("an empty mapping", "{} # here\n", "is empty"),
	inApplications("a list", "- client_id: worker # here\n", "must be a mapping with the fields resources, applications"),
	inApplications("a second document", "applications: []\n---\napplications: []\n", "has a second document"),
	inApplications("not YAML", "applications: [\n", "applications.yaml:2: not YAML"),
	inApplications("a tab", "applications:\n\t- client_id: worker # here\n", "indent with spaces, not tabs"),
	inApplications("an unknown field at the top", orderScopes+"application: [] # here\n", `unknown field "application"; did you mean "applications"?`),
	inApplications("an unknown field", orderScopes+"applications:\n"+worker+"    scope: orders.read # here\n", `application "worker": unknown field "scope"; did you mean "scopes"?`),
	inApplications("a field twice", orderScopes+"applications:\n"+worker+"    scopes: [orders.read] # here\n", `field "scopes" is repeated; it was in line 8 already`),
	inApplications("a number for a text", orderScopes+"applications:\n"+strings.Replace(worker, "worker\n", "17 # here\n", 1), `client_id must be a string; quote it: "17"`),
	inApplications("a null field", orderScopes+"applications:\n"+worker+"    client_name: # here\n", "client_name is null; give it a value or leave it out"),
	inApplications("an undefined scope", orderScopes+"applications:\n"+strings.Replace(worker, "[orders.read]", "[orders.raed] # here", 1),
		`application "worker": scope "orders.raed" is owned by no resource; did you mean "orders.read"?`),
	inApplications("client_id twice", orderScopes+"applications:\n"+worker+strings.Replace(worker, "worker\n", "worker # here\n", 1), `client_id "worker" is already defined at `, "/applications.yaml:6"),

	inApplications("a claim that is the server's", orderScopes+"applications:\n"+worker+"    claims: {sub: admin} # here\n", `application "worker": claims must not have "sub", which this server sets`, "choose another name"),
	inApplications("a claim that is the server's, of other case", orderScopes+"applications:\n"+worker+"    claims:\n      team: shop\n      Scope: orders.write # here\n", `claims must not have "Scope"`),
	inApplications("a claim of null", orderScopes+"applications:\n"+worker+"    claims: {team: } # here\n", `claims "team" is null; give it a value or leave it out`),

	inSecret("a secret as client_secret", "client_secret: correct-horse", "correct-horse", `field "client_secret" is not accepted, since only hashes are stored`, "`caddy tokenidp secret`", "`caddy tokenidp secret --hash`"),
	inSecret("a secret as secret", "secret: correct-horse", "correct-horse", "only hashes are stored"),
	inSecret("a secret as hash", "hash: correct-horse", "correct-horse", "hash is not usable", "make one with `caddy tokenidp secret --hash`"),
	inSecret("a number as hash", "hash: 8172635445", "8172635445", "hash is not usable", "make one with `caddy tokenidp secret --hash`"),
	inSecret("an unquoted alias as hash", "hash: *correct-horse", "correct-horse", "a value that begins with * is an alias of another; quote it"),
	inSecret("a generated secret as hash", "hash: tidp_RiGBnd5MbUZwQgpYLQ6bEk_zQX3pTOJp-4jL0UcYMaI1vtHRf", "tidp_RiGB", "hash is not usable"),
	inSecret("a bcrypt hash too cheap", `hash: "$2a$09$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"`, "N9qo8uLO", "bcrypt: parameter cost is 9; it must be 10 to 14"),
	inSecret("a bcrypt hash too costly", `hash: "$2b$15$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"`, "N9qo8uLO", "bcrypt: parameter cost is 15; it must be 10 to 14"),
	inSecret("an argon2id hash too cheap", `hash: "$argon2id$v=19$m=64,t=2,p=1$zKtmp2Vzr4KxPjxns6cxcA$tF/fQeVqbrM/clY6TMk81IuMOgqR708dkwEnZAGd480"`, "tF/fQeVq", "argon2id: parameter m is 64; it must be 7168 to"),
	inSecret("an argon2id hash too costly", `hash: "$argon2id$v=19$m=262144,t=99,p=1$zKtmp2Vzr4KxPjxns6cxcA$tF/fQeVqbrM/clY6TMk81IuMOgqR708dkwEnZAGd480"`, "tF/fQeVq", "argon2id: parameter"),
	inSecret("a bare digest", "hash: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", "5e884898", "hash is not usable"),
	inSecret("an environment variable that is not set", `hash: "{env.TOKENIDP_E2E_HASH}"`, "", "hash cannot be expanded", "env.TOKENIDP_E2E_HASH"),
	inSecret("an environment variable unquoted", `hash: {env.TOKENIDP_E2E_HASH}`, "", "a value that begins with { has to be quoted"),
	inSecret("a file that is missing", "file: worker.secret", "", "/worker.secret cannot be read: no such file"),
	inSecret("an expiry that is none", "hash: "+shopHash+"\n        expires: soon", "", "expires must be a day such as 2027-06-30"),
}

// Hashes may come from the environment, as container platforms hand them out.
func TestHashFromTheEnvironment(t *testing.T) {
	t.Parallel()
	dir := workspace(t, asWritten, strings.Replace(shopCaddyfile, "applications.yaml\n", "applications.yaml\nsigning_algorithm ES256\n", 1), map[string]string{
		"applications.yaml": orderScopes + "applications:\n" + strings.Replace(worker, shopHash, `"{env.TOKENIDP_E2E_HASH}"`, 1),
	})
	for _, row := range []struct {
		name, value string
		code        int
		says        string
	}{
		{"a hash", strings.Trim(shopHash, `"`), 0, ""},
		{"a hash and a line break", strings.Trim(shopHash, `"`) + "\n", 0, ""},
		{"the secret itself", shopSecret, 1, "hash is not usable"},
		{"nothing", "", 1, "applications.yaml:7:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			messages, code := validate(t, dir, fmt.Sprintf("TOKENIDP_E2E_HASH=%s", row.value))
			if code != row.code || !strings.Contains(messages, row.says) || strings.Contains(messages, shopSecret) {
				t.Errorf("exit code %d: %s", code, messages)
			}
		})
	}
}
