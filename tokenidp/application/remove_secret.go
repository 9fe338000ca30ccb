package application

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// RemoveSecret returns the text of an applications file without one secret of
// one Application, everything else, comments and formatting included, byte for
// byte as it was. Comments within the secret's lines go with it, and so do the
// comment lines directly above it at its indentation: left where they are, they
// would seem to be about the secret that comes next.
//
// It fails, rather than guess, where the file has a mistake, where the secret is
// not in it, or is the last one of an active Application, and where it cannot be
// taken out exactly; the error then says which lines to edit by hand. Neither
// mounted secrets nor other files are read.
func RemoveSecret(text []byte, clientID, secretID string) ([]byte, error) {
	what := fmt.Sprintf("removing secret %s of application %s", strictyaml.Quote(secretID), strictyaml.Quote(clientID))
	before, err := understand(text)
	if err != nil {
		return nil, fmt.Errorf("%s: correct the file first: %w", what, err)
	}
	target, err := before.find(clientID, secretID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	after, err := target.cut(text)
	if err == nil {
		err = target.confirm(after)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; edit %s by hand", what, err, target.lines())
	}
	return after, nil
}

// understood is a file that the loader takes.
type understood struct {
	root         *strictyaml.Node
	applications []*Application
}

// understand reads a text as the loader does, but for what is outside of it:
// mounted secrets and placeholders count as if they held some hash.
func understand(text []byte) (*understood, error) {
	if len(text) > MaxFileSize {
		return nil, fmt.Errorf("it is larger than %d bytes", MaxFileSize)
	}
	r := newReader("the file")
	root := r.Parse(text)
	if err := firstError(r); err != nil {
		return nil, err
	}
	complete := newReader("").Parse(text)
	withoutFiles(complete)
	l := &loader{
		Document: &Document{file: "the file"},
		Reader:   newReader("the file"),
		options:  Options{Expand: func(string) (string, error) { return someHash, nil }, ReadFile: ReadFile},
		defined:  make(map[string]strictyaml.Position),
		names:    make(map[string]string),
	}
	l.entries(complete)
	if err := firstError(l.Reader); err != nil {
		return nil, err
	}
	return &understood{root, l.applications}, nil
}

// firstError is the one of the first line.
func firstError(r *strictyaml.Reader) error {
	if !r.Errors.Any() {
		return nil
	}
	text := strictyaml.Lines([]strictyaml.Problems{r.Errors.Clone()}, 1)[0]
	first, _, _ := strings.Cut(text, "\n")
	return errors.New(strings.Replace(first, "the file:", "line ", 1))
}

const someHash = "$sha256$" + "0000000000000000000000000000000000000000000000000000000000000000"

// entries is what document does with the content of a file.
func (l *loader) entries(root *strictyaml.Node) {
	top := l.mapping(root, "", "resources", "applications")
	if top == nil {
		return
	}
	for i, n := range top.List("resources") {
		l.resource(n, i)
	}
	for i, n := range top.List("applications") {
		l.application(n, i)
	}
}

// withoutFiles turns every `file` of a secret that has a path into some `hash`.
func withoutFiles(root *strictyaml.Node) {
	for _, applications := range strictyaml.Values(root, "applications") {
		for _, application := range applications.Content {
			for _, secrets := range strictyaml.Values(application, "secrets") {
				for _, s := range secrets.Content {
					withoutFile(s)
				}
			}
		}
	}
}

func withoutFile(n *strictyaml.Node) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path, isString := strictyaml.String(value)
		isPath := isString && path != "" && secret.Classify(path) != secret.Generated
		if key.Value == "file" && isPath {
			key.Value, value.Value = "hash", someHash
		}
	}
}

// target is the secret that is to go.
type target struct {
	*understood
	list  *strictyaml.Node // the value of `secrets`
	index int              // in the list
}

// find says what is there instead.
func (u *understood) find(clientID, secretID string) (*target, error) {
	i := slices.IndexFunc(u.applications, func(a *Application) bool { return a.ClientID == clientID })
	if i < 0 {
		return nil, errors.New("the file has no such application")
	}
	a := u.applications[i]
	ids := make([]string, len(a.Secrets))
	for j, s := range a.Secrets {
		ids[j] = s.ID
	}
	index := slices.Index(ids, secretID)
	switch {
	case index < 0:
		return nil, fmt.Errorf("the application has no such secret; %s", strictyaml.Known(secretID, ids))
	case len(ids) == 1 && a.Active:
		return nil, errors.New("it is the only one, and the application is active: add its successor first, or write `active: false`")
	}
	// The loader has taken every Application, in order, and each of its fields once.
	application := strictyaml.Values(u.root, "applications")[0].Content[i]
	return &target{u, strictyaml.Values(application, "secrets")[0], index}, nil
}

func (t *target) node() *strictyaml.Node { return t.list.Content[t.index] }

// lines names those of the secret.
func (t *target) lines() string {
	first, last := t.node().Line, lastLine(t.node())
	if first == last {
		return fmt.Sprintf("line %d", first)
	}
	return fmt.Sprintf("lines %d to %d", first, last)
}

// lastLine is that in which the last value begins.
func lastLine(n *strictyaml.Node) int {
	last := n.Line
	for _, child := range n.Content {
		last = max(last, lastLine(child))
	}
	return last
}

// cut takes the secret out of the text, as the layout of its list suggests.
func (t *target) cut(text []byte) ([]byte, error) {
	if !plainLineBreaks(text) {
		return nil, errors.New("the file has line breaks that editors do not agree on")
	}
	var from, to int
	var err error
	if t.list.Style&yaml.FlowStyle != 0 {
		from, to, err = t.flowRange(text)
	} else {
		from, to, err = t.blockRange(text)
	}
	if err != nil {
		return nil, err
	}
	return slices.Concat(text[:from], text[to:]), nil
}

// plainLineBreaks reports whether YAML ends lines only where editors do: at LF
// and CR LF.
func plainLineBreaks(text []byte) bool {
	return bytes.Count(text, []byte("\r")) == bytes.Count(text, []byte("\r\n")) && !bytes.ContainsAny(text, "\u0085\u2028\u2029")
}

// confirm reads what is left: the loader takes it, and every value in it is what
// it was, but for the one secret.
func (t *target) confirm(text []byte) error {
	after, err := understand(text)
	if err != nil {
		return fmt.Errorf("what is left would be wrong: %w", err)
	}
	all := t.list.Content
	defer func() { t.list.Content = all }()
	t.list.Content = slices.Delete(slices.Clone(all), t.index, t.index+1)
	if !sameNode(t.root, after.root) {
		return errors.New("it cannot be taken out without a change of something else")
	}
	return nil
}

func sameNode(a, b *strictyaml.Node) bool {
	return a.Kind == b.Kind && a.Style == b.Style && a.Tag == b.Tag && a.Value == b.Value && a.Anchor == b.Anchor &&
		slices.EqualFunc(a.Content, b.Content, sameNode)
}
