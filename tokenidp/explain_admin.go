package tokenidp

import (
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// maxExplained bounds what is sent to be explained, so that a token of twice the
// accepted size is explained still.
const maxExplained = 64 << 10

// explainToken takes the token from the body alone: Caddy logs the URIs and headers
// that its admin endpoint is asked with. No error repeats what was sent.
func (a *adminAPI) explainToken(w http.ResponseWriter, r *http.Request) error {
	if err := a.check(r, http.MethodPost); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxExplained))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: errors.New("the body cannot be read, or has more than 64 KiB")}
	}
	asked, err := strictjson.Object(body)
	token, ok := asked["token"].(string)
	if err != nil || !ok || len(asked) != 1 {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(`the body must be {"token": "<token>"}`)}
	}
	e, err := a.app.explain(r.Context(), token)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeAdminJSON(w, e)
}
