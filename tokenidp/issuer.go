package tokenidp

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

const (
	defaultTokenLifetime = time.Hour
	MaxTokenLifetime     = 24 * time.Hour
	// storageTimeout bounds each use of the storage while a configuration loads. It is
	// longer than the storage needs to notice a stale lock.
	storageTimeout = 30 * time.Second
)

// Issuer is one issuer of access tokens: a URL, the Applications that may ask
// for tokens there, and the keys that sign them.
type Issuer struct {
	// The issuer's URL, which is the `iss` of its tokens and the base of its
	// endpoints. It is https, except on the loopback interface, and ends in no
	// slash. Required.
	Issuer string `json:"issuer"`

	// The YAML files that declare the Applications and the API resources, as
	// paths or globs. They are watched: a change is in force within two seconds,
	// without a reload. Required where tokens are issued; a server that only
	// verifies may go without, and then names the audience on every route.
	Applications []string `json:"applications,omitempty"`

	// The algorithm that signs the tokens: RS256, RS384, RS512, PS256, PS384,
	// PS512, ES256, ES384, ES512 or EdDSA. Default: RS256.
	SigningAlgorithm string `json:"signing_algorithm,omitempty"`

	// How long a key signs before its successor does, at least 1h. Keys are
	// published before they sign, and until the last token they signed has
	// expired. Negative: only `caddy tokenidp keys rotate` makes a successor.
	// Default: 2160h (90 days).
	Rotate caddy.Duration `json:"rotate,omitempty"`

	// Where the signing key comes from instead of being made here: the path of a
	// file with a private key as PEM or JWK, or several, of which the first one
	// signs. Rotation follows the file: a new key there signs ten minutes later,
	// and the one before verifies until its last token has expired.
	SigningKeyFile string `json:"signing_key_file,omitempty"`

	// Like signing_key_file, but as a placeholder that holds the key itself, such
	// as {file./run/secrets/signing.pem} or {env.SIGNING_KEY}.
	SigningKey string `json:"signing_key,omitempty" placeholders:"kept"`

	// Encrypt the private keys in the storage. Placeholders, such as
	// {file./run/secrets/kek} or {env.KEY_ENCRYPTION_KEY}, each for 32 random bytes in
	// base64. The first one encrypts new keys, all of them decrypt. Default: the
	// private keys are protected by the storage alone.
	KeyEncryptionKeys []string `json:"key_encryption_keys,omitempty" placeholders:"kept"`

	// How long a token is valid where its Application does not say. Whole
	// seconds, at most 24h. Default: 1h.
	TokenLifetime caddy.Duration `json:"token_lifetime,omitempty"`

	// Accept token requests that did not come over TLS. Only for a server
	// behind a proxy that terminates TLS: secrets cross the network in the
	// clear.
	InsecureHTTP bool `json:"insecure_http,omitempty"`

	// The origins, such as https://tools.example.com, whose web pages may
	// request tokens; "*" is any. A secret in a web page is no secret, so by
	// default none may.
	InsecureBrowserOrigins []string `json:"insecure_browser_origins,omitempty"`

	// Fetch the keys that clients publish at a `jwks_uri` from private and loopback
	// addresses too, and through a proxy. Whoever may edit a file of Applications
	// can then have this server ask any of them.
	InsecurePrivateJWKSURI bool `json:"insecure_private_jwks_uri,omitempty"`

	// Accept client assertions for the URL of the token endpoint, and those with
	// several audiences, as RFC 7523 had it. An assertion that a client was led to
	// make for another server may then pass here. By default, an assertion is for
	// the issuer's URL and nothing else.
	InsecureAssertionAudience bool `json:"insecure_assertion_audience,omitempty"`

	// Keep silent towards clients about the expiry of the secret they used. By
	// default, an answer of `/token` has the header Client-Secret-Expires-At when
	// that is at most 30 days ahead.
	HideSecretExpiry bool `json:"hide_secret_expiry,omitempty"`

	// Where this issuer is configured, as file:line. Errors begin with it.
	Source string `json:"source,omitempty"`

	*issuerWorker // set by provision
}

func (iss *Issuer) check() error {
	u, err := weburl.ParseIssuer(iss.Issuer)
	if err != nil {
		return err
	}
	iss.url = u
	if err := iss.checkKeys(); err != nil {
		return err
	}
	if iss.TokenLifetime == 0 {
		iss.TokenLifetime = caddy.Duration(defaultTokenLifetime)
	}
	if d := time.Duration(iss.TokenLifetime); d < time.Second || d > MaxTokenLifetime || d%time.Second != 0 {
		return fmt.Errorf("token_lifetime %s: must be whole seconds, from 1s to %s", d, MaxTokenLifetime)
	}
	for _, origin := range iss.InsecureBrowserOrigins {
		if err := weburl.CheckBrowserOrigin(origin); err != nil {
			return fmt.Errorf("insecure_browser_origins: %w", err)
		}
	}
	return nil
}

// policy returns the operator's rules for token requests.
func (iss *Issuer) policy() oauth.Policy {
	return oauth.Policy{
		InsecureHTTP:   iss.InsecureHTTP,
		LoopbackHTTP:   iss.url.Scheme == "http",
		BrowserOrigins: iss.InsecureBrowserOrigins,
	}
}

// announce logs what was loaded.
func (iss *Issuer) announce() {
	fields := []zap.Field{}
	if set := iss.applications.Load(); set != nil {
		active, inactive := set.CountActive()
		fields = append(fields,
			zap.Int("applications", active+inactive), zap.Int("active", active),
			zap.Int("resources", len(set.Resources())), zap.Int("scopes", len(set.ScopeNames())),
			zap.Strings("files", set.Files()))
	}
	if k := iss.keys.Active(); k != nil {
		fields = append(fields, zap.String("kid", k.ID), zap.String("algorithm", k.Algorithm))
	}
	iss.logger.Info("issuer ready", fields...)
	iss.warn()
}

// warn warns of insecure options.
func (iss *Issuer) warn() {
	iss.warnOfOpenKeyFile()
	warnOfPrintedSecrets(iss.logger, "key_encryption_key", iss.KeyEncryptionKeys...)
	warnOfPrintedSecrets(iss.logger, "signing_key", iss.SigningKey)
	if iss.InsecureHTTP {
		iss.logger.Warn("insecure_http: secrets are accepted over plain HTTP; only a proxy that terminates TLS may reach this server", warning.InsecureHTTP.Log())
	}
	if iss.InsecurePrivateJWKSURI {
		iss.logger.Warn("insecure_private_jwks_uri: whoever may edit a file of Applications can have this server ask any address in its networks", warning.InsecurePrivateJWKSURI.Log())
	}
	if iss.InsecureAssertionAudience {
		iss.logger.Warn("insecure_assertion_audience: an assertion that a client was led to make for another server may be accepted", warning.InsecureAssertionAudience.Log())
	}
	if len(iss.InsecureBrowserOrigins) > 0 {
		iss.logger.Warn("insecure_browser_origins: web pages may request tokens; a secret in a web page is no secret", warning.InsecureBrowserOrigins.Log(), zap.Strings("origins", iss.InsecureBrowserOrigins))
	}
}
