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
	// assertionLifetime is how far ahead exp may be: an assertion is made for one
	// request, and its jti is remembered as long.
	assertionLifetime = 5 * time.Minute
	// aheadOfClock is how far ahead iat and nbf may be. Clocks differ by a few
	// seconds; more than a minute is another one's assertion, or made for later
	// (FAPI 2.0 section 5.3.2.1).
	aheadOfClock = time.Minute
	// lifetimeSlack is what a client's clock may add to the lifetime.
	lifetimeSlack = 10 * time.Second
	// remembered is how much longer than it is valid a jti is known: another node's
	// clock may be behind.
	remembered = time.Minute
	longestJTI = 256 // bytes
)

// Replay remembers single-use identifiers; [state.State] does. After an error it
// cannot be told whether this was the first use.
type Replay interface {
	Once(ctx context.Context, owner, id string, until time.Time) (first bool, err error)
}

// Assertions hold what client assertions are checked against.
type Assertions struct {
	// Issuer is the audience of an assertion: this issuer's identifier.
	Issuer string
	// InsecureAudiences are others that do, in a list too, as RFC 7523 had it. An
	// assertion that a client made for another server may then pass here (draft
	// rfc7523bis, CVE-2025-27370).
	InsecureAudiences []string
	// Replay remembers which were used.
	Replay Replay
	// Trusted are the issuers elsewhere whose tokens may vouch for a client, by their
	// iss.
	Trusted map[string]TrustedIssuer
	// KeysAt finds the keys of a `jwks_uri`; nil for one that nobody declares.
	KeysAt func(application.PublishedKeys) verifier.KeySource
}

// With is an Authenticator that shares all that this one knows of clients, and
// accepts their assertions.
func (a *Authenticator) With(assertions *Assertions) *Authenticator {
	with := *a
	with.assertions = assertions
	return &with
}

// Assertion is a client assertion that was taken apart (RFC 7521 section 4.2).
// Nothing of it is verified.
type Assertion struct {
	raw       string
	message   *jws.Message
	claims    map[string]any
	malformed error
}

// ParseAssertion never fails as a whole: what is wrong with an assertion is told
// where every other failed authentication is.
func ParseAssertion(text string) *Assertion {
	m, err := jws.Parse(text)
	if err != nil {
		return &Assertion{raw: text, malformed: err}
	}
	claims, err := strictjson.Object(m.Payload)
	return &Assertion{raw: text, message: m, claims: claims, malformed: err}
}

// text is a claim that is a string, or "".
func (a *Assertion) text(name string) string {
	value, _ := a.claims[name].(string)
	return value
}

// parseAssertion reads an assertion and whose it claims to be. The client signs its
// own with its id as iss and sub (RFC 7523 section 3), and need not say it again.
// One of another issuer says nothing of clients here.
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

// byAssertion authenticates a client by a JWT that it has signed (RFC 7523 section
// 2.2), or an issuer that vouches for it. The Application is nil where there is a reason
// why there is none. Keys that have to be fetched first are waited for until the floor,
// and no longer: a later answer would tell that the client exists. The fetch goes on, and
// the next assertion finds them.
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

// byOwnKey is for an assertion that the client made itself (RFC 7523 section 3). It
// is marked as used last, when nothing else is wrong with it: nobody fills the
// memory of the nodes, or uses up an identifier, with what he could not sign.
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

// isOf tells an assertion of the client from every other JWT (draft rfc7523bis
// section 3; RFC 8725 section 3.12): an explicit type that is not its own is another
// purpose, and an access token of ours has one.
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

// keysFor finds the keys that the header may mean, at least one, among those of the
// client alone. jwk, jku, x5c and x5u in it lead nowhere.
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

// chooseKeys takes a kid for what it says. A key that was declared without one, as in
// PEM, may have any; without a kid, it may be any of the algorithm (RFC 7515 appendix
// D). They are few, and all of this client.
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

// whichVerifies finds the key, of at least one, that verifies the signature.
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

// checkAudience asks for this issuer as the sole audience, a string (draft
// rfc7523bis section 3, FAPI 2.0 section 5.3.2.1). A client that is led to another
// server's metadata makes assertions for the URLs it found there, so that no URL
// but the issuer's own tells for whom one was made (CVE-2025-27370).
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

// checkTimes returns when the assertion expires.
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

// date reads a NumericDate (RFC 7519 section 2). One that is not there is sound.
func (a *Assertion) date(name string) (date time.Time, found, sound bool) {
	value, found := a.claims[name]
	if !found {
		return date, false, true
	}
	date, sound = strictjson.NumericDate(value)
	return date, true, sound
}

// use marks the assertion as used, on every node that shares the memory.
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
