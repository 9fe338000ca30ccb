package adminendpoint

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

func serveRevocations(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	h := app.StateHealth()
	return writeJSON(w, adminapi.Revocations{
		State: h.Kind, Revocations: h.Revocations, Bytes: h.Bytes, Synced: h.Synced, LastSync: adminapi.Moment(h.LastSync), Problem: h.Problem, Warnings: h.Warnings,
	})
}

// revokeTokens takes a token from the body alone: Caddy logs the URIs and headers
// that its admin endpoint is asked with. No error repeats what was sent.
func revokeTokens(app *tokenidp.App, w http.ResponseWriter, r *http.Request) (any, []zap.Field, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxExplained))
	if err != nil {
		return nil, nil, caddy.APIError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: errors.New("the body cannot be read, or has more than 64 KiB")}
	}
	request, err := readRevokeRequest(body)
	if err != nil {
		return nil, nil, caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	report, err := revoke(app, r, request, time.Now())
	if report != nil {
		request = &report.RevokeRequest
	}
	return report, loggedRevocation(request), err
}

// loggedRevocation is what is to be revoked, without the token.
func loggedRevocation(request *adminapi.RevokeRequest) []zap.Field {
	return []zap.Field{
		zap.String("issuer", refusallog.Loggable(request.Issuer)), zap.String("jti", refusallog.Loggable(request.TokenID)), zap.String("client_id", refusallog.Loggable(request.ClientID)),
		zap.Bool("all", request.All), zap.Timep("before", request.Before), zap.Timep("until", request.Until),
	}
}

var errRevokeRequest = errors.New(`the body must say one thing to revoke: {"token": …}, {"issuer": …, "jti": …}, {"issuer": …, "client_id": …} or {"issuer": …, "all": true}, with "before" and "until" as RFC 3339 has them`)

// readRevokeRequest reads strictly: what is misspelled must not revoke more.
func readRevokeRequest(body []byte) (*adminapi.RevokeRequest, error) {
	members, err := strictjson.Object(body)
	if err != nil {
		return nil, errRevokeRequest
	}
	request := new(adminapi.RevokeRequest)
	for name, value := range members {
		if !setMember(request, name, value) {
			return nil, errRevokeRequest
		}
	}
	if request.Token != "" {
		if request.Token = adminapi.TokenIn(request.Token); request.Token == "" {
			return nil, errors.New("the token is empty")
		}
	}
	things := 0
	for _, asked := range []bool{request.Token != "", request.TokenID != "", request.ClientID != "", request.All && request.Issuer != ""} {
		if asked {
			things++
		}
	}
	single := request.Token != "" || request.TokenID != ""
	if things != 1 || request.All && request.ClientID != "" || single && (request.All || request.Before != nil) || request.UnknownClient && request.ClientID == "" {
		return nil, errRevokeRequest
	}
	return request, nil
}

func setMember(o *adminapi.RevokeRequest, name string, value any) (ok bool) {
	texts := map[string]*string{"issuer": &o.Issuer, "token": &o.Token, "jti": &o.TokenID, "client_id": &o.ClientID}
	flags := map[string]*bool{"all": &o.All, "unknown_client": &o.UnknownClient}
	times := map[string]**time.Time{"before": &o.Before, "until": &o.Until}
	switch {
	case flags[name] != nil:
		*flags[name], ok = value.(bool)
		return ok && *flags[name]
	case texts[name] != nil:
		*texts[name], ok = value.(string)
		return ok && *texts[name] != ""
	case times[name] != nil:
		text, _ := value.(string)
		t, err := time.Parse(time.RFC3339, text)
		*times[name] = adminapi.Moment(t)
		return err == nil
	}
	return false
}

// foreignLifetime is how long tokens of a trusted issuer are taken to live, where
// nobody says.
const foreignLifetime = 24 * time.Hour

