package tokenidp

import (
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
)

func newTrustedInfo(issuer string, h jwks.Health) adminapi.TrustedIssuer {
	info := adminapi.TrustedIssuer{
		Issuer: issuer, From: h.From, Keys: h.Keys, Restored: h.Restored, LastSuccess: moment(h.LastSuccess),
		Stale: h.Stale, Expired: h.Expired, LastError: h.LastError, Warning: h.Warning,
		NextFetch: moment(h.NextFetch), Skipped: h.Skipped,
	}
	if info.LastSuccess != nil {
		seconds := h.Age.Truncate(time.Millisecond).Seconds()
		info.Age = &seconds
	}
	return info
}

func (a *App) serveTrusted(w http.ResponseWriter, r *http.Request) error {
	return writeAdminJSON(w, a.trusted())
}

func (a *App) trusted() []adminapi.TrustedIssuer {
	all := []adminapi.TrustedIssuer{}
	for _, t := range a.Trusted {
		all = append(all, newTrustedInfo(t.Issuer, t.keys.Health()))
	}
	return all
}
