package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Links within the repository lead to a file, and to a heading of it.
func TestLinksOfDocuments(t *testing.T) {
	t.Parallel()
	others := append(pages(t, "clients"), "../examples/README.md", "../xcaddy.md", "../CHANGELOG.md", "../SECURITY.md", "../CONTRIBUTING.md", "../ARCHITECTURE.md")
	for _, path := range append(documents(t), others...) {
		for _, l := range links(t, path) {
			if _, err := os.Stat(l.target); err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if l.anchor != "" && !slices.Contains(anchors(read(t, l.target)), l.anchor) {
				t.Errorf("%s: %s has no heading #%s", path, l.target, l.anchor)
			}
		}
	}
}

// link is a link within the repository.
type link struct{ target, anchor string }

var (
	markdownLink = regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)
	pictureLink  = regexp.MustCompile(`<img [^>]*src="([^"]*)"()`)
)

// links returns the links and pictures of a document.
func links(t *testing.T, path string) []link {
	t.Helper()
	text := read(t, path)
	var found []link
	for _, match := range append(markdownLink.FindAllStringSubmatch(text, -1), pictureLink.FindAllStringSubmatch(text, -1)...) {
		if strings.Contains(match[1], "://") {
			continue
		}
		l := link{target: path, anchor: match[2]}
		if match[1] != "" {
			l.target = filepath.Join(filepath.Dir(path), match[1])
		}
		found = append(found, l)
	}
	return found
}

// anchors returns what headings are called in links, as GitHub makes it from their
// text.
func anchors(document string) []string {
	var found []string
	fenced := false
	for _, line := range strings.Split(document, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if !fenced && strings.HasPrefix(line, "#") {
			text := strings.ToLower(strings.TrimLeft(line, "# "))
			found = append(found, strings.ReplaceAll(regexp.MustCompile(`[^\w -]`).ReplaceAllString(text, ""), " ", "-"))
		}
	}
	return found
}

// The README links the index of the documents and that of the examples. The first has every
// document in docs, and leads to those in its folders. The second has every example.
func TestIndexes(t *testing.T) {
	t.Parallel()
	const documentIndex, exampleIndex = "../docs/README.md", "../examples/README.md"
	for index, pattern := range map[string]string{documentIndex: "../docs/*.md", exampleIndex: "../examples/*/README.md"} {
		if !linked(t, "../README.md", index) {
			t.Errorf("README.md has no link to %s", index)
		}
		for _, path := range glob(t, pattern) {
			if path != index && !linked(t, index, path) {
				t.Errorf("%s has no link to %s", index, path)
			}
		}
	}
	reached := reach(t, documentIndex)
	for _, path := range glob(t, "../docs/*/*.md") {
		if !slices.Contains(reached, path) {
			t.Errorf("no links lead from %s to %s", documentIndex, path)
		}
	}
}

// linked reports whether a document has a link to another, or to the folder that it opens.
func linked(t *testing.T, from, to string) bool {
	t.Helper()
	return slices.ContainsFunc(links(t, from), func(l link) bool {
		return l.target == to || filepath.Join(l.target, "README.md") == to
	})
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files at %s, %v", len(paths), pattern, err)
	}
	return paths
}

// reach returns the documents in docs to which links lead from a document.
func reach(t *testing.T, from string) []string {
	t.Helper()
	reached := []string{from}
	for i := 0; i < len(reached); i++ {
		for _, l := range links(t, reached[i]) {
			if strings.HasPrefix(l.target, "../docs/") && strings.HasSuffix(l.target, ".md") && !slices.Contains(reached, l.target) {
				reached = append(reached, l.target)
			}
		}
	}
	return reached
}

// pages returns the documents in a folder of docs.
func pages(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob("../docs/" + folder + "/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d pages in docs/%s, %v", len(paths), folder, err)
	}
	return paths
}

// A folder of docs has an index, which links all its pages.
func TestIndexesListEveryPage(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"clients", "migrate"} {
		index := read(t, "../docs/"+folder+".md")
		for _, path := range pages(t, folder) {
			if link := "](" + strings.TrimPrefix(path, "../docs/") + ")"; !strings.Contains(index, link) {
				t.Errorf("docs/%s.md has no link %s", folder, link)
			}
		}
	}
	index := read(t, "../docs/deploy/README.md")
	for _, path := range pages(t, "deploy") {
		if name := filepath.Base(path); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/deploy/README.md has no link %s", name)
		}
	}
}
