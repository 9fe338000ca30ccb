package tokenidp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// explanation says which routes a token would pass, and why not the others. It has
// no signature in it: what it shows cannot be used as a token.
type explanation struct {
	Token   statement          `json:"token"`
	Verdict verdict            `json:"verdict"` // of the issuers, before any route
	Routes  []routeExplanation `json:"routes"`
}

// verdict is whether a token passes, and else why not and what to do.
type verdict struct {
	Passes   bool   `json:"passes"`
	Status   int    `json:"status,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Change   string `json:"change,omitempty"`
}

// routeExplanation is the verdict of one verify, and what that asks for.
type routeExplanation struct {
	Source  string   `json:"source,omitempty"`
	Issuers []string `json:"issuers"`
	asked
	verdict
}

// asked is what a verify asks for of scopes.
type asked struct {
	Audience []string `json:"audience,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	AnyScope []string `json:"any_scope,omitempty"`
}

func newAsked(r *verifier.Requirement) (a asked) {
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

// String is for people.
func (a asked) String() string {
	text := strings.Join(a.Scopes, " and ")
	if len(a.AnyScope) > 0 {
		text = strings.TrimPrefix(text+", and ", ", and ") + strings.Join(a.AnyScope, " or ")
	}
	return cmp.Or(text, "any scope") + " of " + strings.Join(a.Audience, " or ")
}

func (r routeExplanation) source() string { return r.Source }

// explain judges the token as every route would, with the routes' own code.
func (a *App) explain(ctx context.Context, token string) (*explanation, error) {
	all, err := a.anyIssuer()
	if err != nil {
		return nil, err
	}
	claims, err := verifyGiven(ctx, all, token)
	if err == nil {
		err = notRevoked(a.state, claims)
	}
	e := &explanation{Token: readStatement(token), Verdict: newVerdict(err), Routes: []routeExplanation{}}
	for _, v := range a.routes {
		e.Routes = append(e.Routes, v.explain(ctx, token, e.Token.Issuer))
	}
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

func (v *Verify) explain(ctx context.Context, token, issuer string) routeExplanation {
	e := routeExplanation{Source: v.Source, verdict: newVerdict(v.wouldRefuse(ctx, token))}
	for id := range v.rules {
		e.Issuers = append(e.Issuers, id)
	}
	slices.Sort(e.Issuers)
	rule, ok := v.rules[issuer]
	if !ok { // of the tokens that it does accept
		rule = v.rules[e.Issuers[0]]
	}
	e.asked = newAsked(rule.requires())
	return e
}

// wouldRefuse goes the way of a request up to where that is admitted. Whom a token is
// bound to is not asked: nobody else's proof is here.
func (v *Verify) wouldRefuse(ctx context.Context, token string) error {
	claims, err := verifyGiven(ctx, v.verifier, token)
	if err != nil {
		return err
	}
	if err := v.judge(claims, nil); err != nil {
		return err
	}
	_, err = v.claimHeaders(claims)
	return err
}

func newVerdict(err error) verdict {
	if err == nil {
		return verdict{Passes: true}
	}
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return verdict{Status: http.StatusInternalServerError, Reason: "internal_error", Found: loggable(err.Error())}
	}
	advice := verifier.Advise(refusal.Reason)
	e := verdict{Status: refusal.Status, Reason: string(refusal.Reason), Expected: advice.Expected, Change: advice.Change}
	if cause := refusal.Unwrap(); cause != nil {
		e.Found = loggable(cause.Error())
	}
	var mismatch *verifier.Mismatch
	if errors.As(err, &mismatch) {
		e.Expected, e.Found = mismatch.Expected, loggable(mismatch.Found)
	}
	return e
}

// statement is what a token says, whether that is true or not. Header and claims
// are as they were decoded; they are missing for what is no JWT.
type statement struct {
	Issuer    string          `json:"issuer,omitempty"`
	ClientID  string          `json:"client_id,omitempty"`
	Audience  []string        `json:"audience,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	IssuedAt  *time.Time      `json:"issued_at,omitempty"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	BoundTo   string          `json:"bound_to,omitempty"`
	KeyID     string          `json:"kid,omitempty"`
	Algorithm string          `json:"alg,omitempty"`
	Type      string          `json:"typ,omitempty"`
	Header    json.RawMessage `json:"header,omitempty"`
	Claims    json.RawMessage `json:"claims,omitempty"`
}

// readStatement verifies nothing, and never looks at what follows the second dot.
// Only two JSON objects are shown: anything else may be a secret that somebody
// took for a token.
func readStatement(token string) statement {
	segments := strings.SplitN(token, ".", 3)
	if len(segments) != 3 {
		return statement{}
	}
	rawHeader, header := decodedObject(segments[0])
	rawClaims, claims := decodedObject(segments[1])
	if header == nil || claims == nil {
		return statement{}
	}
	s := statement{Header: rawHeader, Claims: rawClaims, Audience: stated(claims, "aud")}
	s.KeyID, _ = header["kid"].(string)
	s.Algorithm, _ = header["alg"].(string)
	s.Type, _ = header["typ"].(string)
	s.Issuer, _ = claims["iss"].(string)
	for _, name := range defaults.ClientIDClaims {
		if s.ClientID == "" {
			s.ClientID, _ = claims[name].(string)
		}
	}
	for _, name := range defaults.ScopeClaims {
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

// stated is a claim that is a string or a list of those.
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
