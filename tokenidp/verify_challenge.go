package tokenidp

import (
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/dpop"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// refuse sets the challenge (RFC 6750 section 3), logs the reason, and returns the error
// for Caddy.
func (v *Verify) refuse(w http.ResponseWriter, r *http.Request, claims *verifier.Claims, err error) error {
	var refusal *verifier.Refusal
	if !errors.As(err, &refusal) {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	if refusal.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter(refusal))
	} else {
		for _, challenge := range v.challenges(r, claims, refusal) {
			w.Header().Add("WWW-Authenticate", challenge)
		}
	}
	if holdsBodyBack(r) {
		w.Header().Set("Connection", "close")
	}
	// The route of an error may lead to another upstream, which gets no token, also with
	// ForwardAuthorization. Without a token, the header holds nothing, or credentials that
	// are not for verify to take away.
	if refusal.Reason != verifier.NoToken {
		r.Header.Del("Authorization")
		delete(r.Header, dpop.Header)
	}
	v.recordRefused(r, claims, refusal)
	return caddyhttp.Error(refusal.Status, refusal)
}

// retryAfter returns the seconds until the keys are read again, rounded up, and at least
// 1.
func retryAfter(refusal *verifier.Refusal) string {
	seconds := 1
	if keys, ok := errors.AsType[*verifier.OutOfReach](refusal); ok {
		seconds = max(seconds, int(math.Ceil(keys.RetryAfter.Seconds())))
	}
	return strconv.Itoa(seconds)
}

// logRefusal logs a refused request with the true reason. Many equal lines are joined.
func (v *Verify) logRefusal(message string, r *http.Request, claims *verifier.Claims, refusal *verifier.Refusal) {
	c := v.logger.Check(zap.InfoLevel, message)
	if c == nil {
		return
	}
	key := refusallog.Key{
		Message: message, Source: v.Source, Path: refusallog.Loggable(originalPath(r)), Reason: string(refusal.Reason), Sender: refusallog.Sender(clientIP(r)),
	}
	if claims != nil {
		key.ClientID = refusallog.Loggable(claims.ClientID)
	}
	if !v.app.refusals.Whole(v.logger, zap.InfoLevel, key) {
		return
	}
	fields := []zap.Field{
		zap.String("reason", string(refusal.Reason)),
		zap.Int("status", refusal.Status),
		zap.String("method", refusallog.Loggable(r.Method)),
		zap.String("host", refusallog.Loggable(r.Host)),
		zap.String("path", key.Path),
		zap.Stringer("client_ip", clientIP(r)),
		zap.String("source", v.Source),
	}
	if refusal.Code != "" {
		fields = append(fields, zap.String("error", refusal.Code))
	}
	if cause := refusal.Unwrap(); cause != nil {
		fields = append(fields, zap.String("cause", refusallog.Loggable(cause.Error())))
	}
	if claims != nil {
		fields = append(fields, zap.String("client_id", claims.ClientID), zap.String("jti", claims.ID), zap.Strings("scope", claims.Scope))
	}
	c.Write(fields...)
}

// holdsBodyBack reports whether the client waits for 100 Continue before it sends its body
// (RFC 9110 section 10.1.1). Over HTTP/1, net/http would send that before the answer, to
// use the connection again, because Caddy wraps the body. It does not if the connection is
// closed.
func holdsBodyBack(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ContentLength != 0 && r.Header.Get("Expect") != ""
}

// challenges returns the challenges for a refused request (RFC 6750 section 3, RFC 9449
// section 7.1): for the scheme that it used, and for the other one if that is accepted
// instead.
func (v *Verify) challenges(r *http.Request, claims *verifier.Claims, refusal *verifier.Refusal) []string {
	used, other := verifier.Bearer, verifier.DPoP
	if presented, _ := verifier.PresentedToken(r.Header); presented.Scheme == verifier.DPoP ||
		refusal.Reason != verifier.WrongScheme && claims != nil && claims.Confirmation != nil && claims.Confirmation.Key != "" {
		used, other = other, used
	}
	dpopOnly := slices.Equal(v.SenderConstrained, []string{verifier.ByDPoP})
	offersBoth := slices.Contains(v.SenderConstrained, verifier.ByDPoP) && !dpopOnly
	metadataURL, scope := v.howToGetAToken(r)
	challenge := func(refusal verifier.Refusal, scheme verifier.Scheme) string {
		if refusal.AsksForAToken() {
			refusal.Scope = scope
		}
		return refusal.Challenge(scheme, v.Realm, metadataURL)
	}
	bare := verifier.Refuse(verifier.NoToken, nil)
	switch {
	case refusal.Reason == verifier.NoToken && dpopOnly:
		return []string{challenge(*refusal, other)}
	case refusal.Reason == verifier.NoToken && offersBoth, refusal.Reason == verifier.WrongScheme,
		refusal.Reason == verifier.NotSenderConstrained && slices.Contains(v.SenderConstrained, verifier.ByDPoP):
		return []string{challenge(*refusal, used), challenge(*bare, other)}
	}
	return []string{challenge(*refusal, used)}
}

// setRefused sets the placeholder of the reason, for error routes.
func setRefused(r *http.Request, refusal *verifier.Refusal) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.tokenidp.reason", string(refusal.Reason))
	}
}

// howToGetAToken returns the URL of the metadata of the route's API, or "", and the scopes
// that a token for it needs here. If the route accepts tokens for several APIs, it chooses
// the one of the request.
func (v *Verify) howToGetAToken(r *http.Request) (metadataURL string, scope []string) {
	most := -1
	for _, issuer := range slices.Sorted(maps.Keys(v.rules)) {
		required := v.rules[issuer].requires()
		if required == nil {
			continue
		}
		if accepted := required.AcceptedAudiences(); scope == nil && len(accepted) > 0 {
			scope = required.ScopesFor(accepted[0])
		}
		for _, identifier := range slices.Sorted(maps.Keys(v.app.resources)) {
			resource := v.app.resources[identifier]
			audience, accepted := resource.AudienceOf(required)
			if covered := resource.Covers(r.Host, originalPath(r)); accepted && (metadataURL == "" || covered > most) {
				metadataURL, scope, most = resource.MetadataURL, required.ScopesFor(audience), covered
			}
		}
	}
	return metadataURL, scope
}
