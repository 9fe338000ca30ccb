package warning_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// running are the places whose warnings are about what happens while a server runs: the
// storage, other servers, clocks. No configuration is wrong.
var running = []string{
	"signing/", "lastuse/", "usage/", "jwks/", "clientkeys/", "state/", "background/", "refusallog/", "trusted_issuer_keys.go",
}

var isRunning = regexp.MustCompile(`^\.\./(` + strings.Join(running, "|") + `)`)

// Every warning of a load has a name, and a section in docs/checks.md.
func TestWarningsHaveNames(t *testing.T) {
	names := declared(t)
	used := make(map[string]bool)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		named := namedIn(file)
		for id := range named {
			used[id] = true
		}
		if isRunning.MatchString(filepath.ToSlash(path)) || file.Name.Name == "strictyaml" {
			return nil
		}
		for _, place := range unnamed(file) {
			t.Errorf("%s: this warning of a load has no name of package warning", set.Position(place))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range names {
		if !used[name] {
			t.Errorf("nothing warns of %s", name)
		}
		if !strings.Contains(string(document), "\n### "+id+"\n") {
			t.Errorf("docs/checks.md has no section %s", id)
		}
	}
}

// declared are the names of the constants, and their values.
func declared(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "warning.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "ID" {
				names[spec.Names[0].Name] = strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
			}
		}
		return true
	})
	if len(names) == 0 {
		t.Fatal("there are no names")
	}
	return names
}

// namedIn are the constants that the file uses.
func namedIn(file *ast.File) map[string]bool {
	used := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if from, ok := s.X.(*ast.Ident); ok && from.Name == "warning" {
				used[s.Sel.Name] = true
			}
		}
		return true
	})
	return used
}

// unnamed are the warnings of the file without a name: calls of Warn, and the method taken
// as a value. A function that gets the name as an argument passes it on.
func unnamed(file *ast.File) (places []token.Pos) {
	called := make(map[ast.Node]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Warn" {
				called[s] = true
				if !slices.ContainsFunc(n.Args, namesKind) && len(n.Args) > 1 || len(n.Args) == 1 && isText(n.Args[0]) {
					places = append(places, n.Pos())
				}
			}
		case *ast.SelectorExpr:
			if n.Sel.Name == "Warn" && !called[n] {
				places = append(places, n.Pos())
			}
		}
		return true
	})
	return places
}

// namesKind reports whether the argument is a constant of the package, or a variable id
// that has one.
func namesKind(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if from, ok := n.X.(*ast.Ident); ok && from.Name == "warning" {
				found = true
			}
		case *ast.Ident:
			found = found || n.Name == "id"
		}
		return true
	})
	return found
}

// isText reports whether a message stands alone: Warn(set) logs those of a Set.
func isText(e ast.Expr) bool {
	_, literal := e.(*ast.BasicLit)
	_, joined := e.(*ast.BinaryExpr)
	return literal || joined
}
