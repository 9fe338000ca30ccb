package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/internal/testrun"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// configuration is the input of the rules. The parts of Caddy's configuration are empty if
// only files of Applications are checked.
type configuration struct {
	file string
	now  time.Time

	// sets are the Applications of each issuer; documents are their files, each once.
	sets      map[string]*application.Set
	documents []*application.Document

	caddy     caddyConfig
	app       *tokenidp.App
	probe     *probe.Probe
	routes    *route.Config
	routesErr error
	warnings  []logged
	tests     *testrun.Report

	unknown, notRun []string
}

// caddyConfig is the part of a Caddy configuration that rules read.
type caddyConfig struct {
	Admin struct {
		Disabled bool            `json:"disabled"`
		Listen   string          `json:"listen"`
		Remote   json.RawMessage `json:"remote"`
	} `json:"admin"`
	Storage struct {
		Module string `json:"module"`
	} `json:"storage"`
	Logging struct {
		Logs map[string]*logConfig `json:"logs"`
	} `json:"logging"`
	Apps struct {
		HTTP struct {
			HTTPPort int                      `json:"http_port"`
			Servers  map[string]*serverConfig `json:"servers"`
		} `json:"http"`
	} `json:"apps"`
}

func newConfiguration(o Options) *configuration {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &configuration{file: o.File, now: o.Now(), routes: new(route.Config)}
}

// read reads the JSON.
func (c *configuration) read(config []byte) error {
	if err := json.Unmarshal(config, &c.caddy); err != nil { //nolint:forbidigo // the operator's own configuration
		return fmt.Errorf("decoding the configuration: %w", err)
	}
	_, c.routesErr = route.Read(config)
	return nil
}

// load adds what was provisioned.
func (c *configuration) load(p *probe.Probe, warnings []logged) {
	c.probe, c.app, c.routes, c.warnings = p, p.App(), p.Routes(), warnings
	c.sets, c.unknown = p.Applications(), p.Unknown()
	for _, issuer := range slices.Sorted(maps.Keys(c.sets)) {
		c.addDocuments(c.sets[issuer])
	}
	c.tests, _ = testrun.Run(p) // mistakes in the form of tests are warnings of the files
}

// addDocuments adds the documents that no other issuer has.
func (c *configuration) addDocuments(set *application.Set) {
	for _, d := range set.Documents() {
		if !slices.ContainsFunc(c.documents, func(other *application.Document) bool { return other.File() == d.File() }) {
			c.documents = append(c.documents, d)
		}
	}
}

// applications returns the Applications of all files, in the order of the files.
func (c *configuration) applications() (all []*application.Application) {
	for _, d := range c.documents {
		all = append(all, d.Applications()...)
	}
	return all
}

// active returns the Applications that may authenticate.
func (c *configuration) active() []*application.Application {
	return slices.DeleteFunc(c.applications(), func(a *application.Application) bool { return !a.Active })
}

// subject returns the name of the configuration as a whole.
func (c *configuration) subject() string { return cmp.Or(nameOf(c.file), "configuration") }

// nameOf returns the name of a file, which is the same on every machine.
func nameOf(file string) string {
	if file == "" {
		return ""
	}
	return filepath.Base(file)
}

// placeOf reads file:line, as the JSON of modules has it.
func placeOf(source string) Place {
	i := strings.LastIndexByte(source, ':')
	if i < 0 {
		return Place{File: source}
	}
	line, err := strconv.Atoi(source[i+1:])
	if err != nil {
		return Place{File: source}
	}
	return Place{File: source[:i], Line: line}
}

// applicationAt returns the Application whose lines contain the place, or nil.
func (c *configuration) applicationAt(p Place) (found *application.Application) {
	for _, d := range c.documents {
		if d.File() != p.File {
			continue
		}
		for _, a := range d.Applications() {
			if placeOf(a.Source).Line <= p.Line {
				found = a
			}
		}
	}
	return found
}
