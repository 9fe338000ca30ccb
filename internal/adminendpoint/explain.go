package adminendpoint

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/internal/statement"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// maxExplained bounds what is sent to be explained, so that a token of twice the
// accepted size is explained still.
const maxExplained = 64 << 10

// explainToken takes the token from the body alone: Caddy logs the URIs and headers
// that its admin endpoint is asked with. No error repeats what was sent.
func explainToken(app *tokenidp.App, w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxExplained))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: errors.New("the body cannot be read, or has more than 64 KiB")}
	}
	asked, err := strictjson.Object(body)
	token, ok := asked["token"].(string)
	if err != nil || !ok || len(asked) != 1 {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(`the body must be {"token": "<token>"}`)}
	}
	if token = adminapi.TokenIn(token); token == "" {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New("the token is empty")}
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, explain(r.Context(), app, token))
}

// RequiredScopes returns what a requirement asks for of scopes.
func RequiredScopes(r *verifier.Requirement) (a adminapi.RequiredScopes) {
	if r == nil {
		return a
	}
	a.Audience, a.Scopes = r.Audiences, r.Scopes
	for _, alternative := range r.Alternatives {
		if !slices.Contains(a.AnyScope, alternative.Scope) {
			a.AnyScope = append(a.AnyScope, alternative.Scope)
		}
		if len(r.Audiences) == 0 && !slices.Contains(a.Audience, alternative.Audience) {
			a.Audience = append(a.Audience, alternative.Audience)
		}
	}
	return a
}

// explain checks the token at every route, with the code of the routes.
func explain(ctx context.Context, app *tokenidp.App, token string) *adminapi.Explanation {
	claims, err := app.VerifyToken(ctx, token)
	if err == nil {
		err = app.NotRevoked(claims)
	}
	e := &adminapi.Explanation{Token: statement.Read(token), Routes: []adminapi.RouteExplanation{}}
	e.Verdict = verdict(app, err, e.Token.Issuer)
	explained := make(map[*tokenidp.Verify]adminapi.RouteExplanation)
	for _, r := range app.VerifyRoutes() {
		one, ok := explained[r.Verify]
		if !ok {
			one = explainRoute(ctx, app, r.Verify, token, e.Token.Issuer)
			explained[r.Verify] = one
		}
		one.Route = r.ID
		e.Routes = append(e.Routes, one)
	}
	slices.SortStableFunc(e.Routes, func(a, b adminapi.RouteExplanation) int { return route.CompareSources(a.Source, b.Source) })
	return e
}

func explainRoute(ctx context.Context, app *tokenidp.App, v *tokenidp.Verify, token, issuer string) adminapi.RouteExplanation {
	e := adminapi.RouteExplanation{Source: v.Source, Verdict: verdict(app, v.CheckToken(ctx, token), issuer), Issuers: v.AcceptedIssuers()}
	requirement := v.Requirement(issuer)
	if requirement == nil { // of the tokens that it does accept
		requirement = v.Requirement(e.Issuers[0])
	}
	e.RequiredScopes = RequiredScopes(requirement)
	return e
}

// verdict says what a refusal of a token means, and what to change. Whose the token says
// that it is decides where: a trusted issuer has no Applications here.
func verdict(app *tokenidp.App, err error, issuer string) adminapi.Verdict {
	if err == nil {
		return adminapi.Verdict{Passes: true}
	}
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return adminapi.Verdict{Status: http.StatusInternalServerError, Reason: "internal_error", Found: refusallog.Loggable(err.Error())}
	}
	advice := verifier.Advise(refusal.Reason)
	if slices.ContainsFunc(app.Trusted, func(t *tokenidp.TrustedIssuer) bool { return t.Issuer == issuer }) {
		advice = verifier.AdviseTrusted(refusal)
	}
	e := adminapi.Verdict{Status: refusal.Status, Reason: string(refusal.Reason), Expected: advice.Expected, Change: advice.Change}
	if cause := refusal.Unwrap(); cause != nil {
		e.Found = refusallog.Loggable(cause.Error())
	}
	var mismatch *verifier.Mismatch
	if errors.As(err, &mismatch) {
		e.Expected, e.Found = mismatch.Expected, refusallog.Loggable(mismatch.Found)
	}
	return e
}
