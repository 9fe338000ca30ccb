package statuspage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// longestText limits a text from elsewhere, in characters.
	longestText = 160
	// longestRead limits the part of the text that is read.
	longestRead = 64 << 10
)

// visible returns a text, and escapes characters that are invisible or change the order of
// others, such as \u202e. It cuts the middle out of a long text, and marks the cut.
func visible(text string) string {
	all := []rune(escaped(text[:min(len(text), longestRead)]))
	if len(all) <= longestText {
		return string(all)
	}
	half := longestText / 2
	return fmt.Sprintf("%s… (%s characters) …%s", string(all[:half]), number(utf8.RuneCountInString(text)), string(all[len(all)-half:]))
}

// longestCommand is more than a command has, whatever an Application is called.
const longestCommand = 1200

// whole returns a command like visible, and never cuts it: somebody pastes it into a shell,
// where a part of a quoted name may be a command.
func whole(command string) string {
	if len(command) > longestCommand {
		return "caddy tokenidp --help" // no name that can be configured is so long
	}
	return escaped(command)
}

func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// printable returns a text without what a reader does not see.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}

// longestKey limits a name in a link, in bytes.
const longestKey = 255

// key returns the key of a name in a link: the name, or its hash if the name is too long or
// has characters that nobody can type.
func key(name string) string {
	if len(name) <= longestKey && printable(name) == name {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:16])
}

const (
	// wholeName is the length up to which a name stays whole.
	wholeName = 14
	// nameEnd is the number of characters that stay at the end of a cut name.
	nameEnd = 8
)

// name returns the HTML of an identifier. If there is no room, the style hides its middle.
// The page has the whole name, for a reader who selects it.
func name(text string) template.HTML {
	runes := []rune(visible(text))
	if len(runes) <= wholeName {
		return template.HTML("<bdi class=id>" + template.HTMLEscapeString(string(runes)) + "</bdi>") //nolint:gosec // escaped
	}
	start, end := string(runes[:len(runes)-nameEnd]), string(runes[len(runes)-nameEnd:])
	return template.HTML("<bdi class=id><span>" + template.HTMLEscapeString(start) + "</span>" + template.HTMLEscapeString(end) + "</bdi>") //nolint:gosec // escaped
}

// number returns a number with commas.
func number(n int) string {
	return grouped(strconv.Itoa(n))
}

// amount returns a number that was counted.
func amount(n uint64) string { return grouped(strconv.FormatUint(n, 10)) }

func grouped(text string) string {
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count returns a number of things, such as 1 key or 1,204 keys.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + several
}

// times says how often something was counted.
func times(n uint64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return amount(n) + " " + several
}

// Moment is a time, absolute and beside now.
type Moment struct{ at, now time.Time }

// newMoment returns nil for an unknown time.
func newMoment(at *time.Time, now time.Time) *Moment {
	if at == nil {
		return nil
	}
	return &Moment{at.UTC(), now.UTC()}
}

// Machine returns the time for programs.
func (m Moment) Machine() string { return m.at.Format(time.RFC3339) }

// Absolute returns the time with the year only if it differs from this year.
func (m Moment) Absolute() string {
	if m.at.Year() != m.now.Year() {
		return m.at.Format("2 Jan 2006 15:04 UTC")
	}
	return m.at.Format("2 Jan 15:04 UTC")
}

// Relative returns the distance from now, such as: in 3 h.
func (m Moment) Relative() string {
	if m.at.After(m.now) {
		return "in " + span(m.at.Sub(m.now))
	}
	return span(m.now.Sub(m.at)) + " ago"
}

// Age is how long ago it was.
func (m Moment) Age() string { return span(m.now.Sub(m.at)) }

// span rounds down to one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than 1 min"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return number(int(d/(24*time.Hour))) + " d"
}
