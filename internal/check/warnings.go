package check

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// logged is a warning of a load.
type logged struct {
	id      warning.ID
	message string
	fields  map[string]any
}

// warningCore keeps the named warnings of a load.
type warningCore struct {
	mu   sync.Mutex
	all  []logged
	with []zapcore.Field
	root *warningCore
}

func (w *warningCore) logger() *zap.Logger { w.root = w; return zap.New(w) }

func (w *warningCore) entries() []logged { return w.all }

// Enabled reports whether the level is Warn.
func (*warningCore) Enabled(level zapcore.Level) bool { return level == zapcore.WarnLevel }

// With returns a core that adds the fields.
func (w *warningCore) With(fields []zapcore.Field) zapcore.Core {
	return &warningCore{with: slices.Concat(w.with, fields), root: w.root}
}

// Check adds the core to those that write the entry.
func (w *warningCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if w.Enabled(e.Level) {
		return checked.AddCore(e, w)
	}
	return checked
}

// Write keeps the entry.
func (w *warningCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	all := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(w.with, fields) {
		f.AddTo(all)
	}
	id, _ := all.Fields[warning.Field].(string)
	w.root.mu.Lock()
	defer w.root.mu.Unlock()
	w.root.all = append(w.root.all, logged{warning.ID(id), e.Message, all.Fields})
	return nil
}

// Sync does nothing.
func (*warningCore) Sync() error { return nil }

// ofFiles is the message of warnings about files of Applications. The Set has them, too.
const ofFiles = "applications"

// byTheClock are warnings whose rules use the clock of the check.
var byTheClock = []warning.ID{warning.SecretExpired, warning.NoValidSecret}

// loaded adds the findings that are warnings of a load.
func (c *configuration) loaded() (found []Finding) {
	for _, w := range c.warnings {
		if rule := find(w.id); rule != nil && w.message != ofFiles {
			found = append(found, c.findingOf(rule, w))
		}
	}
	for _, set := range c.sets {
		for _, w := range set.Warnings() {
			if rule := find(warning.ID(w.ID)); rule != nil && !slices.Contains(byTheClock, rule.ID) {
				f := Finding{Rule: rule, Message: w.Text, Place: Place{w.At.File, w.At.Line}, Subject: nameOf(w.At.File)}
				if a := c.applicationAt(f.Place); a != nil && rule.ID != warning.TestMistaken {
					f.Subject = a.ClientID
				}
				found = append(found, f)
			}
		}
	}
	return found
}

// about lists the fields that name the object of a warning, the most exact first.
var about = []string{"route", "resource", "issuer", "source"}

func (c *configuration) findingOf(rule *Rule, w logged) Finding {
	f := Finding{Rule: rule, Message: w.message}
	for _, name := range []string{"header", "claim", "marks", "origins", "file", "handler"} {
		if value, ok := w.fields[name]; ok {
			f.Message += fmt.Sprintf(" (%s: %s)", name, strings.Trim(fmt.Sprint(value), "[]"))
		}
	}
	for _, name := range about {
		if value, ok := w.fields[name].(string); ok && f.Subject == "" {
			f.Subject = value
		}
	}
	f.Route, _ = w.fields["route"].(string)
	source, _ := w.fields["source"].(string)
	if issuer, _ := w.fields["issuer"].(string); source == "" && issuer != "" {
		source = c.sourceOfIssuer(issuer)
	}
	f.Place = placeOf(source)
	return f
}

// sourceOfIssuer returns the place of the issuer's configuration.
func (c *configuration) sourceOfIssuer(url string) string {
	for _, iss := range c.app.Issuers {
		if iss.Issuer == url {
			return iss.Source
		}
	}
	for _, t := range c.app.Trusted {
		if t.Issuer == url {
			return t.Source
		}
	}
	return ""
}
