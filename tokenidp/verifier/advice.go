package verifier

// Advice explains a [Reason] to an operator. Each field is one line.
type Advice struct {
	Expected string // what passes; a [Mismatch] is more exact
	Change   string // what to change, and where: in which file, or at the caller
}

const (
	askAgain     = "the caller asks for a new token"
	anotherToken = "the caller sends the access token that this issuer gave it, not an id token or another issuer's"
	makesProof   = "the caller makes a new proof for every request"
	clocks       = "compare the clocks of the servers that issue and verify"
)

var advice = map[Reason]Advice{
	NoToken:                {"Authorization: Bearer <token>, or DPoP <token>", "the caller sends the header; if it does, look for a proxy or a directive that removes it"},
	SeveralAuthorizations:  {"one Authorization header", "the caller sends one; look for a proxy that adds its own"},
	MalformedAuthorization: {"Bearer or DPoP, a space, and one token without spaces, tabs and commas in it", "the caller sends the token alone; two joined with a comma come from a proxy that merges headers"},
	TokenTooLarge:          {"at most 16 KiB", "the caller sends something else than a token issued here; look at how it stores it"},
	MalformedToken:         {"a signed JWT: three parts in base64url with dots between them", "look at how the caller stores the token: it may be cut off, quoted, or an opaque token of another issuer"},
	UnsupportedCritical:    {"a header without crit", anotherToken},
	WrongAlgorithm:         {"an asymmetric algorithm, that of the key which the token names", anotherToken},
	MalformedClaims:        {"one strict JSON object, each claim of its type", anotherToken + "; where a claim_header is named, correct it in the Caddyfile"},
	MissingClaim:           {"iss sub aud client_id iat exp jti", anotherToken},
	UnknownIssuer:          {"an issuer that the route accepts, byte for byte", "name the issuer under `issuer` in `verify`, and in the global option `tokenidp`; or the caller asks the right issuer"},
	WrongType:              {"typ at+jwt", anotherToken},
	MissingKeyID:           {"a kid in the header", anotherToken},
	UnknownKey:             {"the kid of a key that the issuer has published", askAgain + "; if fresh tokens are refused, check in the Caddyfile that all servers share one `storage`"},
	KeysUnavailable:        {"keys within reach", "try again; look at the storage"},
	BadSignature:           {"a signature by the key that the token names", askAgain + "; if fresh tokens are refused, check in the Caddyfile that all servers share one `storage`"},
	UnsupportedConfirm:     {"cnf with jkt or x5t#S256, or no cnf", anotherToken},
	WrongScheme:            {"DPoP for a token that is bound to the key of a proof, and Bearer for any other", "the caller sends the token by the `token_type` with which it got it"},
	NoCertificate:          {"the client certificate that the token is bound to", "the caller sends the token over a connection with its certificate; and `client_auth` in the `tls` of the site has `mode verify_if_given` or another that asks for one"},
	CertificateMismatch:    {"the client certificate that the token is bound to", "the caller sends the token with the certificate with which it asked for it, and " + askAgain + " when that changes"},
	NoDPoPOrigin:           {"a `dpop_origin` of the route", "write `dpop_origin` with the URL that clients call into `verify` or into the global option `tokenidp`"},
	NoProof:                {"one DPoP header", makesProof},
	SeveralProofs:          {"one DPoP header", makesProof},
	MalformedProof:         {"a JWT of the type dpop+jwt that the key in its header has signed", makesProof},
	ProofForAnotherRequest: {"htm and htu of this request, at an origin of the route", makesProof + "; if htu is right, correct `dpop_origin` in the Caddyfile"},
	StaleProof:             {"an iat of the last minute", makesProof + "; if it does, " + clocks},
	ProofForAnotherToken:   {"ath with the hash of the token", makesProof},
	ProofByAnotherKey:      {"a proof by the key that the token is bound to", "the caller uses the key with which it asked for the token, and " + askAgain + " when that changes"},
	ReplayedProof:          {"a proof that was not used before", makesProof},
	StateUnavailable:       {"the state within reach", "try again; look at `caddy tokenidp status`, and at `state` in the Caddyfile"},
	Expired:                {"exp ahead of the clock", askAgain + " before exp; if fresh tokens expire at once, " + clocks},
	NotYetValid:            {"nbf not ahead of the clock", clocks},
	IssuedInFuture:         {"iat not ahead of the clock", clocks},
	RevocationsUnknown:     {"revocations within reach", "try again; look at the `state` in the Caddyfile, and at what it is kept in"},
	Revoked:                {"a token that was not taken back", askAgain + ", if it may still have one; a log line `token revoked` or `tokens revoked by an operator` tells who took it back"},
	InactiveClient:         {"an Application that is declared and active", "declare the Application in its file, or remove its `active: false`: the token works again within two seconds"},
	WrongAudience:          {"the API that owns the scopes of the route", "the caller asks for a token with this API's scopes; or correct which resource owns them in the Application file, or `verify` in the Caddyfile"},
	ClaimNotAccepted:       {"the claims that the route asks for", "the issuer puts the claim into the token (`claims` of the Application); or change `claim` in the Caddyfile"},
	NotSenderConstrained:   {"a token that is bound by the means that the route names", "give the Application `dpop_bound_access_tokens` or `tls_client_certificate_bound_access_tokens`, or have the caller send a DPoP proof when it asks for the token; or change `sender_constrained` in the Caddyfile"},
	TooOld:                 {"a token that was issued within max_age", askAgain + " before it is that old; or change `max_age` in the Caddyfile"},
	LivesTooLong:           {"a token that lives no longer than max_lifetime", "give the Application a shorter `token_lifetime`; or change `max_lifetime` in the Caddyfile"},
	ClaimRequired:          {"the claims that the route requires", "the issuer puts the claim into the token; or change `require` in the Caddyfile"},
	ExpressionRefused:      {"an expression that is true", "look at `cause` in the log, and at `expression` in the Caddyfile; an expression that asks for the request is not judged here"},
	MissingScope:           {"the scopes of the route", "the caller asks for the scope; if that is refused, grant it under `scopes` of the Application; or correct `verify` in the Caddyfile"},
}

// Advise returns the advice for a reason. There is advice for each of [Reasons].
func Advise(reason Reason) Advice { return advice[reason] }