// revoke revokes tokens. Errors are for the operator.
func revoke(app *tokenidp.App, r *http.Request, request *adminapi.RevokeRequest, now time.Time) (*adminapi.RevokeResult, error) {
	report := &adminapi.RevokeResult{RevokeRequest: *request, State: app.StateHealth().Kind}
	err := complete(app, r, report, now)
	if err != nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	revocation := state.Revocation{Issuer: report.Issuer, TokenID: report.TokenID, ClientID: report.ClientID, Until: *report.Until}
	if report.TokenID != "" {
		revocation.ClientID = ""
	} else {
		revocation.Before = *report.Before
	}
	err = app.Revoke(r.Context(), revocation)
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		err = caddy.APIError{HTTPStatus: refusal.Status, Err: fmt.Errorf("it is not certain that this is revoked; try again: %w", refusal)}
	}
	return report, err
}

// complete turns a request into what is revoked.
func complete(app *tokenidp.App, r *http.Request, report *adminapi.RevokeResult, now time.Time) error {
	if report.Token != "" {
		return completeToken(app, r, report)
	}
	var err error
	if report.Issuer, err = app.ResolveIssuer(report.Issuer); err != nil {
		return err
	}
	issuer := localIssuer(app, report.Issuer)
	trusted := issuer == nil
	if report.TokenID == "" && report.Before == nil {
		report.Before = adminapi.Moment(now)
	}
	if report.Before != nil && report.Before.After(now) {
		return errors.New("before is ahead: what is issued from now on would be revoked too")
	}
	lifetime := tokenidp.MaxTokenLifetime
	if trusted {
		lifetime = foreignLifetime
	}
	ends := now.Add(lifetime + verifier.MaxLeeway)
	switch {
	case report.Until == nil:
		report.Until = adminapi.Moment(ends)
	case !trusted:
		return fmt.Errorf("until is for the tokens of a trusted issuer; those issued here live %s at most", tokenidp.MaxTokenLifetime)
	case !report.Until.After(now):
		return errors.New("until is in the past: when has the last of these tokens expired?")
	}
	if trusted && !report.Until.After(ends) {
		report.Warnings = append(report.Warnings, fmt.Sprintf("a token of this issuer that expires after %s works again then; name a later time with until", report.Until.Format(time.RFC3339)))
	}
	return checkRevoked(issuer, report)
}

// checkRevoked refuses a client that no Application of the issuer has, which may be
// misspelled, unless the request is about such a client.
func checkRevoked(issuer *tokenidp.Issuer, result *adminapi.RevokeResult) error {
	switch {
	case result.ClientID == "" || issuer == nil || mayDeclare(issuer, result.ClientID):
		return nil
	case !result.UnknownClient:
		return fmt.Errorf("no Application of this issuer has the client_id %.255s, so nothing is revoked%s; for one that was removed, add unknown_client (--unknown-client)",
			result.ClientID, nearest.DidYouMean(result.ClientID, clientIDsOf(issuer)))
	}
	result.Warnings = append(result.Warnings, "no Application here has this client_id; look at its spelling")
	return nil
}

// completeToken finds out which token it is, which must be one that can be used.
func completeToken(app *tokenidp.App, r *http.Request, report *adminapi.RevokeResult) error {
	claims, err := app.VerifyToken(r.Context(), report.Token)
	report.Token = ""
	refusal, refused := errors.AsType[*verifier.Refusal](err)
	switch {
	case refused && refusal.Reason == verifier.Expired:
		return errors.New("the token has expired: there is nothing to revoke")
	case refused:
		return fmt.Errorf("this is no token that is accepted here, so nothing is revoked: %s", refusal.Reason)
	case err != nil:
		return err
	case report.Issuer != "" && report.Issuer != claims.Issuer:
		return fmt.Errorf("the token is of another issuer: %s", claims.Issuer)
	case report.Until != nil:
		return errors.New("until is not needed: the token says when it expires")
	case claims.ID == "":
		return errors.New("the token has no jti to revoke it by; revoke all tokens of its client")
	}
	report.Issuer, report.TokenID, report.ClientID, report.Until = claims.Issuer, claims.ID, claims.ClientID, adminapi.Moment(claims.ExpiresAt)
	return nil
}

// mayDeclare reports whether the issuer has the Application. If its Applications are not
// known here, it may.
func mayDeclare(iss *tokenidp.Issuer, clientID string) bool {
	set := iss.ApplicationSet()
	if set == nil {
		return true
	}
	_, ok := set.Application(clientID)
	return ok
}
