package application

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// layout writes a file in some of the ways in which people do, each line of a
// secret ending in its own mark, and each line of anything else in another.
type layout struct {
	*rand.Rand
	strings.Builder
	newline string
}

func (l *layout) any(of ...string) string { return of[l.IntN(len(of))] }

func (l *layout) line(format string, args ...any) {
	fmt.Fprintf(&l.Builder, format+l.newline, args...)
}

// between is what may stand between the lines of anything.
func (l *layout) between(indent string) {
	for l.IntN(4) == 0 {
		l.WriteString(l.any("", indent+"# keep", "  # keep", "# keep", "   ") + l.newline)
	}
}

func (l *layout) application(clientID string, secrets []string) {
	l.between("  ")
	l.line("  - client_id: %s # keep", clientID)
	fields := []func(){
		func() { l.line("    scopes: [r]%s# keep", l.any(" ", "\t", "   ")) },
		func() { l.line("    client_name: %s # keep", l.any("a", `"- id: a"`, `'# b'`)) },
		func() { l.secrets(secrets) },
	}
	l.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	for _, field := range fields {
		field()
		l.between("    ")
	}
}

func (l *layout) secrets(ids []string) {
	l.line("    secrets:%s# keep", l.any(" ", "\t"))
	dash := l.any("    ", "      ", "          ")
	for _, id := range ids {
		l.between(dash[:len(dash)-2])
		if l.IntN(2) == 0 {
			l.line("")
		}
		for l.IntN(3) == 0 {
			l.line("%s# <%s>", dash, id)
		}
		l.secret(dash, id)
		for l.IntN(3) == 0 {
			l.line("%s  # <%s>", dash, id)
		}
	}
}

func (l *layout) secret(dash, id string) {
	hash := "$sha256$" + strings.Repeat(id[:1], 64)
	if l.IntN(4) == 0 {
		l.line(`%s- {id: %s, hash: "%s"} # <%[2]s>`, dash, id, hash)
		return
	}
	in := dash + "  "
	fields := []string{
		"id: " + l.any(id, `"`+id+`"`, "'"+id+"'") + " # <" + id + ">",
		l.any(`hash: "`+hash+`" # <`+id+">",
			"hash: >- # <"+id+">"+l.newline+in+"  "+hash,
			"hash:   # <"+id+">"+l.newline+l.newline+in+"  "+hash,
			"file: /run/secrets/"+id),
	}
	if l.IntN(2) == 0 {
		fields = append(fields, "expires: 2027-06-30"+l.any(" ", "\t")+"# <"+id+">")
	}
	l.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	l.WriteString(dash + l.any("- ", "-"+l.newline+in, "- # <"+id+">"+l.newline+in, "-   # <"+id+">"+l.newline+l.newline+in))
	for i, field := range fields {
		if i > 0 {
			l.WriteString(in)
			if l.IntN(4) == 0 {
				l.WriteString("# <" + id + ">" + l.newline + l.newline + in)
			}
		}
		l.WriteString(field + l.newline)
	}
}

var mark = regexp.MustCompile(`<[a-z]\d>`)

// TestRemoveSecretOfAnyLayout: all lists in the block style can be edited, and
// of all the comments just those of the secret are gone.
func TestRemoveSecretOfAnyLayout(t *testing.T) {
	for seed := range uint64(400) {
		l := &layout{Rand: rand.New(rand.NewPCG(seed, 1))}
		l.newline = l.any("\n", "\n", "\r\n")
		l.WriteString(l.any("", "\uFEFF", "# keep"+l.newline+"---"+l.newline))
		l.line("resources: [{name: api, scopes: [{name: r}]}] # keep")
		l.line("applications:")
		l.application("other", []string{"a1", "b2", "c3"}[:1+l.IntN(2)])
		ids := []string{"a1", "b2", "c3"}
		l.application("x", ids)
		l.application("another", []string{"c3"})
		text := l.String()
		if l.IntN(3) == 0 {
			text = strings.TrimRight(text, "\r\n")
		}
		for _, id := range ids {
			got, err := RemoveSecret([]byte(text), "x", id)
			if err != nil {
				t.Fatalf("seed %d: %v in\n%s", seed, err, text)
			}
			if !onePieceLess([]byte(text), got) {
				t.Fatalf("seed %d: more than one piece is gone", seed)
			}
			_, from, _ := strings.Cut(text, "client_id: x")
			from, _, _ = strings.Cut(from, "client_id: ")
			own := strings.Count(from, "<"+id+">")
			if was, is := len(mark.FindAllString(text, -1)), len(mark.FindAllString(string(got), -1)); was-is != own {
				t.Fatalf("seed %d: %d marks instead of %d, %d were of %s in\n%s", seed, is, was, own, id, text)
			}
			if strings.Count(text, "# keep") != strings.Count(string(got), "# keep") {
				t.Fatalf("seed %d: without %s, a comment is gone in\n%s", seed, id, text)
			}
		}
	}
}
