package application

import (
	"time"
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
	n := m.Field("quota")
	if n == nil {
		return Quota{}
	}
	fields := l.mapping(n, m.What+": quota", "tokens", "per")
	if fields == nil {
		return Quota{}
	}
	for _, field := range []string{"tokens", "per"} {
		if !fields.Has(field) {
			fields.Fail(n, "%s is missing; write `quota: {tokens: 600, per: 1h}`", field)
		}
	}
	return Quota{Tokens: fields.Count("tokens", mostQuotaTokens), Per: fields.quotaTime()}
}

func (m *mapping) quotaTime() time.Duration {
	value, n := m.Spelling("per")
	if n == nil {
		return 0
	}
	d, ok := parseDuration(value)
	switch {
	case !ok:
		m.FailField(n, "per", "%s", noDuration(value))
	case d < leastQuotaTime || d > mostQuotaTime || d%time.Second != 0:
		m.FailField(n, "per", "must be whole seconds, 1s to 30d")
	}
	return d
}
