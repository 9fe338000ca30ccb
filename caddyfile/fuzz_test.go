package caddyfile_test

import (
	"bytes"
	"strings"
	"testing"
)

// One fuzzed text stands inside the global option, one behind each directive.
func template(option, server, verify string) string {
	return "{\n\ttokenidp {\n" + option + "\n\t}\n}\n\nlocalhost {\n\ttokenidp " + server + "\n\tverify " + verify + "\n}\n"
}

// withArguments are the option with none, one and several arguments, with an
// empty one, with a block, and cut off.
func withArguments(option string) []string {
	return []string{
		option, option + " a", option + " a b c", option + ` ""`, option + " \\", option + ` "`, option + " `", option + " <<X\na\nX",
		option + " {\n}", option + " {\na\n}", option + " a {", option + " }", option + " {$X}", option + " {env.X}", option + "\n" + option,
	}
}

// FuzzCaddyfile: whatever an operator writes, the parser answers with an error
// or with a configuration, and with the same one the next time.
func FuzzCaddyfile(f *testing.F) {
	const issuer = "issuer https://idp.example.com"
	for _, option := range []string{
		"applications", "signing_algorithm", "token_lifetime", "insecure_http", "insecure_browser_origins", "other", "{", "}", "#", "",
	} {
		for _, text := range withArguments(option) {
			f.Add(issuer+" {\n"+text+"\n}", "", "orders.read")
		}
	}
	for _, text := range withArguments("issuer") {
		f.Add(text, "", "")
	}
	for _, text := range withArguments("") {
		f.Add(issuer, text, "")
		f.Add(issuer, "", text)
		f.Add(issuer, "https://idp.example.com"+text, "orders.read"+text)
		f.Add(issuer, "/token"+text, "@write"+text)
	}
	for _, option := range []string{
		"any_scope", "issuer", "audience", "claim", "require", "max_age", "max_lifetime", "expression", "policy", "realm", "claim_header", "forward_authorization", "allow_preflight", "other", "{", "}", "#", "",
	} {
		for _, text := range withArguments(option) {
			f.Add(issuer, "", "/orders* orders.read {\n"+text+"\n}")
		}
	}
	for _, text := range append(withArguments("@write token_scope"), withArguments("@write tokenidp_ready")...) {
		f.Add(issuer, "", "@write\n"+text)
		f.Add(issuer, "", "@write\n@write not {\n"+strings.TrimPrefix(text, "@write ")+"\n}")
	}
	f.Fuzz(func(t *testing.T, option, server, verify string) {
		input := template(option, server, verify)
		if strings.Contains(input, "import") {
			return // it would read whatever file the text names
		}
		first, err := adapt(input)
		if err != nil {
			return
		}
		second, err := adapt(input)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("adapts to\n%s\nand then to\n%s (%v)", first, second, err)
		}
	})
}
