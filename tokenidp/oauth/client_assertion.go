package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// JWTBearer is the one `client_assertion_type` (RFC 7523 section 2.2).
const JWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" //nolint:gosec // a name, and no credential

const (
	// assertionLifetime is how far ahead exp may be. An assertion is for one request, and
	// its jti is kept this long.
	assertionLifetime = 5 * time.Minute
	// aheadOfClock is how far ahead iat and nbf may be (FAPI 2.0 section 5.3.2.1). Clocks
	// differ by a few seconds.
	aheadOfClock = time.Minute
	// lifetimeSlack is the accepted difference of a client's clock for the lifetime.
	lifetimeSlack = 10 * time.Second
	// remembered is how much longer than the assertion a jti is kept, because the clock of
	// another node may be behind.
	remembered = time.Minute
	longestJTI = 256 // bytes
)

// Replay records single-use identifiers, as [state.State] does. Once reports whether this
// was the first use of id. After an error that is not known.
type Replay interface {
	Once(ctx context.Context, owner, id string, until time.Time) (first bool, err error)
}

// Assertions configures how client assertions are checked.
type Assertions struct {
	// Issuer is the identifier of this issuer, and the required audience of an assertion.
	Issuer string
	// InsecureAudiences are other accepted audiences, also in a list, as RFC 7523 allowed.
	// Then an assertion that a client made for another server may be accepted here (draft
	// rfc7523bis, CVE-2025-27370).
	InsecureAudiences []string
	// Replay records the used assertions.
	Replay Replay
	// Trusted are the issuers elsewhere with whose tokens a client may authenticate, by
	// their iss.
	Trusted map[string]TrustedIssuer
	// KeysAt returns the keys of a `jwks_uri`, or nil if no Application has it.
	KeysAt func(application.PublishedKeys) verifier.KeySource
}

// With returns an Authenticator that accepts these assertions. It shares the limits and
// caches of this one.
func (a *Authenticator) With(assertions *Assertions) *Authenticator {
	with := *a
	with.assertions = assertions
	return &with
}

// Assertion is a parsed client assertion (RFC 7521 section 4.2). It is not verified.
type Assertion struct {
	raw       string
	message   *jws.Message
	claims    map[string]any
	malformed error
}

// ParseAssertion parses a client assertion. It returns no error: a malformed assertion is
// a failed authentication, and is refused later like any other.
func ParseAssertion(text string) *Assertion {
	m, err := jws.Parse(text)
	if err != nil {
		return &Assertion{raw: text, malformed: err}
	}
	claims, err := strictjson.Object(m.Payload)
	return &Assertion{raw: text, message: m, claims: claims, malformed: err}
}

// text returns a claim that is a string, or "".
func (a *Assertion) text(name string) string {
	value, _ := a.claims[name].(string)
	return value
}

// parseAssertion reads an assertion and its client id. A client's own assertion has the id
// as iss and sub (RFC 7523 section 3), so client_id is optional. A token of another issuer
// does not name a client of this server.
func parseAssertion(params parameters, clientID string) (Credentials, error) {
	text, kind := params.get("client_assertion"), params.get("client_assertion_type")
	switch {
	case text == "" || kind == "":
		return Credentials{}, refuse(ReasonIncompleteAssertion, nil)
	case kind != JWTBearer:
		return Credentials{}, refuse(ReasonUnknownMethod, nil)
	}
	c := Credentials{Method: PrivateKeyJWT, ClientID: clientID, Assertion: ParseAssertion(text)}
	if c.ClientID == "" && c.Assertion.text("iss") == c.Assertion.text("sub") {
		c.ClientID = c.Assertion.text("sub")
	}
	return c, nil
}

// byAssertion authenticates a client by a JWT that it has signed (RFC 7523 section 2.2),
// or that a trusted issuer has. app is nil if there is a reason. The wait for keys that
// must be fetched ends with the minimum time of a failure: a later answer would reveal
// that the client exists. The fetch continues, and the next assertion finds the keys.
func (a *Authenticator) byAssertion(ctx context.Context, floor time.Duration, app *application.Application, reason Reason, assertion *Assertion) (*Client, *Error) {
	wait := floor - floor/10 // and the rest is for what is computed
	switch {
	case assertion == nil || assertion.malformed != nil:
		return nil, malformedAssertion(assertion)
	case reason != "":
		return nil, refuse(reason, nil)
	case a.assertions == nil || !app.Accepts(string(PrivateKeyJWT)):
		return nil, refuse(ReasonUnregisteredMethod, nil)
	}
	if len(app.Federated) > 0 {
		return a.byFederation(ctx, wait, app, assertion)
	}
	return a.byOwnKey(ctx, wait, app, assertion)
}

