package statuspage

import (
	"bytes"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

var update = flag.Bool("update", false, "rewrite the golden files with what the page says now")

// render returns the page of a query, which is at most 100 kB.
func render(t *testing.T, f Facts, query string) string {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := New(f, ReadQuery(values)).HTML()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 100_000 {
		t.Errorf("?%.80s: the page has %d bytes", query, len(text))
	}
	return string(text)
}

func parse(t *testing.T, text string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// find returns the elements with this name, and with this class unless that is "".
func find(root *html.Node, name atom.Atom, class string) (found []*html.Node) {
	for n := range root.Descendants() {
		if n.DataAtom == name && n.Type == html.ElementNode && (class == "" || slices.Contains(strings.Fields(attribute(n, "class")), class)) {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// content returns the text of an element, with single spaces.
func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode && d.Parent.DataAtom != atom.Style && d.Parent.DataAtom != atom.Script:
			b.WriteString(d.Data)
		case slices.Contains([]atom.Atom{atom.Li, atom.P, atom.Td, atom.Th, atom.Dt, atom.Dd, atom.H2, atom.Br, atom.Small, atom.Code}, d.DataAtom):
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// outline returns what a reader of the page finds, line by line.
func outline(root *html.Node) string {
	var b bytes.Buffer
	marks := map[atom.Atom]string{atom.H1: "# ", atom.H2: "## ", atom.H3: "### ", atom.P: "", atom.Li: "- ", atom.Tr: "| ", atom.Pre: "", atom.Dt: ": ", atom.Dd: ":: ", atom.Label: "? "}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		for c := range n.ChildNodes() {
			mark, ok := marks[c.DataAtom]
			nested := len(find(c, atom.P, "")) > 0 || len(find(c, atom.H2, "")) > 0
			if ok && !nested {
				b.WriteString(mark + content(c) + "\n")
				continue
			}
			walk(c)
		}
	}
	walk(root)
	return b.String()
}

// TestOutline compares the text of the page with golden files.
func TestOutline(t *testing.T) {
	for name, row := range map[string]struct {
		facts Facts
		query string
	}{
		"well, no Application":  {well(0), ""},
		"well":                  {well(3), ""},
		"well, a client":        {well(3), "client=orders-worker"},
		"well, a route":         {well(200), "route=" + url.QueryEscape(routes[1].id)},
		"well, a search":        {well(200), "q=SYNC"},
		"well, an odd client":   {well(3), "client=nobody"},
		"well, an odd route":    {well(3), "route=nowhere"},
		"well, an odd search":   {well(3), "q=nothing"},
		"well, many":            {well(200), ""},
		"wrong":                 {wrong(3), ""},
		"wrong, very many":      {wrong(10_000), ""},
		"wrong, no Application": {wrong(0), ""},
		"map, computed now":     {mapped(Map{}), ""},
		"map, of a client":      {mapped(Map{}), "client=orders-worker"},
		"map, computed later":   {mapped(Map{Next: in(3 * time.Minute)}), "q=orders"},
		"map, changed":          {mapped(Map{At: in(-4 * time.Minute), Version: "3f2a9c1b5d6e7f80", Changed: true, Next: in(90 * time.Second)}), ""},
		"map, none":             {mapped(Map{Version: "3f2a9c1b5d6e7f80", Problem: "a module of the configuration panicked: odd \x1b[31m"}), "route=" + url.QueryEscape(routes[1].id)},
		"map, odd answers":      {odd(), "route=" + url.QueryEscape(routes[1].id)},
	} {
		t.Run(name, func(t *testing.T) {
			got := outline(parse(t, render(t, row.facts, row.query)))
			file := filepath.Join("testdata", strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the page says:\n%s\nand not:\n%s", got, want)
			}
		})
	}
}
