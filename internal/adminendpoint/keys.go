package adminendpoint

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
)

func serveKeys(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, issuerKeys(app))
}

func issuerKeys(app *tokenidp.App) []adminapi.IssuerKeys {
	all := []adminapi.IssuerKeys{}
	for _, iss := range app.Issuers {
		keys := adminapi.IssuerKeys{Issuer: iss.Issuer, Keys: []adminapi.Key{}}
		for _, k := range iss.Keys().States() {
			keys.Keys = append(keys.Keys, newKeyInfo(k))
		}
		all = append(all, keys)
	}
	return all
}

func rotateKeys(app *tokenidp.App, _ http.ResponseWriter, r *http.Request) (any, []zap.Field, error) {
	query := r.URL.Query()
	now := query.Get("now") == "true"
	asked := []zap.Field{zap.String("issuer", refusallog.Loggable(query.Get("issuer"))), zap.Bool("now", now)}
	iss, err := app.Issuer(query.Get("issuer"))
	if err != nil {
		return nil, asked, caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	asked[0] = zap.String("issuer", iss.Issuer)
	if !iss.Issues() {
		return nil, asked, caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf("this server does not issue for %s; rotate on one that does", iss.Issuer)}
	}
	plan, err := iss.RotateKeys(r.Context(), now)
	if errors.Is(err, signing.ErrOutside) {
		return nil, asked, caddy.APIError{HTTPStatus: http.StatusConflict, Err: err}
	}
	if err != nil {
		return nil, asked, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	}
	return adminapi.Rotation{
		Issuer: iss.Issuer, KeyID: plan.KeyID, Algorithm: plan.Algorithm, SignsFrom: plan.SignsFrom.UTC().Truncate(time.Second),
		Made: plan.Made, Warning: plan.Warning,
	}, append(asked, zap.String("kid", plan.KeyID), zap.Time("signs_from", plan.SignsFrom), zap.Bool("made", plan.Made)), nil
}

func newKeyInfo(k signing.KeyState) adminapi.Key {
	private := ""
	switch {
	case k.State == signing.Unreadable:
	case k.Outside:
		private = "outside"
	case k.Encryption != "":
		private = "encrypted"
	default:
		private = "clear"
	}
	return adminapi.Key{
		PrivateKey: private, KeyEncryptionKey: k.Encryption, SignsHere: k.SignsHere,
		KeyID: k.ID, Algorithm: k.Algorithm, State: string(k.State), Missing: k.Missing, Entry: k.Entry, Cause: k.Cause,
		CreatedAt: adminapi.Moment(k.CreatedAt), SignsFrom: adminapi.Moment(k.SignsFrom), RetiresAt: adminapi.Moment(k.RetiresAt), DeletesAt: adminapi.Moment(k.DeletesAt),
	}
}
