package application

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const schemaFile = "../../docs/applications.schema.json"

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestSchemaFileIsCurrent(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/applications.schema.json is not what the reader declares (%v); write it with:\n"+
			"go run ./cmd/caddy tokenidp schema > docs/applications.schema.json", err)
	}
}

// TestSchemaAndReaderAgree feeds files to both. The schema refuses a file if and only if
// the reader has an error about its shape.
func TestSchemaAndReaderAgree(t *testing.T) {
	t.Parallel()
	const files, seed = 10_000, 1
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	schema := compiledSchema(t)
	seen := map[string]int{}
	for i := range files {
		file := any(g.file())
		mistakes := i % 3 // every third file is valid
		for range mistakes {
			g.gentle = g.some()
			file = g.mistake(file)
		}
		text := g.text(file)
		l := read("a.yaml", []byte(text), sourcesAreAbsent)
		refused := schema.Validate(asJSON(t, text))
		var errs []string
		if err := strictyaml.Error(l.errors.Clone(), l.testErrors.Clone()); err != nil {
			errs = strings.Split(err.Error(), "\n")
		}
		switch {
		case l.Misshapen != (refused != nil), mistakes == 0 && len(errs) > 0:
			t.Fatalf("file %d of the seed %d: the reader has %q, misshapen: %v; the schema has %v\n%s", i, seed, errs, l.Misshapen, refused, text)
		case l.Misshapen:
			seen["misshapen"]++
			continue
		case len(errs) == 0:
			seen["accepted"]++
			continue
		}
		for _, err := range errs {
			meaning := slices.IndexFunc(meanings, func(m *regexp.Regexp) bool { return m.MatchString(err) })
			if meaning < 0 {
				t.Fatalf("file %d of the seed %d: the schema cannot say %q, which is not listed\n%s", i, seed, err, text)
			}
			seen[meanings[meaning].String()]++
		}
	}
	if seen["misshapen"] < files/3 || seen["accepted"] < files/3 {
		t.Errorf("the generator is one-sided: %v", seen)
	}
	for _, m := range meanings {
		if seen[m.String()] == 0 {
			t.Errorf("no file of the seed %d has the mistake %s", seed, m)
		}
	}
}

// sourcesAreAbsent counts files and placeholders as present.
var sourcesAreAbsent = Options{
	ReadFile: func(string, int64) ([]byte, fs.FileInfo, error) { return nil, nil, fs.ErrNotExist },
	Expand:   func(string) (string, error) { return "", fs.ErrNotExist },
	Absent:   func(string) {},
}

// meanings are the errors that a JSON Schema cannot express: about the meaning of several
// values together, the meaning of a format beyond its pattern, and the spelling of YAML
// values.
var meanings = listed(
	// What values mean together.
	"is already defined at",
	"which is not in scopes",
	"is already that of the secret in line",

	// What a format means beyond its pattern.
	"client_id is a secret", "id is a secret", "must be the path of a file",
	"printable characters", "must be the iss of its tokens",
	"must be whole seconds", "is not a duration",
	"expires must be a day",
	"hash is not usable",
	"must be an absolute URI", "has no host",
	"jwks_uri must be the URL", "must have no user",
	"is not a distinguished name", "must be one IP address",
	"is not usable",
	"which this server sets",

	// How YAML spells values.
	"must be a string; quote it",
	"must be true or false, without quotes",
	"must be a whole number",
	"must be text, a number as JSON has it",
	"is a number that not every reader of JSON keeps exactly",
)

func listed(texts ...string) (all []*regexp.Regexp) {
	for _, text := range texts {
		all = append(all, regexp.MustCompile(regexp.QuoteMeta(text)))
	}
	return all
}

// asJSON reads a file like an editor: YAML 1.2, in which dates are texts.
func asJSON(t testing.TB, text string) any {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return jsonOf(t, document.Content[0])
}

func jsonOf(t testing.TB, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.MappingNode:
		o := make(map[string]any)
		for i := 0; i < len(n.Content); i += 2 {
			o[n.Content[i].Value] = jsonOf(t, n.Content[i+1])
		}
		return o
	case yaml.SequenceNode:
		list := []any{}
		for _, element := range n.Content {
			list = append(list, jsonOf(t, element))
		}
		return list
	}
	if n.ShortTag() == "!!timestamp" {
		return n.Value
	}
	var value any
	if err := n.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Every applications file of this repository is valid, and says where its schema is.
func TestExamplesHaveTheSchema(t *testing.T) {
	schema := compiledSchema(t)
	seen := 0
	for name, text := range examples(t) {
		if !strings.HasPrefix(text, "# yaml-language-server: $schema="+SchemaURL+"\n") {
			t.Errorf("%s does not begin with the line of its schema, %s", name, SchemaURL)
		}
		if err := schema.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		seen++
	}
	if seen < 20 {
		t.Errorf("only %d examples", seen)
	}
}

var (
	section   = regexp.MustCompile(`(?m)^(applications|resources):`)
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
)

// examples returns the applications files of the repository, and those in its documents.
func examples(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, pattern := range []string{"*.yaml", "*.md", "docs/*.md", "examples/*/*.md", "examples/*/*.yaml", "examples/*/*/*.yaml"} {
		paths, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, ".yaml") && section.Match(text) {
				found[path] = string(text)
			}
			for i, block := range yamlBlock.FindAllSubmatch(text, -1) {
				found[fmt.Sprintf("%s, block %d", path, i)] = string(block[1])
			}
		}
	}
	return found
}

// An editor shows the descriptions. Each is one plain sentence.
func TestSchemaDescribesEveryField(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	checkDescriptions(t, "", schema)
}

var sentence = regexp.MustCompile(`^[A-Z][^\n]*[^.]\.$`)

func checkDescriptions(t *testing.T, path string, schema map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		field, _ := property.(map[string]any)
		at := path + "/" + name
		if description, _ := field["description"].(string); !sentence.MatchString(description) {
			t.Errorf("%s: %q is not a sentence", at, description)
		}
		checkDescriptions(t, at, field)
		if items, ok := field["items"].(map[string]any); ok {
			checkDescriptions(t, at, items)
		}
	}
	if schema["type"] == "object" && properties != nil && schema["additionalProperties"] != false {
		t.Errorf("%s is not closed", path)
	}
}