// byOwnKey checks an assertion that the client made itself (RFC 7523 section 3). It marks
// the assertion as used after all other checks, so that only assertions with a valid
// signature use memory and identifiers.
func (a *Authenticator) byOwnKey(ctx context.Context, wait time.Duration, app *application.Application, assertion *Assertion) (*Client, *Error) {
	if refusal := assertion.isOf(app.ClientID); refusal != nil {
		return nil, refusal
	}
	keys, refusal := a.keysFor(ctx, wait, app, assertion.message.Header)
	if refusal != nil {
		return nil, refusal
	}
	key, err := whichVerifies(keys, assertion.message)
	if err != nil {
		return nil, refuse(ReasonAssertionBadSignature, err)
	}
	if refusal := a.assertions.checkAudience(assertion); refusal != nil {
		return nil, refusal
	}
	expires, refusal := assertion.checkTimes(a.now())
	if refusal != nil {
		return nil, refusal
	}
	if refusal := a.assertions.use(ctx, app.ClientID, assertion.text("jti"), expires); refusal != nil {
		return nil, refusal
	}
	return &Client{Application: app, Method: PrivateKeyJWT, KeyID: cmp.Or(key.ID, key.Thumbprint())}, nil
}

// isOf returns an error for a JWT that is not an assertion of the client (draft rfc7523bis
// section 3; RFC 8725 section 3.12). Another explicit type, such as that of an access
// token, is another purpose.
func (a *Assertion) isOf(clientID string) *Error {
	h := a.message.Header
	typ := strings.ToLower(h.Type)
	if h.HasType && !slices.Contains([]string{"jwt", "client-authentication+jwt", "application/client-authentication+jwt"}, typ) {
		return refuse(ReasonAssertionWrongType, fmt.Errorf("typ is %.64q", h.Type))
	}
	for _, name := range []string{"iss", "sub"} {
		if a.text(name) != clientID {
			return refuse(ReasonAssertionWrongIssuer, fmt.Errorf("%s is %.255q, not the client_id", name, fmt.Sprint(a.claims[name])))
		}
	}
	return nil
}

// keysFor returns the keys of the client that the header may mean, at least one. jwk, jku,
// x5c and x5u in the header are ignored.
func (a *Authenticator) keysFor(ctx context.Context, wait time.Duration, app *application.Application, h jws.Header) ([]*jws.Key, *Error) {
	keys := app.Keys
	if app.PublishedKeys.URL != "" {
		key, refusal := a.keyAt(ctx, wait, app.PublishedKeys, h)
		if refusal != nil {
			return nil, refusal
		}
		keys = []*jws.Key{key}
	}
	return chooseKeys(keys, h)
}

