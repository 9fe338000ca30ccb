package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// Files checks files of Applications alone, without a configuration of Caddy.
func Files(files []string, o Options) (*Report, error) {
	c := newConfiguration(o)
	options := application.Options{
		Now:    func() time.Time { return c.now },
		Expand: func(s string) (string, error) { return caddy.NewReplacer().ReplaceOrErr(s, true, true) },
		Absent: func(what string) { c.unknown = append(c.unknown, what) },
	}
	var parts []application.Part
	for _, file := range files {
		data, _, err := application.ReadFile(file, application.MaxFileSize)
		if err != nil {
			return nil, fmt.Errorf("%s %w", file, err)
		}
		parts = append(parts, application.Part{Document: application.Read(file, data, options)})
	}
	elsewhere, err := c.elsewhere(parts, o.Resources)
	if err != nil {
		return nil, err
	}
	set, err := application.Union(append(parts, elsewhere...))
	if err != nil {
		return nil, err
	}
	c.sets = map[string]*application.Set{"": set}
	for _, p := range parts {
		c.documents = append(c.documents, p.Document)
	}
	c.leaveOutTests(set)
	slices.Sort(c.unknown)
	return c.report(), nil
}

// leaveOutTests reports the tests that cannot run, because they are about routes.
func (c *configuration) leaveOutTests(set *application.Set) {
	tests, _ := set.Tests() // mistakes in them are warnings of the set
	for _, t := range tests {
		c.notRun = append(c.notRun, t.Source+": the test is about routes, which are in a configuration of Caddy")
	}
}

// elsewhere returns a file with the named resources that no file has. They own the scopes
// that nothing here owns.
func (c *configuration) elsewhere(parts []application.Part, resources []string) ([]application.Part, error) {
	owned, missing := make(map[string]bool), make(map[string]bool)
	for _, p := range parts {
		for _, r := range p.Resources() {
			if slices.Contains(resources, r.Name) {
				return nil, fmt.Errorf("%s: the resource %s is in the file; name those that are elsewhere alone", r.Source, r.Name)
			}
			for _, s := range r.Scopes {
				owned[s.Name] = true
			}
		}
	}
	for _, p := range parts {
		for _, a := range p.Applications() {
			for _, scope := range a.Scopes {
				missing[scope] = missing[scope] || !owned[scope]
			}
		}
	}
	maps.DeleteFunc(missing, func(_ string, is bool) bool { return !is })
	if len(resources) == 0 || len(missing) == 0 {
		return nil, nil
	}
	scopes := slices.Sorted(maps.Keys(missing))
	var text strings.Builder
	fmt.Fprintf(&text, "resources:\n  - name: %q\n    scopes:\n", resources[0])
	for _, scope := range scopes {
		fmt.Fprintf(&text, "      - name: %q\n", scope)
	}
	d := application.Read("--resource "+resources[0], []byte(text.String()), application.Options{})
	if d.Broken() {
		return nil, errors.New(strings.ReplaceAll(d.Err().Error(), "\n", "; "))
	}
	c.unknown = append(c.unknown, fmt.Sprintf("the scopes %s, which count as those of %s", strings.Join(scopes, ", "), strings.Join(resources, " or ")))
	return []application.Part{{Document: d}}, nil
}
