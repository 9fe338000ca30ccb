package caddyfile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/tokenidp/caddy-tokenidp/caddyfile"
)

var update = flag.Bool("update", false, "rewrite the golden files with what is adapted now")

// separator stands between the Caddyfile and the JSON, or the error, that it
// adapts to.
const separator = "\n----------\n"

// TestAdapt adapts each golden file. Those whose name begins with error_ are
// mistakes, and end in the message that the operator reads.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".caddyfiletest")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(data), separator)
			got, failed := golden(t, input)
			if failed != strings.HasPrefix(name, "error_") {
				t.Fatalf("adapts to:\n%s", got)
			}
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimRight(input, "\n")+"\n"+separator[1:]+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if strings.TrimSpace(want) != got {
				t.Errorf("adapts to:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// golden is the adapted JSON, or the error, with the working directory as /srv.
func golden(t *testing.T, input string) (text string, failed bool) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	adapted, err := adapt(strings.TrimRight(input, "\n") + "\n")
	if err != nil {
		return strings.ReplaceAll(err.Error(), here, "/srv"), true
	}
	var out bytes.Buffer
	if err := json.Indent(&out, adapted, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), here, "/srv"), false
}

func adapt(input string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	return adapted, err
}

// Every mistake names its place, and every golden error file is about one.
func TestErrorsNameTheirPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/error_*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, message, _ := strings.Cut(string(data), separator)
		if !strings.Contains(message, "Caddyfile:") {
			t.Errorf("%s: the message names no place: %s", file, message)
		}
		if strings.Contains(message, "wrong argument count") || strings.Contains(message, "unexpected") {
			t.Errorf("%s: the message does not say what to write instead: %s", file, message)
		}
	}
}
