package adminendpoint

import (
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
)

func newTrustedInfo(issuer string, h jwks.Health) adminapi.TrustedIssuer {
	info := adminapi.TrustedIssuer{
		Issuer: issuer, From: h.From, Keys: h.Keys, Restored: h.Restored, LastSuccess: adminapi.Moment(h.LastSuccess),
		UsedUntil: adminapi.Moment(h.UsedUntil), Stale: h.Stale, Expired: h.Expired, LastError: h.LastError, Warning: h.Warning,
		NextFetch: adminapi.Moment(h.NextFetch), Skipped: h.Skipped,
	}
	if info.LastSuccess != nil {
		seconds := h.Age.Truncate(time.Millisecond).Seconds()
		info.Age = &seconds
	}
	return info
}

func serveTrusted(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, trusted(app))
}

func trusted(app *tokenidp.App) []adminapi.TrustedIssuer {
	all := []adminapi.TrustedIssuer{}
	for _, t := range app.Trusted {
		all = append(all, newTrustedInfo(t.Issuer, t.KeyHealth()))
	}
	return all
}
