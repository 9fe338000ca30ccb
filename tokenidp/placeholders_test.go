package tokenidp

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What is known when a configuration is loaded is expanded, in every text.
func TestPlaceholdersAreExpanded(t *testing.T) {
	t.Setenv("AUDIENCE", "orders-api")
	file := filepath.Join(t.TempDir(), "scope")
	if err := os.WriteFile(file, []byte("orders.read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &Verify{
		Requirements: Requirements{
			Scopes: []string{"{file." + file + "}"}, Audience: []string{"x", "{env.AUDIENCE}"}, Claims: []ClaimRule{{Claim: "/a{env.AUDIENCE}", Values: []string{`\{id\}`}}},
			Expressions: []string{"claims.a in {'b': 1}"},
		},
		Realm: "the {env.AUDIENCE}", ClaimHeaders: []ClaimHeader{{Header: "X-A", Claim: "{env.AUDIENCE}"}}, Source: "{x}:1",
	}
	want := &Verify{
		Requirements: Requirements{
			Scopes: []string{"orders.read"}, Audience: []string{"x", "orders-api"}, Claims: []ClaimRule{{Claim: "/aorders-api", Values: []string{"{id}"}}},
			Expressions: []string{"claims.a in {'b': 1}"},
		},
		Realm: "the orders-api", ClaimHeaders: []ClaimHeader{{Header: "X-A", Claim: "orders-api"}}, Source: "{x}:1",
	}
	if err := expandPlaceholders(v); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%+v, %v", v, err)
	}
}

// What is known only with a request, or not at all, is an error that names the field.
func TestPlaceholdersAreRefused(t *testing.T) {
	const unknown, empty = "has no value when the configuration is loaded; write the value itself, or {env.NAME}", "is empty; set the environment variable, or write the file"
	for name, row := range map[string]struct {
		module any
		want   string
	}{
		"realm":       {&Verify{Realm: "{http.request.host}"}, "realm: the placeholder {http.request.host} " + unknown},
		"scopes":      {&Verify{Requirements: Requirements{Scopes: []string{"a", "{scope}"}}}, "scopes: the placeholder {scope} " + unknown},
		"claims":      {&Policy{Requirements: Requirements{Claims: []ClaimRule{{Claim: "a", Values: []string{"{http.vars.x}"}}}}}, "claims: values: the placeholder {http.vars.x} " + unknown},
		"audience":    {&TrustedIssuer{Audience: []string{"{env.UNSET_BY_ANYBODY}"}}, "audience: the placeholder {env.UNSET_BY_ANYBODY} " + empty},
		"issuer":      {&Issuer{Issuer: "https://{file./missing/from/here}"}, "issuer: the placeholder {file./missing/from/here} " + empty},
		"resource":    {&ProtectedResource{Resource: "https://{system.hostname}"}, "resource: the placeholder {system.hostname} " + unknown},
		"dpop_origin": {&App{DPoPOrigins: []string{"https://{time.now}"}}, "dpop_origins: the placeholder {time.now} " + unknown},
	} {
		if err := expandPlaceholders(row.module); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
	for _, kept := range []any{&Issuer{SigningKey: "{env.UNSET_BY_ANYBODY}", KeyEncryptionKeys: []string{"{file./missing}"}}, &Policy{Requirements: Requirements{Expressions: []string{"{x}"}}}} {
		if err := expandPlaceholders(kept); err != nil {
			t.Errorf("%+v: %v", kept, err)
		}
	}
}

func TestArgumentsThatPrintTheEnvironment(t *testing.T) {
	for argument, want := range map[string]bool{
		"--environ": true, "-e": true, "--environ=true": true, "-we": true, "-er": true,
		"--environ=false": false, "--envfile": false, "environ": false, "-c": false, "--resume": false, "-": false,
	} {
		if got := printsEnvironment([]string{"caddy", "run", argument, "--config", "Caddyfile"}); got != want {
			t.Errorf("%s: %t", argument, got)
		}
	}
}
