package application

import (
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	mostQuotaTokens = 1_000_000
	leastQuotaTime  = time.Second
	mostQuotaTime   = 30 * 24 * time.Hour
)

// quota reads
//
//	tokens: 600
//	per: 1h
func (l *loader) quota(m *mapping) Quota {
	n := m.fields["quota"]
	if n == nil {
		return Quota{}
	}
	fields := l.mapping(n, m.what+": quota", "tokens", "per")
	if fields == nil {
		return Quota{}
	}
	for _, field := range []string{"tokens", "per"} {
		if !fields.has(field) {
			fields.fail(n, "%s is missing; write `quota: {tokens: 600, per: 1h}`", field)
		}
	}
	return Quota{Tokens: fields.count("tokens", mostQuotaTokens), Per: fields.quotaTime()}
}

func (m *mapping) quotaTime() time.Duration {
	value, n := m.text("per")
	if n == nil {
		return 0
	}
	d, ok := parseDuration(value)
	switch {
	case !ok:
		m.failField(n, "per", `is not a duration such as "1m", "1h" or "1d"`)
	case d < leastQuotaTime || d > mostQuotaTime || d%time.Second != 0:
		m.failField(n, "per", "must be whole seconds, 1s to 30d")
	}
	return d
}

// count is a number from 1 in its plain spelling, or 0 if it is absent or wrong.
func (m *mapping) count(field string, most int) int {
	n := m.fields[field]
	if n == nil {
		return 0
	}
	count, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || strconv.Itoa(count) != n.Value || count < 1 || count > most {
		m.failField(n, field, "must be a whole number, 1 to %d, without quotes", most)
		return 0
	}
	return count
}
