package tokenidp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/preset"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// TrustedIssuer is an authorization server elsewhere, such as Keycloak, Entra ID
// or a Kubernetes cluster, whose access tokens `verify` accepts where it is named.
type TrustedIssuer struct {
	// The issuer's identifier: the `iss` of its tokens, compared byte for byte. It
	// is https, except on the loopback interface. Required.
	Issuer string `json:"issuer"`

	// What kind of issuer it is, which sets the options below that are not given:
	// entra, keycloak, auth0, dex, kubernetes or github_actions.
	Preset string `json:"preset,omitempty"`

	// The URL of its JWK Set. Default: found through the issuer's metadata (RFC
	// 8414, then OpenID Connect Discovery).
	JWKSURL string `json:"jwks_url,omitempty"`

	// A file with its JWK Set, instead of a URL. It is read again when it changes.
	JWKSFile string `json:"jwks_file,omitempty"`

	// A file with the CA certificates, as PEM, that the issuer's server is trusted
	// by, instead of the system's.
	CAFile string `json:"ca_file,omitempty"`

	// A file with a bearer token that is sent when its keys are fetched, as a
	// Kubernetes API server may ask for. It is read at each fetch.
	BearerTokenFile string `json:"bearer_token_file,omitempty"`

	// The audiences of which a token of this issuer must have one, where a verify
	// names none.
	Audience []string `json:"audience,omitempty"`

	// The algorithms that are accepted, asymmetric only. A key that names none
	// belongs to the first of them that fits it. Default: all that this server can
	// verify.
	Algorithms []string `json:"algorithms,omitempty"`

	// The types (`typ`) that are accepted: at+jwt, jwt, or none for tokens without
	// one. Default: at+jwt and jwt.
	Types []string `json:"types,omitempty"`

	// The claims that may hold the client's id; the first one present is it. A
	// name that begins with a slash is a JSON Pointer, as in /act/sub. Default:
	// client_id, azp, appid, cid, sub.
	ClientIDClaims []string `json:"client_id_claims,omitempty"`

	// The claims that hold scopes, as a string or a list; all of them count. A
	// name that begins with a slash is a JSON Pointer, as in /realm_access/roles.
	// Default: scope, scp.
	ScopeClaims []string `json:"scope_claims,omitempty"`

	// Claims that every token of this issuer must have, by name or JSON Pointer,
	// and the values of which one must be there.
	Claims []ClaimRule `json:"claims,omitempty"`

	// The difference of clocks that is forgiven for exp and nbf, at most 1m.
	// Default: 30s.
	Leeway caddy.Duration `json:"leeway,omitempty"`

	// How long its keys serve after the issuer last confirmed them, at least 5m;
	// after that its tokens are refused. Default: 24h.
	MaxStale caddy.Duration `json:"max_stale,omitempty"`

	// Allow its keys to be fetched over plain HTTP: whoever is on the way can then
	// make tokens.
	InsecureHTTP bool `json:"insecure_http,omitempty"`

	// Accept tokens that have these claims of ID tokens: nonce, at_hash. An ID token for
	// the same audience may then pass as an access token. Default: none, and with the
	// preset dex both.
	InsecureIDTokenMarks []string `json:"insecure_id_token_marks,omitempty"`

	// The same as insecure_id_token_marks with nonce.
	InsecureNonce bool `json:"insecure_nonce,omitempty"`

	// Where this issuer is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	*trustedWorker // set by provision
}

// trustedWorker is what a TrustedIssuer runs while its configuration is loaded.
type trustedWorker struct {
	keys         *jwks.Source
	kind         *preset.Kind
	serving      *succession[jwks.Source] // carried over a reload, so that none loses keys while the issuer is down
	release      func() error             // of serving
	state        state.State
	verification *verifier.Issuer
	rules        []claimrule.Rule
	logger       *zap.Logger
}

func (t *TrustedIssuer) provision(ctx context.Context, a *App, bounded *storage.Bounded) error {
	t.trustedWorker = &trustedWorker{logger: a.logger.With(zap.String("issuer", t.Issuer)), state: a.state}
	if err := t.complete(); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	layout, err := t.layout()
	if err != nil {
		return err
	}
	if t.rules, err = claimRules(t.Claims); err != nil {
		return err
	}
	o := verifier.Options{URL: t.Issuer, Algorithms: t.Algorithms, Types: t.typ(), Leeway: time.Duration(t.Leeway), Claims: layout, Annotate: annotates(a.usage, a.audit)}
	if s := sandboxFrom(ctx); s != nil {
		s.reportAbsent(t.Source, t.JWKSFile, t.CAFile, t.BearerTokenFile)
		o.Keys, o.Algorithms = s.keys, []string{sandboxAlgorithm}
	} else {
		if err := t.provisionKeys(ctx, bounded); err != nil {
			return err
		}
		o.Keys = t.keys
	}
	t.verification, err = verifier.NewIssuer(o)
	return err
}

