package caddyfile_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unconfigured are the folders whose errors are about requests, other servers, and what
// this software has written itself.
var unconfigured = regexp.MustCompile(`^\.\./tokenidp/(ascii|background|client|dpop|oauth|storage|strictjson|usage)/`)

// advising are the words with which a text says what to write instead.
var advising = regexp.MustCompile(`(\b(write|quote it|quoted|quotes|such as|as in|add|keep one|remove|leave|choose|give|put|rename|indent)\b|; use )`)

// advices returns the texts in the sources that say what to write, each as a pattern of
// what an error can make of it, with its place.
func advices(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, root := range []string{".", "../tokenidp", "../internal/nearest"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !unconfigured.MatchString(filepath.ToSlash(path)) {
				advicesOf(t, path, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func advicesOf(t *testing.T, file string, found map[string]string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field: // its tag is no text
			return n.Tag == nil
		case *ast.KeyValueExpr: // what the JSON Schema says of a field is no error
			key, _ := n.Key.(*ast.Ident)
			return key == nil || key.Name != "Says" && key.Name != "Description"
		case *ast.BasicLit, *ast.BinaryExpr:
			text := literal(n.(ast.Expr))
			if advising.MatchString(text) {
				place := set.Position(n.Pos())
				found[text] = filepath.Base(place.Filename) + ":" + strconv.Itoa(place.Line)
			}
			return false
		}
		return true
	})
}

// literal returns the text of literals that are joined, and a verb for what else is.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return "%v"
}
