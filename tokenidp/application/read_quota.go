package application

import (
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

const (
	mostQuotaTokens = 1_000_000
	leastQuotaTime  = time.Second
	mostQuotaTime   = 30 * 24 * time.Hour

	quotaHint = "write `quota: {tokens: 600, per: 1h}`"
)

var quotaObject = &strictyaml.Object{
	Fields: []strictyaml.Field{
		{
			Name: "tokens", Type: strictyaml.Count{Most: mostQuotaTokens}, Required: true, Hint: quotaHint,
			Description: "The number of tokens that the Application gets in the period.",
		},
		{
			Name: "per", Type: strictyaml.Spelling{Format: durationFormat(leastQuotaTime, mostQuotaTime, "1s to 30d")}, Required: true, Hint: quotaHint,
			Description: "The period, in whole seconds, 1s to 30d.", Examples: []any{"1h"},
		},
	},
}

func (m *mapping) quota() Quota {
	quota := m.Object("quota")
	if quota == nil {
		return Quota{}
	}
	per, _ := quota.Text("per")
	d, _ := parseDuration(per)
	return Quota{Tokens: quota.Count("tokens"), Per: d}
}
