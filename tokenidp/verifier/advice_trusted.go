package verifier

import (
	"errors"
	"slices"
)

const lookAtKeys = "look at `caddy tokenidp trusted`, which says how the keys of the issuer are"

// trustedAdvice is for tokens of an issuer elsewhere, where [advice] is about the
// Applications and keys of this server.
var trustedAdvice = map[Reason]Advice{
	WrongAlgorithm:       {"an algorithm that `trust` accepts, that of the key which the token names", anotherToken + "; if the issuer signs its access tokens so, change `algorithms` of `trust` in the Caddyfile"},
	MalformedClaims:      {"one strict JSON object, each claim of its type", anotherToken + "; if the claim that is named is none for it, change `client_id_claims` or `scope_claims` of `trust` in the Caddyfile; where a claim_header is named, correct that"},
	MissingClaim:         {"iss, aud, exp and a client", anotherToken + "; if the client's id is in another claim, change `client_id_claims` of `trust` in the Caddyfile"},
	WrongType:            {"a typ that `trust` accepts", anotherToken + "; if the issuer's access tokens have this type, change `types` of `trust` in the Caddyfile"},
	UnknownKey:           {"the kid of a key that the issuer publishes", askAgain + "; if fresh tokens are refused, " + lookAtKeys},
	KeysUnavailable:      {"keys of the issuer within reach", lookAtKeys},
	BadSignature:         {"a signature by the key that the token names", askAgain + "; if fresh tokens are refused, " + lookAtKeys},
	InactiveClient:       {"a client that is active", "ask who runs the issuer"},
	WrongAudience:        {"an audience that the route accepts", "the caller asks its issuer for a token for this API; or change `audience` of `trust` or `verify` in the Caddyfile"},
	ClaimNotAccepted:     {"the claims that the route and the trusted issuer ask for", "the issuer puts the claim into the token; or change `claim` of `trust` or `verify` in the Caddyfile"},
	NotSenderConstrained: {"a token that is bound by the means that the route names", "the caller asks its issuer for a bound token; or change `sender_constrained` in the Caddyfile"},
	LivesTooLong:         {"a token that lives no longer than max_lifetime", "the issuer gives it a shorter life; or change `max_lifetime` in the Caddyfile"},
	MissingScope:         {"the scopes of the route", "the caller asks its issuer for the scope; if the token has it in another claim, change `scope_claims` of `trust`; or correct `verify` in the Caddyfile"},
}

// AdviseTrusted is [Advise] for a token of an issuer elsewhere. It names the option of
// `trust` that would let the token pass, if there is one.
func AdviseTrusted(refusal *Refusal) Advice {
	var mark *markError
	if errors.As(refusal, &mark) {
		return mark.advice()
	}
	if errors.Is(refusal, errOtherPurpose) {
		return Advice{"the claim that marks an access token of this kind of issuer", anotherToken}
	}
	if a, ok := trustedAdvice[refusal.Reason]; ok {
		return a
	}
	return Advise(refusal.Reason)
}

func (e *markError) advice() Advice {
	if !slices.Contains(AccessTokenMarks, e.mark) {
		return Advice{"no " + e.mark + ", which no access token has", anotherToken}
	}
	return Advice{
		Expected: "no " + e.mark + ", which ID tokens have",
		Change:   anotherToken + "; if this issuer's access tokens have it too, write `insecure_id_token_marks " + e.mark + "` into `trust` in the Caddyfile, or for Dex: `preset dex`",
	}
}
