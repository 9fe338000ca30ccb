package application

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	hashA = `"$sha256$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
	hashB = `"$sha256$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"`
	hashC = `"$sha256$cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"`
)

// rotation is a file as people write it. What is between « and » goes with the
// secret named a, b or c after it.
const rotation = `# Team orders. Ask before you change it.
---
resources:
  - name: orders-api   # the API
    scopes: [{name: orders.read}]

applications:
  # The worker.
  - client_id: "orders-worker"
    scopes: [orders.read]
    secrets:   # newest last
« a      # until the batch is gone
      # (ask Kim)
      - id: a   # old
        hash: ` + hashA + `

        # of last year
        expires: 2027-06-30
»
      # these two are for the cluster

« b      -
        id: b
        file: /run/secrets/b
        # no expiry
»« c      # the new one
      - {id: c, hash: '{env.HASH_C}'}
»    # of the worker still
    token_lifetime: 30m   # short

  - {client_id: other, active: false, scopes: [orders.read], secrets: [{id: a, hash: ` + hashA + `}]}
# the end
`

// marked returns the text, and what is left of it without the secret's part.
func marked(template, id string) (text, left string) {
	parts := strings.FieldsFunc(template, func(r rune) bool { return r == '«' || r == '»' })
	for _, part := range parts {
		name := ""
		if rest, ok := strings.CutPrefix(part, " "); ok && len(rest) > 1 && rest[0] >= 'a' && rest[0] <= 'c' && rest[1] == ' ' {
			name, part = rest[:1], rest[1:]
		}
		text += part
		if name == "" || name != id {
			left += part
		}
	}
	return text, left
}

func TestRemoveSecretLeavesTheRestAsItWas(t *testing.T) {
	crlf := strings.ReplaceAll(rotation, "\n", "\r\n")
	for _, row := range []struct{ name, template string }{
		{"as people write it", rotation},
		{"Windows line breaks", crlf},
		{"a byte order mark", "\uFEFF" + rotation},
		{"no newline at the end", strings.TrimSuffix(rotation, "\n")},
		{"the dash below its key", strings.NewReplacer("\n      ", "\n    ", "« a      ", "« a    ", "« b      ", "« b    ", "« c      ", "« c    ").Replace(rotation)},
		{"tabs before comments and at ends", strings.NewReplacer("api   #", "api \t#", "a   #", "a\t#", ":   #", ":\t#", "scopes: [", "scopes:\t[", "{id: c,", "{id: c,\t").Replace(rotation)},
		{"block scalars", strings.ReplaceAll(rotation, "hash: "+hashA+"\n\n", "hash: >-\n          $sha256$"+strings.Repeat("a", 64)+"\n\n")},
		{"a text of several lines", strings.ReplaceAll(rotation, hashA+"\n\n", `"$sha256$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\`+"\n"+`          aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`+"\n\n")},
	} {
		for _, id := range []string{"a", "b", "c"} {
			t.Run(row.name+", "+id, func(t *testing.T) {
				text, want := marked(row.template, id)
				got, err := RemoveSecret([]byte(text), "orders-worker", id)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

func TestRemoveSecretFromOneLine(t *testing.T) {
	const before, b, after = "\uFEFF{applications: [{client_name: Zoë, client_id: x, active: false, secrets: [{id: a, hash: " + hashA + "}, ", "{id: b, hash: " + hashB + "}", "]}]}"
	got, err := RemoveSecret([]byte(before+b+after), "x", "b")
	if want := strings.TrimSuffix(before, ", ") + after; err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

// list is a file with the given value of `secrets`.
func list(active, secrets string) string {
	return "resources: [{name: x, scopes: [{name: r}]}]\napplications:\n  - client_id: x\n    active: " + active + "\n    scopes: [r]\n    secrets:" + secrets
}

func TestRemoveSecretLayouts(t *testing.T) {
	a, b, c := "{id: a, hash: "+hashA+"}", "{ id: b, hash: "+hashB+", expires: 2027-06-30 }", "{hash: "+strings.ReplaceAll(hashC, `"`, "'")+", id: 'c',}"
	for _, row := range []struct{ name, before, id, after string }{
		{"brackets, the first", " [" + a + ", " + b + ", " + c + "]\n", "a", " [" + b + ", " + c + "]\n"},
		{"brackets, one between", " [" + a + ", " + b + ", " + c + "]\n", "b", " [" + a + ", " + c + "]\n"},
		{"brackets, the last", " [" + a + ", " + b + " , " + c + " ] # x", "c", " [" + a + ", " + b + " ] # x"},
		{"brackets over lines, the first", " [\n      " + a + ",\n      " + b + ",\n    ]\n", "a", " [\n      " + b + ",\n    ]\n"},
		{"brackets over lines, the last", " [\r\n      " + a + ",\r\n      " + b + ",\r\n    ]\r\n", "b", " [\r\n      " + a + ",\r\n    ]\r\n"},
		{"the last one of an inactive application", " [" + a + "]\n", "a", " []\n"},
		{"comments at other indentations", "\n        # of the list\n      - id: a\n        hash: " + hashA + "\n    # ?\n      - id: b\n        hash: " + hashB + "\n", "b",
			"\n        # of the list\n      - id: a\n        hash: " + hashA + "\n    # ?\n"},
		{"comments below, after a blank line", "\n      - id: a\n        hash: " + hashA + "\n        # of a\n\n        # whose?\n      # of b\n      - id: b\n        hash: " + hashB + "\n", "a",
			"\n\n        # whose?\n      # of b\n      - id: b\n        hash: " + hashB + "\n"},
		{"other fields below", "\n    - id: a\n      hash: " + hashA + "\n    - id: b\n      hash: " + hashB + "\n    client_name: X\n", "b",
			"\n    - id: a\n      hash: " + hashA + "\n    client_name: X\n"},
		{"the end of the document", "\n    - id: a\n      hash: " + hashA + "\n    - id: b\n      hash: " + hashB + "\n...\n# x\n", "b",
			"\n    - id: a\n      hash: " + hashA + "\n...\n# x\n"},
		{"an id that looks like layout", "\n    - id: '- # {a'\n      hash: " + hashA + "\n    - id: b\n      hash: " + hashB + "\n", "- # {a",
			"\n    - id: b\n      hash: " + hashB + "\n"},
		{"no newline at the end", "\n    - id: a\n      hash: " + hashA + "\n    - id: b\n      hash: " + hashB, "b", "\n    - id: a\n      hash: " + hashA + "\n"},
		{"fields in another order", "\n    - # first\n      hash: " + hashA + "\n      id: a\n    - id: b\n      hash: " + hashB, "a", "\n    - id: b\n      hash: " + hashB},
	} {
		t.Run(row.name, func(t *testing.T) {
			active := fmt.Sprint(!strings.Contains(row.name, "inactive"))
			got, err := RemoveSecret([]byte(list(active, row.before)), "x", row.id)
			if err != nil {
				t.Fatal(err)
			}
			if want := list(active, row.after); string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestRemoveSecretRefusals(t *testing.T) {
	const what = `removing secret "a" of application "x": `
	two := "\n    - id: a\n      hash: " + hashA + "\n    - id: b\n      hash: " + hashB + "\n"
	flow := "{id: a, hash: " + hashA + "}"
	for _, row := range []struct{ name, text, want string }{
		{"another application", strings.ReplaceAll(list("true", two), "client_id: x", "client_id: xx"), "the file has no such application"},
		{"another secret", strings.ReplaceAll(list("true", two), "id: a", "id: aaa"), `the application has no such secret; did you mean "aaa"? known: aaa, b`},
		{"the last of an active application", list("true", " ["+flow+"]"), "it is the only one, and the application is active: add its successor first, or write `active: false`"},
		{"the last of a list of an inactive one", list("false", "\n    - id: a\n      hash: "+hashA+"\n"), "it is the only one; its list has to become `secrets: []`; edit lines 7 to 8 by hand"},
		{"no YAML", "\t", "correct the file first: line 1: not YAML: found character that cannot start any token; indent with spaces, not tabs, and quote what begins with @ or `"},
		{"empty", "", "correct the file first: line 1: " + emptyFile},
		{"too large", strings.Repeat("#", MaxFileSize+1), "correct the file first: it is larger than 16777216 bytes"},
		{"a control character", "\x00", "correct the file first: line 1: has a control character; write it as an escape within double quotes"},
		{"two documents", list("true", two) + "---\na: b\n", "correct the file first: line 11: has a second document; put it into a file of its own"},
		{"a mistake elsewhere", strings.ReplaceAll(list("true", two), "scopes: [r]", "scopes: []"), `correct the file first: line 5: application "x": scopes is empty`},
		{"the first of several mistakes", strings.Replace(strings.ReplaceAll(list("true", two), "$sha256$b", "b"), "[{name", "[{nom", 1), `correct the file first: line 1: resource 1: unknown field "nom"; did you mean "name"? known: name, resource, scopes, introspection`},
		{"an id twice", strings.ReplaceAll(list("true", two), "id: b", "id: a"), `correct the file first: line 9: application "x": secret "a": id is already that of the secret in line 7`},
		{"an application twice", list("true", two) + "  - client_id: x\n    active: false\n", `correct the file first: line 11: application "x": client_id "x" is already defined at the file:3`},
		{"an anchor", strings.Replace(list("true", two), "- id: a", "- &a\n      id: a", 1), `correct the file first: line 7: application "x": secret "a": has an anchor (&), which is not accepted; write the value out where it is needed`},
		{"a merge key", strings.Replace(list("true", two), "- id: a", "- <<: {expires: 2027-06-30}\n      id: a", 1), `correct the file first: line 7: application "x": secret "a": merge keys (<<) are not accepted; write the fields out`},
		{"neither hash nor file", strings.Replace(list("true", two), "      hash: "+hashB+"\n", "", 1), "correct the file first: line 9: application \"x\": secret \"b\": has neither hash nor file; `caddy tokenidp secret` makes a secret with its hash"},
		{"a file that is no path", strings.Replace(list("true", two), "hash: "+hashB, `file: ""`, 1), `correct the file first: line 10: application "x": secret "b": file must be the path of a file with the secret, not the secret`},
		{"both hash and file", strings.Replace(list("true", two), "    - id: b", "      file: b\n    - id: b", 1), `correct the file first: line 9: application "x": secret "a": field "hash" is repeated; it was in line 8 already`},
		{"old line breaks", strings.ReplaceAll(list("true", two), "\n", "\r"), "the file has line breaks that editors do not agree on; edit lines 7 to 8 by hand"},
		{"a line separator", list("true", two) + "# \u2028\n", "the file has line breaks that editors do not agree on; edit lines 7 to 8 by hand"},
		{"comments within brackets", list("true", " [\n      "+flow+", # a\n      {id: b, hash: "+hashB+"}]\n"), "its list is within brackets and laid out in an unusual way; edit line 7 by hand"},
		{"a comment before the last within brackets", list("true", " [\n      {id: b, hash: "+hashB+"}, # b\n      "+flow+"]\n"), "its list is within brackets and laid out in an unusual way; edit line 8 by hand"},
		{"escapes within brackets", list("true", ` [{id: "\x61", hash: `+hashA+"}, {id: b, hash: "+hashB+"}]\n"), "its list is within brackets and laid out in an unusual way; edit line 6 by hand"},
		{"several lines within brackets", list("true", " [{id: a,\n      hash: "+hashA+"}, {id: b, hash: "+hashB+"}]\n"), "its list is within brackets and laid out in an unusual way; edit lines 6 to 7 by hand"},
		{"the end of brackets that nobody sees", list("true", " [{id: a, hash: "+hashA+"}, {id: b, hash: "+hashB+", file: }]\n"), ""},
		{"a text that leaves the indentation", list("true", strings.Replace(two, hashA, `"$sha256$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\`+"\n"+`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, 1)), ""},
		{"brackets that leave the indentation", list("true", strings.Replace(two, "- id: a\n      hash: "+hashA, "- {id: a,\nhash: "+hashA+"}", 1)), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := RemoveSecret([]byte(row.text), "x", "a")
			if err == nil || got != nil {
				t.Fatalf("got %q, %v", got, err)
			}
			if row.want != "" && err.Error() != what+row.want {
				t.Errorf("got  %v\nwant %s%s", err, what, row.want)
			}
			if strings.Contains(err.Error(), "$sha256$") {
				t.Errorf("a hash is in %v", err)
			}
		})
	}
}

// TestRemoveSecretConfirms what it has done, whatever the layout made it take out.
func TestRemoveSecretConfirms(t *testing.T) {
	text := list("true", "\n    - id: a\n      hash: "+hashA+"\n    - id: b\n      hash: "+hashB+"\n")
	before, err := understand([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	target, err := before.find("x", "a")
	if err != nil {
		t.Fatal(err)
	}
	right, err := target.cut([]byte(text))
	if err != nil || target.confirm(right) != nil {
		t.Fatal(err, target.confirm(right))
	}
	for _, row := range []struct{ name, old, new string }{
		{"nothing was removed", "secrets:", "secrets:\n    - id: a\n      hash: " + hashA},
		{"the other one was", "id: b\n      hash: " + hashB, "id: a\n      hash: " + hashA},
		{"the other has another hash", "$sha256$b", "$sha256$c"},
		{"the other is in a file", "hash: " + hashB, "file: b"},
		{"inactive", "active: true", "active: false"},
		{"another resource", "name: x", "name: xx"},
		{"an application more", "applications:", "applications:\n  - client_id: yy\n    active: false"},
		{"another spelling", "client_id: x", `client_id: "x"`},
		{"a mistake", "scopes: [r]", ""},
		{"no YAML", "secrets:", "secrets"},
	} {
		t.Run(row.name, func(t *testing.T) {
			wrong := strings.Replace(string(right), row.old, row.new, 1)
			if wrong == string(right) || target.confirm([]byte(wrong)) == nil {
				t.Errorf("taken for right:\n%s", wrong)
			}
		})
	}
}

func TestSecretsOfASet(t *testing.T) {
	dir := write(t, map[string]string{"b.yaml": list("true", "\n    - id: a\n      hash: "+hashA+"\n    -\n      id: b\n      hash: "+hashB+"\n"),
		"a.yaml": "applications: [{client_id: yy, active: false, secrets: [{id: a, hash: " + hashA + "}]}]", "c.yaml": "applications: [{client_id: z, active: false}]"})
	set, _, failure := loadFrom(dir, "a.yaml", "b.yaml", "c.yaml")
	if failure != "" {
		t.Fatal(failure)
	}
	var got []string
	for s := range set.Secrets() {
		got = append(got, fmt.Sprintf("%s %s %s:%d", s.Application.ClientID, s.ID, strings.TrimPrefix(s.File, dir+"/"), s.Line))
	}
	if want := "[x a b.yaml:7 x b b.yaml:10 yy a a.yaml:1]"; fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	for range set.Secrets() {
		break
	}
}

// FuzzRemoveSecret: the result is an error, or differs in exactly that secret;
// and one piece of the text is gone, no more.
func FuzzRemoveSecret(f *testing.F) {
	text, _ := marked(rotation, "")
	for _, seed := range []string{
		text, strings.ReplaceAll(text, "\n", "\r\n"), valid, "\uFEFF" + text, "", "applications: []", "a: &a [*a]",
		list("true", " [{id: a, hash: "+hashA+"}, {id: b, hash: "+hashB+"}]"), list("false", " [{id: a, hash: "+hashA+"},]"),
		list("true", " [ ? {id: a, hash: "+hashA+"} , {id: b, hash: "+hashB+"}]"),
		list("true", "\n    - {id: a,\nhash: "+hashA+"}\n    - id: b\n      hash: "+hashB+"\n"),
		list("true", "\n    - id: a\n      hash: |+\n        $sha256$x\n\n    # c\n    - ? id\n      : b\n      hash: "+hashB+"\n"),
		list("true", "\n    - id: a\n      hash: "+hashA+"\n    - !!map\n      id: b\n      hash: "+hashB+"\n"),
		"{applications: [{client_id: orders-worker, active: false, secrets: [{id: a, hash: " + hashA + "}, {id: b, hash: " + hashB + "}]}]}",
	} {
		for _, id := range []string{"a", "b"} {
			f.Add([]byte(seed), "x", id)
			f.Add([]byte(seed), "orders-worker", id)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, clientID, secretID string) {
		before := bytes.Clone(text)
		got, err := RemoveSecret(text, clientID, secretID)
		if !bytes.Equal(text, before) {
			t.Fatal("the text given was changed")
		}
		if err != nil {
			if got != nil {
				t.Fatal("a text and an error")
			}
			return
		}
		if !onePieceLess(text, got) {
			t.Fatalf("more than one piece of\n%s\nis gone in\n%s", text, got)
		}
		was, is := decoded(t, text), decoded(t, got)
		if !removed(was, clientID, secretID) || fmt.Sprint(was) != fmt.Sprint(is) {
			t.Fatalf("%v\n%v", was, is)
		}
		if c := Read("a.yaml", got, Options{Now: func() time.Time { return noon }, Expand: func(string) (string, error) { return someHash, nil }}); c.Broken() && !bytes.Contains(text, []byte("file")) {
			t.Fatalf("%v", c.Err())
		}
	})
}

func onePieceLess(text, left []byte) bool {
	if len(left) >= len(text) {
		return false
	}
	same := 0
	for same < len(left) && text[same] == left[same] {
		same++
	}
	return bytes.HasSuffix(text, left[same:])
}

// decoded is another reading than that of nodes.
func decoded(t *testing.T, text []byte) map[string]any {
	var v map[string]any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}

// removed takes the secret out of what was decoded.
func removed(file map[string]any, clientID, secretID string) (ok bool) {
	for _, v := range file["applications"].([]any) {
		a := v.(map[string]any)
		secrets, _ := a["secrets"].([]any)
		if a["client_id"] != clientID {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(secrets), func(s any) bool { return s.(map[string]any)["id"] == secretID })
		a["secrets"] = left
		ok = len(left) == len(secrets)-1
	}
	return ok
}
