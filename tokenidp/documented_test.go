package tokenidp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminendpoint"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// Each module has a section under "## JSON" in docs/caddyfile.md, with one row for
// each of its fields. A row has the default of the field's comment.
func TestJSONTablesAreComplete(t *testing.T) {
	comments := fieldComments(t)
	sections := jsonSections(t)
	seen := 0
	for id, module := range modules(comments) {
		seen++
		rows, documented := sections[id]
		if !documented {
			t.Errorf("docs/caddyfile.md has no section on %s", id)
			continue
		}
		fields := jsonFields(module, "")
		for path, field := range fields {
			row, documented := rows[path]
			if !documented {
				t.Errorf("%s: no row for %s", id, path)
				continue
			}
			checkRow(t, id+" "+path, row, comments[field.owner][field.Name], field.Type)
		}
		for path := range rows {
			if _, exists := fields[path]; !exists {
				t.Errorf("%s: the row for %s is about no field", id, path)
			}
		}
	}
	if seen != len(sections) {
		t.Errorf("docs/caddyfile.md describes %d modules, of %d", len(sections), seen)
	}
}

func checkRow(t *testing.T, name, row, comment string, kind reflect.Type) {
	t.Helper()
	row = strings.ReplaceAll(row, "`", "")
	if fallback := defaultOf(comment); fallback != "" && !strings.Contains(row, "Default: "+fallback) {
		t.Errorf("%s: the comment has the default %q, and the row says: %s", name, fallback, row)
	}
	if strings.HasSuffix(comment, "Required.") && !strings.Contains(row, "Required") {
		t.Errorf("%s: the field is required, and the row says: %s", name, row)
	}
	if kind == reflect.TypeFor[caddy.Duration]() && !strings.HasPrefix(row, "Duration") {
		t.Errorf("%s: the field is a duration, and the row says: %s", name, row)
	}
}

var defaultSentence = regexp.MustCompile(`Default: (.+?)(?:[.;]( |$)| \()`)

// defaultOf returns the default in a comment, without what is in parentheses.
func defaultOf(comment string) string {
	if found := defaultSentence.FindStringSubmatch(comment + " "); found != nil {
		return strings.ReplaceAll(found[1], "`", "")
	}
	return ""
}

// modules returns the types of this project's modules, by their ID. Modules of tests
// have no comments.
func modules(comments map[string]map[string]string) map[string]reflect.Type {
	own := make(map[string]reflect.Type)
	for _, id := range caddy.Modules() {
		info, err := caddy.GetModule(id)
		if err != nil {
			continue
		}
		kind, _ := elementOf(reflect.TypeOf(info.New()))
		if _, written := comments[kind.Name()]; written && isOwn(kind) {
			own[id] = kind
		}
	}
	return own
}

func isOwn(t reflect.Type) bool {
	return slices.Contains([]string{reflect.TypeFor[tokenidp.App]().PkgPath(), reflect.TypeFor[adminendpoint.Endpoint]().PkgPath()}, t.PkgPath())
}

// jsonField is a field of a struct that is named owner.
type jsonField struct {
	reflect.StructField
	owner string
}

// jsonFields returns the fields that JSON has, by their path.
func jsonFields(t reflect.Type, prefix string) map[string]jsonField {
	fields := make(map[string]jsonField)
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct && name == "":
			maps.Copy(fields, jsonFields(f.Type, prefix))
		case f.IsExported() && name != "-":
			fields[prefix+name] = jsonField{StructField: f, owner: t.Name()}
			if element, infix := elementOf(f.Type); element.Kind() == reflect.Struct && isOwn(element) {
				maps.Copy(fields, jsonFields(element, prefix+name+infix+"."))
			}
		}
	}
	return fields
}

// elementOf returns what a list or a pointer holds, and how a path continues there.
func elementOf(t reflect.Type) (element reflect.Type, infix string) {
	for {
		switch t.Kind() {
		case reflect.Slice:
			t, infix = t.Elem(), infix+"[]"
		case reflect.Pointer:
			t = t.Elem()
		default:
			return t, infix
		}
	}
}

