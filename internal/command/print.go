package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// printer writes all output of the commands. It escapes characters that a terminal
// interprets, because names, paths and messages come from callers, from certificates and
// from other servers.
type printer struct{ stdout, stderr io.Writer }

func newPrinter(cmd *cobra.Command) *printer { return &printer{cmd.OutOrStdout(), cmd.ErrOrStderr()} }

// line prints one line.
func (p *printer) line(text string) error {
	_, err := io.WriteString(p.stdout, ascii.Escape(text)+"\n")
	return err
}

// lines prints text with its own line breaks.
func (p *printer) lines(text string) error {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(ascii.Escape(strings.TrimSuffix(line, "\n")) + "\n")
	}
	_, err := io.WriteString(p.stdout, b.String())
	return err
}

// part prints a part of a line.
func (p *printer) part(text string) error {
	_, err := io.WriteString(p.stdout, ascii.Escape(text))
	return err
}

// warn prints one line to standard error. It ignores a failure to print it.
func (p *printer) warn(text string) { _, _ = io.WriteString(p.stderr, ascii.Escape(text)+"\n") }

// prompt asks for input on the same line.
func (p *printer) prompt(text string) { _, _ = io.WriteString(p.stderr, ascii.Escape(text)) }

// json prints a value as JSON in one line.
func (p *printer) json(v any) error {
	encoded, err := encodeJSON(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.stdout, encoded+"\n")
	return err
}

// encodeJSON returns JSON in one line, with escapes. Characters that are not printable
// occur only in strings.
func encodeJSON(v any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", err
	}
	return ascii.Escape(strings.TrimSuffix(b.String(), "\n")), nil
}

// table prints lines whose cells are in columns.
func (p *printer) table(write func(t *table)) error {
	var text bytes.Buffer
	t := &table{tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)}
	write(t)
	if err := t.w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := io.WriteString(p.stdout, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// table is a table that is being printed.
type table struct{ w *tabwriter.Writer }

// row adds a line. Its cells align with those of the rows above and below. A single cell
// does not align.
func (t *table) row(cells ...string) {
	escaped := make([]string, len(cells))
	for i, cell := range cells {
		escaped[i] = ascii.Escape(cell)
	}
	_, _ = fmt.Fprintln(t.w, strings.Join(escaped, "\t")) // into memory
}