func (a *Authenticator) keyAt(ctx context.Context, wait time.Duration, published application.PublishedKeys, h jws.Header) (*jws.Key, *Error) {
	source := a.assertions.KeysAt(published)
	if source == nil {
		return nil, refuse(ReasonAssertionKeysUnavailable, errors.New("its jwks_uri has just been changed"))
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	key, err := source.Key(ctx, h.KeyID, h.Algorithm)
	switch {
	case errors.Is(err, verifier.ErrUnknownKey), err == nil && key == nil:
		return nil, refuse(ReasonAssertionUnknownKey, fmt.Errorf("kid is %.64q", h.KeyID))
	case err != nil:
		return nil, refuse(ReasonAssertionKeysUnavailable, err)
	}
	return key, nil
}

// chooseKeys returns the keys with the kid of the header. A key that was declared without
// kid, as in PEM, may have any. Without a kid in the header, it returns all keys of the
// algorithm (RFC 7515 appendix D). All are keys of this client, and few.
func chooseKeys(keys []*jws.Key, h jws.Header) ([]*jws.Key, *Error) {
	meant := keys
	if h.HasKeyID {
		if meant = keysWithID(keys, h.KeyID); len(meant) == 0 || h.KeyID == "" {
			meant = keysWithID(keys, "")
		}
	}
	if len(meant) == 0 {
		return nil, refuse(ReasonAssertionUnknownKey, fmt.Errorf("kid is %.64q", h.KeyID))
	}
	var fitting []*jws.Key
	for _, key := range meant {
		if key.Algorithm == h.Algorithm {
			fitting = append(fitting, key)
		}
	}
	if len(fitting) == 0 {
		return nil, refuse(ReasonAssertionWrongAlgorithm, fmt.Errorf("alg is %s, and the key is for %s", h.Algorithm, meant[0].Algorithm))
	}
	return fitting, nil
}

// whichVerifies returns the first of the keys that verifies the signature.
func whichVerifies(keys []*jws.Key, m *jws.Message) (key *jws.Key, err error) {
	for _, key = range keys {
		if err = key.Verify(m.SigningInput, m.Signature); err == nil {
			return key, nil
		}
	}
	return nil, err
}

func keysWithID(keys []*jws.Key, id string) (found []*jws.Key) {
	for _, key := range keys {
		if key.ID == id {
			found = append(found, key)
		}
	}
	return found
}

// checkAudience requires this issuer as the only audience, as a string (draft rfc7523bis
// section 3, FAPI 2.0 section 5.3.2.1). Metadata of an attacker can name the endpoints of
// this server, so an audience of another URL does not show for whom an assertion was made
// (CVE-2025-27370).
func (s *Assertions) checkAudience(a *Assertion) *Error {
	audience := a.claims["aud"]
	if audience == s.Issuer {
		return nil
	}
	if len(s.InsecureAudiences) > 0 {
		list, isList := audience.([]any)
		if !isList {
			list = []any{audience}
		}
		accepted := func(value any) bool {
			text, ok := value.(string)
			return ok && (text == s.Issuer || slices.Contains(s.InsecureAudiences, text))
		}
		if slices.ContainsFunc(list, accepted) {
			return nil
		}
	}
	return refuse(ReasonAssertionWrongAudience, fmt.Errorf("aud is %.255q, not the string %q", fmt.Sprint(audience), s.Issuer))
}

// checkTimes checks exp, nbf and iat, and returns exp.
func (a *Assertion) checkTimes(now time.Time) (time.Time, *Error) {
	exp, found, ok := a.date("exp")
	if !found || !ok {
		return exp, refuse(ReasonAssertionMalformed, errors.New("exp is not there, or no number of seconds from 1970 to 9999"))
	}
	switch {
	case !now.Before(exp):
		return exp, refuse(ReasonAssertionExpired, fmt.Errorf("exp is %s", strictjson.FormatDate(exp)))
	case exp.After(now.Add(assertionLifetime + lifetimeSlack)):
		return exp, refuse(ReasonAssertionLivesTooLong, fmt.Errorf("exp is %s, more than %s ahead", strictjson.FormatDate(exp), assertionLifetime))
	}
	for _, name := range []string{"nbf", "iat"} {
		from, _, ok := a.date(name)
		switch {
		case !ok:
			return exp, refuse(ReasonAssertionMalformed, fmt.Errorf("%s is no number of seconds from 1970 to 9999", name))
		case from.After(now.Add(aheadOfClock)):
			return exp, refuse(ReasonAssertionNotYetValid, fmt.Errorf("%s is %s, more than %s ahead", name, strictjson.FormatDate(from), aheadOfClock))
		}
	}
	return exp, nil
}

// date reads a NumericDate (RFC 7519 section 2). An absent one is sound.
func (a *Assertion) date(name string) (date time.Time, found, sound bool) {
	value, found := a.claims[name]
	if !found {
		return date, false, true
	}
	date, sound = strictjson.NumericDate(value)
	return date, true, sound
}

// use marks the assertion as used, on all nodes that share the Replay.
func (s *Assertions) use(ctx context.Context, clientID, id string, expires time.Time) *Error {
	if id == "" || len(id) > longestJTI {
		return refuse(ReasonAssertionMalformed, fmt.Errorf("jti is not a string of 1 to %d bytes", longestJTI))
	}
	first, err := s.Replay.Once(ctx, s.Issuer+" "+clientID, strings.Join([]string{"client_assertion", s.Issuer, clientID, id}, "\x00"), expires.Add(remembered))
	switch {
	case err != nil:
		return Unavailable(ReasonStateUnavailable, err)
	case !first:
		return refuse(ReasonAssertionReplayed, fmt.Errorf("jti is %.64q", id))
	}
	return nil
}

func malformedAssertion(a *Assertion) *Error {
	switch {
	case a == nil:
		return refuse(ReasonNoCredentials, nil)
	case errors.Is(a.malformed, jws.ErrAlgorithm):
		return refuse(ReasonAssertionWrongAlgorithm, a.malformed)
	}
	return refuse(ReasonAssertionMalformed, a.malformed)
}
