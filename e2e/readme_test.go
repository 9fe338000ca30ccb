package e2e

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README shows the two commands, each in a block of its own, and stays short.
func TestReadmeIsOneScreen(t *testing.T) {
	t.Parallel()
	readme := read(t, "../README.md")
	for _, command := range []string{"go run ./cmd/caddy run --config Caddyfile.example\n", "./test\n"} {
		if !slices.ContainsFunc(blocks(readme), func(b block) bool { return b.kind == "sh" && b.text == command }) {
			t.Errorf("README.md has no sh block with only %q", command)
		}
	}
	if lines := strings.Count(readme, "\n"); lines > 110 {
		t.Errorf("README.md has %d lines: show a feature in docs/tour.md, and link it", lines)
	}
}

// picture is what the test reads of docs/overview.svg.
type picture struct {
	ViewBox string `xml:"viewBox,attr"`
	Title   string `xml:"title"`
	Desc    string `xml:"desc"`
	Style   string `xml:"style"`
	Texts   []struct {
		Class string `xml:"class,attr"`
		Text  string `xml:",chardata"`
		Spans []struct {
			Class string `xml:"class,attr"`
			Text  string `xml:",chardata"`
		} `xml:"tspan"`
	} `xml:"text"`
}

// code returns the words of the picture that are names in a configuration.
func (p picture) code() []string {
	var words []string
	add := func(class, text string) {
		if strings.Contains(class, "code") {
			words = append(words, strings.Fields(strings.ReplaceAll(text, ":", " "))...)
		}
	}
	for _, text := range p.Texts {
		add(text.Class, text.Text)
		for _, span := range text.Spans {
			add(span.Class, span.Text)
		}
	}
	return words
}

// The picture of the README shows Caddyfile.example: a name in it is a name there. It has
// its text as text, both colour schemes, and nothing from elsewhere.
func TestPictureOfReadme(t *testing.T) {
	t.Parallel()
	source := read(t, "../docs/overview.svg")
	var shown picture
	if err := xml.Unmarshal([]byte(source), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.ViewBox == "" || shown.Title == "" || shown.Desc == "" || !strings.Contains(shown.Style, "prefers-color-scheme: dark") {
		t.Error("docs/overview.svg lacks a viewBox, a title, a description, or colours for dark")
	}
	if found := regexp.MustCompile(`<(script|image|foreignObject)|href|@import|url\([^#]`).FindString(source); found != "" {
		t.Errorf("docs/overview.svg has %s: it shows nothing from elsewhere", found)
	}
	example := read(t, "../Caddyfile.example") + read(t, "../applications.example.yaml")
	words := shown.code()
	for _, word := range words {
		if !strings.Contains(example, strings.TrimSuffix(word, ".yaml")) {
			t.Errorf("docs/overview.svg shows %q, which is not in the example", word)
		}
	}
	if len(words) < 8 {
		t.Errorf("docs/overview.svg shows only %q of the example", words)
	}
}