// complete sets the options that are not given to those of the preset.
func (t *TrustedIssuer) complete() (err error) {
	t.kind = preset.Of(t.Issuer)
	if t.Preset != "" {
		if t.kind, err = preset.Named(t.Preset); err != nil {
			return err
		}
	}
	for _, from := range []preset.Options{t.kind.Options, preset.Defaults} {
		t.Algorithms = orElse(t.Algorithms, from.Algorithms)
		t.Types = orElse(t.Types, from.Types)
		t.ClientIDClaims = orElse(t.ClientIDClaims, from.ClientIDClaims)
		t.ScopeClaims = orElse(t.ScopeClaims, from.ScopeClaims)
		t.InsecureIDTokenMarks = orElse(t.InsecureIDTokenMarks, from.InsecureIDTokenMarks)
	}
	return nil
}

func orElse(given, otherwise []string) []string {
	if len(given) > 0 {
		return given
	}
	return otherwise
}

func (t *TrustedIssuer) check() error {
	u, err := weburl.ParseForeignIssuer(t.Issuer)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("trusted issuer %q must be an https URL, written as the iss of its tokens", t.Issuer)
	case !weburl.IsProtected(u) && !t.InsecureHTTP && t.JWKSURL == "" && t.JWKSFile == "":
		return fmt.Errorf("the keys of trusted issuer %s would be fetched over plain HTTP; use https, or name them with jwks_url or jwks_file", t.Issuer)
	case t.JWKSFile != "" && (t.CAFile != "" || t.BearerTokenFile != "" || t.InsecureHTTP):
		return errors.New("ca_file, bearer_token_file and insecure_http have no effect with jwks_file: nothing is fetched; remove them")
	}
	for _, alg := range t.Algorithms {
		if !jws.Supported(jws.Canonical(alg)) {
			return fmt.Errorf("unknown algorithm %q; known: %s", alg, strings.Join(jws.Algorithms, ", "))
		}
	}
	for _, typ := range t.Types {
		if !slices.Contains([]string{"at+jwt", "jwt", "none"}, typ) {
			return fmt.Errorf("unknown type %q of an access token; known: at+jwt, jwt, none", typ)
		}
	}
	for _, mark := range t.InsecureIDTokenMarks {
		if !slices.Contains(verifier.AccessTokenMarks, mark) {
			return fmt.Errorf("insecure_id_token_marks: no issuer's access tokens have %q; known: %s", mark, strings.Join(verifier.AccessTokenMarks, ", "))
		}
	}
	return t.kind.CheckIssuer(u)
}

// typ returns the accepted types for the verifier, where "" is none.
func (t *TrustedIssuer) typ() []string {
	types := slices.Clone(t.Types)
	for i, typ := range types {
		if typ == "none" {
			types[i] = ""
		}
	}
	return types
}

// marks returns the claims of ID tokens that its access tokens may have.
func (t *TrustedIssuer) marks() []string {
	marks := slices.Clone(t.InsecureIDTokenMarks)
	if t.InsecureNonce && !slices.Contains(marks, "nonce") {
		marks = append(marks, "nonce")
	}
	return marks
}

func (t *TrustedIssuer) layout() (verifier.Layout, error) {
	layout := verifier.Layout{
		Optional: []string{"sub", "jti", "iat"}, InsecureMarks: t.marks(),
		Purpose: t.kind.Purpose, PurposeOfBound: t.kind.PurposeOfBound,
	}
	var err error
	if layout.ClientID, err = claimPaths(t.ClientIDClaims); err != nil {
		return layout, err
	}
	layout.Scope, err = claimPaths(t.ScopeClaims)
	return layout, err
}

// warn warns of insecure options.
func (t *TrustedIssuer) warn() {
	if t.InsecureHTTP {
		t.logger.Warn("insecure_http: the keys of this issuer may be fetched over plain HTTP, and whoever is on the way can make tokens", warning.InsecureTrustedHTTP.Log())
	}
	if len(t.InsecureIDTokenMarks) > 0 {
		t.logger.Warn("insecure_id_token_marks: tokens of this issuer that look like ID tokens are accepted, ID tokens for an accepted audience among them", warning.InsecureIDTokens.Log(),
			zap.Strings("marks", t.InsecureIDTokenMarks), zap.String("preset", t.Preset))
	}
	if t.InsecureNonce {
		t.logger.Warn("insecure_nonce: tokens of this issuer with a nonce are accepted, ID tokens for an accepted audience among them", warning.InsecureIDTokens.Log())
	}
}
