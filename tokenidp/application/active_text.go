package application

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

var (
	applicationsLine = regexp.MustCompile(`^applications[ \t]*:[ \t]*(#.*)?\r?\n$`)
	otherFieldLine   = regexp.MustCompile(`^[^ \t\r\n#-]`)
	itemLine         = regexp.MustCompile(`^( *)-[ \t\r\n]`)
	clientIDLine     = regexp.MustCompile(`(?m)^([ \t]*(?:-[ \t]+)?)client_id[ \t]*:[ \t]*["']?([^\s"'#]+)`)
	activeLine       = regexp.MustCompile(`(?m)^([ \t]*(?:-[ \t]+)?)active[ \t]*:[ \t]*([^\n]*?)[ \t]*(?:#[^\n]*)?\r?\n`)
)

// deactivatedIn is deactivated for a file that is no YAML: an operator who shuts one out
// in a hurry may have written a tab. Each Application is read by itself, and one that is no
// YAML either by its lines.
func deactivatedIn(data []byte) (clientIDs []string) {
	for _, item := range applicationTexts(data) {
		if root := new(strictyaml.Reader).Parse([]byte("applications:\n" + item)); root != nil {
			clientIDs = append(clientIDs, deactivated(root)...)
		} else if id, off := switchedOff(item); off {
			clientIDs = append(clientIDs, id)
		}
	}
	return clientIDs
}

// applicationTexts returns the items of the list `applications`.
func applicationTexts(data []byte) (items []string) {
	within, indentation, begin, end := false, -1, 0, 0
	flush := func(next int) {
		if item := string(data[begin:end]); item != "" {
			items = append(items, item)
		}
		begin = next
	}
	for line := range bytes.Lines(data) {
		item := itemLine.FindSubmatch(line)
		switch {
		case applicationsLine.Match(line):
			flush(end + len(line))
			within, indentation = true, -1
		case !within:
			begin += len(line)
		case item != nil && (indentation < 0 || indentation == len(item[1])):
			flush(end)
			indentation = len(item[1])
		case otherFieldLine.Match(line):
			flush(end + len(line))
			within = false
		}
		end += len(line)
	}
	flush(end)
	return items
}

// switchedOff returns the client_id of an Application that has a whole line for `active`,
// with another value than true. A line that is indented further belongs to another field.
func switchedOff(item string) (clientID string, off bool) {
	id := clientIDLine.FindStringSubmatch(item)
	if id == nil {
		return "", false
	}
	for _, active := range activeLine.FindAllStringSubmatch(item, -1) {
		inner := len(active[1]) > len(id[1]) && !strings.Contains(active[1], "\t")
		off = off || !inner && active[2] != "true"
	}
	return id[2], off
}
