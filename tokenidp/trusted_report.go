package tokenidp

import (
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
)

// trustedInfo is how the keys of a trusted issuer are, as the admin endpoint shows
// it.
type trustedInfo struct {
	Issuer string `json:"issuer"`
	// From is where the keys were read: a URL without its query, or a file. It is
	// missing before the first time.
	From string `json:"from,omitempty"`
	Keys int    `json:"keys"` // usable ones
	// Restored: they come from the storage, and the issuer has not confirmed them
	// since.
	Restored bool `json:"restored,omitempty"`
	// LastSuccess is when the issuer last confirmed the keys, Age how many seconds
	// ago that was. Both are missing for never.
	LastSuccess *time.Time `json:"last_success,omitempty"`
	Age         *float64   `json:"age,omitempty"`
	// Stale: the last fetch failed, so that the issuer may have other keys by now.
	Stale bool `json:"stale"`
	// Expired: the keys are older than max_stale, and verify nothing any more.
	Expired   bool   `json:"expired"`
	LastError string `json:"last_error,omitempty"` // of the last fetch
	Warning   string `json:"warning,omitempty"`    // of the last fetch, which was good
	// NextFetch is when the next is due, unless an unknown kid asks for it earlier.
	NextFetch *time.Time `json:"next_fetch,omitempty"`
	// Skipped is why entries of the JWK Set are of no use.
	Skipped []string `json:"skipped,omitempty"`
}

func newTrustedInfo(issuer string, h jwks.Health) trustedInfo {
	info := trustedInfo{
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

func (a *adminAPI) serveTrusted(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodGet); err != nil {
		return err
	}
	return writeAdminJSON(w, a.app.trusted())
}

func (a *App) trusted() []trustedInfo {
	all := []trustedInfo{}
	for _, t := range a.Trusted {
		all = append(all, newTrustedInfo(t.Issuer, t.keys.Health()))
	}
	return all
}