// fieldComments returns the comments on fields, by the names of the struct and the
// field. It reads no tests.
func fieldComments(t *testing.T) map[string]map[string]string {
	t.Helper()
	comments := make(map[string]map[string]string)
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	others, err := filepath.Glob("../internal/adminendpoint/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, others...) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				comments[spec.Name.Name] = structComments(spec.Type)
			}
			return true
		})
	}
	return comments
}

func structComments(t ast.Expr) map[string]string {
	comments := make(map[string]string)
	s, isStruct := t.(*ast.StructType)
	if !isStruct {
		return comments
	}
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			comments[name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		}
	}
	return comments
}

// jsonSections returns the last cell of each row, by module and field.
func jsonSections(t *testing.T) map[string]map[string]string {
	t.Helper()
	document, err := os.ReadFile("../docs/caddyfile.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(document), "\n## JSON\n")
	text, _, _ = strings.Cut(text, "\n## ")
	sections := make(map[string]map[string]string)
	for _, section := range strings.Split(text, "\n### ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		id := strings.Trim(heading[strings.LastIndex(heading, " ")+1:], "`")
		sections[id] = tableRows(t, body)
	}
	return sections
}

var tableRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*\\| (.+) \\|$")

func tableRows(t *testing.T, table string) map[string]string {
	t.Helper()
	rows := make(map[string]string)
	for _, match := range tableRow.FindAllStringSubmatch(table, -1) {
		if _, twice := rows[match[1]]; twice {
			t.Errorf("docs/caddyfile.md has two rows for %s in one table", match[1])
		}
		rows[match[1]] = match[2]
	}
	if lines := strings.Count(table, "\n| `"); lines != len(rows) {
		t.Errorf("%d of %d rows are understood; known: %v", len(rows), lines, slices.Sorted(maps.Keys(rows)))
	}
	return rows
}

// Every path and every Go name in backticks is there.
func TestNamesInArchitectureExist(t *testing.T) {
	names := declaredNames(t)
	for _, document := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile("../" + document)
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range codeSpan.FindAllStringSubmatch(withoutBlocks(string(text)), -1) {
			switch name := span[1]; {
			case isPath(name):
				if _, err := os.Stat("../" + name); err != nil {
					t.Errorf("%s: %v", document, err)
				}
			case isName(name):
				if !names[strings.TrimSuffix(name, "()")] {
					t.Errorf("%s: there is no %s", document, name)
				}
			}
		}
	}
}

var (
	codeSpan    = regexp.MustCompile("`([^`\n]+)`")
	codeBlock   = regexp.MustCompile("(?ms)^```.*?^```$")
	pathOfFile  = regexp.MustCompile(`^[\w.][\w./-]*(/|\.(go|md|ya?ml|mod))$`)
	declaration = regexp.MustCompile(`^(\w+\(\)|\w+(\.\w+)+(\(\))?|[A-Z]\w*[a-z]\w*)$`)
)

func withoutBlocks(document string) string { return codeBlock.ReplaceAllString(document, "") }

// isPath reports whether it is written as a path in this repository.
func isPath(s string) bool { return pathOfFile.MatchString(s) && s != operatorsFile }

const operatorsFile = "applications.yaml"

// isName reports whether it is written as a Go name: f(), p.Name, T.Method or Type.
func isName(s string) bool {
	return declaration.MatchString(s) && s != "Authorization" && s != operatorsFile
}

// declaredNames returns all names that packages of this project declare outside tests: by
// themselves, behind their package, and, of methods and fields, behind their type.
func declaredNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), "../"+path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			for _, name := range namesOf(declared) {
				names[name], names[file.Name.Name+"."+name] = true, true
			}
		}
		return nil
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("%d names, %v", len(names), err)
	}
	return names
}

func namesOf(declared ast.Decl) (names []string) {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return []string{receiver(d.Recv.List[0].Type) + "." + d.Name.Name, d.Name.Name}
		}
		return []string{d.Name.Name}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			names = append(names, namesOfSpec(spec)...)
		}
	}
	return names
}

func namesOfSpec(spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		names = append(names, s.Name.Name)
		if fields, ok := s.Type.(*ast.StructType); ok {
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					names = append(names, s.Name.Name+"."+name.Name)
				}
			}
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// receiver returns the name of the type of a method, without its parameters.
func receiver(t ast.Expr) string {
	switch e := t.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
