package command

import (
	"fmt"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// mostMarkdown limits the table. A comment on GitHub may have 65,536 characters, including
// the text after the table.
const mostMarkdown = 40_000

// markdown returns the report as a comment on a pull request. Every text from the
// configurations is code, so that a site does not read it as a link, a mention or HTML.
func (r *diffReport) markdown() string {
	var b strings.Builder
	if len(r.Differences) == 0 {
		b.WriteString("### Who can reach what: no difference\n")
	} else {
		fmt.Fprintf(&b, "### Who can reach what: %s\n\n", r.summary())
		b.WriteString("| | who | route | request | before | now |\n| --- | --- | --- | --- | --- | --- |\n")
	}
	for i, d := range r.Differences {
		row := d.markdown()
		if b.Len()+len(row) > mostMarkdown {
			fmt.Fprintf(&b, "\n%s not shown here.\n", counted(len(r.Differences)-i, "more difference is", "more differences are"))
			break
		}
		b.WriteString(row)
	}
	writeDetails(&b, "Routes that no request was made for", r.Unseen)
	writeDetails(&b, "Not here, and taken as present", r.Unknown)
	return b.String()
}

func (d *diffRow) markdown() string {
	title := d.title()
	if d.Kind == "opened" {
		title = "**OPEN**"
	}
	cells := []string{title, d.who(), d.route(), d.request(), d.Before.text(), d.After.text()}
	for i, text := range cells[1:] {
		cells[i+1] = cell(text)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// mostDetails is the number of lines of one kind after the table.
const mostDetails = 20

func writeDetails(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 || b.Len() > mostMarkdown {
		return
	}
	fmt.Fprintf(b, "\n<details><summary>%s: %d</summary>\n\n", title, len(lines))
	for _, line := range lines[:min(len(lines), mostDetails)] {
		b.WriteString("- " + code(line) + "\n")
	}
	b.WriteString("\n</details>\n")
}

// mostOfCode is the length of a text in one span.
const mostOfCode = 300

// cell returns a span of code in a table. A backslash before a bar would escape the
// backslash of the bar.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(code(text), `\|`, `\ |`), "|", `\|`)
}

// code returns a span of code, with more backticks around it than in it.
func code(text string) string {
	text = ascii.Escape(text)
	if runes := []rune(text); len(runes) > mostOfCode {
		text = string(runes[:mostOfCode]) + "…"
	}
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 || text == "" {
		text = " " + text + " "
	}
	return fence + text + fence
}
