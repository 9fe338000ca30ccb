package tokenidp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/preset"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// maxExplained bounds what is sent to be explained, so that a token of twice the
// accepted size is explained still.
const maxExplained = 64 << 10

// explainToken takes the token from the body alone: Caddy logs the URIs and headers
// that its admin endpoint is asked with. No error repeats what was sent.
func (a *App) explainToken(w http.ResponseWriter, r *http.Request) error {
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
	e, err := a.explain(r.Context(), token)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeAdminJSON(w, e)
}

func requiredScopes(r *verifier.Requirement) (a adminapi.RequiredScopes) {
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
func (a *App) explain(ctx context.Context, token string) (*adminapi.Explanation, error) {
	all, err := a.anyIssuer()
	if err != nil {
		return nil, err
	}
	claims, err := verifyGiven(ctx, all, token)
	if err == nil {
		err = notRevoked(a.state, claims)
	}
	e := &adminapi.Explanation{Token: ReadStatement(token), Routes: []adminapi.RouteExplanation{}}
	e.Verdict = a.verdict(err, e.Token.Issuer)
	explained := make(map[*Verify]adminapi.RouteExplanation)
	for _, r := range a.verifyRoutes() {
		one, ok := explained[r.verify]
		if !ok {
			one = r.verify.explain(ctx, token, e.Token.Issuer)
			explained[r.verify] = one
		}
		one.Route = r.ID
		e.Routes = append(e.Routes, one)
	}
	slices.SortStableFunc(e.Routes, func(a, b adminapi.RouteExplanation) int { return compareSources(a.Source, b.Source) })
	return e, nil
}

// anyIssuer verifies the tokens of all issuers that are configured.
func (a *App) anyIssuer() (*verifier.Verifier, error) {
	var all []*verifier.Issuer
	for _, iss := range a.Issuers {
		all = append(all, iss.verifies())
	}
	for _, t := range a.Trusted {
		all = append(all, t.verifies())
	}
	return verifier.New(time.Now, all...)
}

// verifyGiven verifies a token as if a caller had sent it, whoever that is.
func verifyGiven(ctx context.Context, by *verifier.Verifier, token string) (*verifier.Claims, error) {
	presented, err := verifier.PresentedToken(http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	return by.Verify(ctx, presented.Token)
}

func (v *Verify) explain(ctx context.Context, token, issuer string) adminapi.RouteExplanation {
	e := adminapi.RouteExplanation{Source: v.Source, Verdict: v.app.verdict(v.wouldRefuse(ctx, token), issuer)}
	for id := range v.rules {
		e.Issuers = append(e.Issuers, id)
	}
	slices.Sort(e.Issuers)
	rule, ok := v.rules[issuer]
	if !ok { // of the tokens that it does accept
		rule = v.rules[e.Issuers[0]]
	}
	e.RequiredScopes = requiredScopes(rule.requires())
	return e
}

// wouldRefuse goes the way of a request up to where that is admitted. Whom a token is
// bound to is not asked: nobody else's proof is here.
func (v *Verify) wouldRefuse(ctx context.Context, token string) error {
	claims, err := verifyGiven(ctx, v.verifier, token)
	if err != nil {
		return err
	}
	if err := v.authorize(claims, nil); err != nil {
		return err
	}
	_, err = v.headers.Values(claims)
	return err
}

// verdict says what a refusal of a token means, and what to change. Whose the token says
// that it is decides where: a trusted issuer has no Applications here.
func (a *App) verdict(err error, issuer string) adminapi.Verdict {
	if err == nil {
		return adminapi.Verdict{Passes: true}
	}
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return adminapi.Verdict{Status: http.StatusInternalServerError, Reason: "internal_error", Found: loggable(err.Error())}
	}
	advice := verifier.Advise(refusal.Reason)
	if slices.ContainsFunc(a.Trusted, func(t *TrustedIssuer) bool { return t.Issuer == issuer }) {
		advice = verifier.AdviseTrusted(refusal)
	}
	e := adminapi.Verdict{Status: refusal.Status, Reason: string(refusal.Reason), Expected: advice.Expected, Change: advice.Change}
	if cause := refusal.Unwrap(); cause != nil {
		e.Found = loggable(cause.Error())
	}
	var mismatch *verifier.Mismatch
	if errors.As(err, &mismatch) {
		e.Expected, e.Found = mismatch.Expected, loggable(mismatch.Found)
	}
	return e
}

// ReadStatement verifies nothing, and never looks at what follows the second dot.
// Only two JSON objects are shown: anything else may be a secret that somebody
// took for a token.
func ReadStatement(token string) adminapi.Statement {
	segments := strings.SplitN(token, ".", 3)
	if len(segments) != 3 {
		return adminapi.Statement{}
	}
	rawHeader, header := decodedObject(segments[0])
	rawClaims, claims := decodedObject(segments[1])
	if header == nil || claims == nil {
		return adminapi.Statement{}
	}
	s := adminapi.Statement{Header: rawHeader, Claims: rawClaims, Audience: stated(claims, "aud")}
	s.KeyID, _ = header["kid"].(string)
	s.Algorithm, _ = header["alg"].(string)
	s.Type, _ = header["typ"].(string)
	s.Issuer, _ = claims["iss"].(string)
	for _, name := range preset.Defaults.ClientIDClaims {
		if s.ClientID == "" {
			s.ClientID, _ = claims[name].(string)
		}
	}
	for _, name := range preset.Defaults.ScopeClaims {
		if s.Scope == "" {
			s.Scope = strings.Join(stated(claims, name), " ")
		}
	}
	s.BoundTo = statedBinding(claims)
	s.IssuedAt, s.ExpiresAt = statedTime(claims, "iat"), statedTime(claims, "exp")
	return s
}

// statedBinding says in words what a token is bound to. Whoever sends it has to prove
// that, which is not looked at here.
func statedBinding(claims map[string]any) string {
	cnf, _ := claims["cnf"].(map[string]any)
	var bound []string
	if jkt, ok := cnf["jkt"].(string); ok {
		bound = append(bound, "the DPoP key "+jkt)
	}
	if thumbprint, ok := cnf["x5t#S256"].(string); ok {
		bound = append(bound, "the certificate "+thumbprint)
	}
	return strings.Join(bound, " and ")
}

func decodedObject(segment string) (json.RawMessage, map[string]any) {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return nil, nil
	}
	object, err := strictjson.Object(raw)
	var compact bytes.Buffer
	if err != nil || json.Compact(&compact, raw) != nil {
		return nil, nil
	}
	return compact.Bytes(), object
}

// stated returns a claim that is a string or a list of strings.
func stated(claims map[string]any, name string) []string {
	var all []string
	switch value := claims[name].(type) {
	case string:
		return []string{value}
	case []any:
		for _, element := range value {
			if text, ok := element.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

func statedTime(claims map[string]any, name string) *time.Time {
	date, ok := strictjson.NumericDate(claims[name])
	if !ok {
		return nil
	}
	return moment(date)
}
