package verifier

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Reason is a stable code for why a request was refused, for operators. The
// caller never sees it.
type Reason string

// The reasons, in the order in which a request can fail.
const (
	NoToken                Reason = "no_token"
	SeveralAuthorizations  Reason = "several_authorization_headers"
	MalformedAuthorization Reason = "malformed_authorization"
	TokenTooLarge          Reason = "token_too_large"
	MalformedToken         Reason = "malformed_token"
	UnsupportedCritical    Reason = "unsupported_critical_header"
	WrongAlgorithm         Reason = "wrong_algorithm"
	MalformedClaims        Reason = "malformed_claims"
	MissingClaim           Reason = "missing_claim"
	UnknownIssuer          Reason = "unknown_issuer"
	WrongType              Reason = "wrong_type"
	MissingKeyID           Reason = "missing_key_id"
	UnknownKey             Reason = "unknown_key"
	KeysUnavailable        Reason = "keys_unavailable"
	BadSignature           Reason = "bad_signature"
	UnsupportedConfirm     Reason = "unsupported_confirmation"
	WrongScheme            Reason = "wrong_authorization_scheme"
	NoCertificate          Reason = "no_certificate"
	CertificateMismatch    Reason = "certificate_mismatch"
	NoDPoPOrigin           Reason = "no_dpop_origin"
	NoProof                Reason = "no_dpop_proof"
	SeveralProofs          Reason = "several_dpop_proofs"
	MalformedProof         Reason = "malformed_dpop_proof"
	ProofForAnotherRequest Reason = "dpop_proof_for_another_request"
	StaleProof             Reason = "stale_dpop_proof"
	ProofForAnotherToken   Reason = "dpop_proof_for_another_token" //nolint:gosec // a reason code
	ProofByAnotherKey      Reason = "dpop_proof_by_another_key"
	ReplayedProof          Reason = "replayed_dpop_proof"
	StateUnavailable       Reason = "state_unavailable"
	Expired                Reason = "expired"
	NotYetValid            Reason = "not_yet_valid"
	IssuedInFuture         Reason = "issued_in_future"
	RevocationsUnknown     Reason = "revocations_unknown"
	Revoked                Reason = "revoked"
	InactiveClient         Reason = "inactive_client"
	WrongAudience          Reason = "wrong_audience"
	NotSenderConstrained   Reason = "not_sender_constrained"
	TooOld                 Reason = "too_old"
	LivesTooLong           Reason = "lives_too_long"
	ClaimRequired          Reason = "claim_required"
	ClaimNotAccepted       Reason = "claim_not_accepted"
	MissingScope           Reason = "missing_scope"
	ExpressionRefused      Reason = "expression_refused"
)

// answer is the part that a caller sees (RFC 6750 section 3.1).
type answer struct {
	status      int
	code        string
	description string
}

// The descriptions are fixed, so that they reflect nothing of a request. They have only the
// characters of RFC 6750 section 3: ASCII without quotes and backslashes.
var (
	badToken = answer{http.StatusUnauthorized, "invalid_token", "The access token is malformed or not accepted here"}
	expired  = answer{http.StatusUnauthorized, "invalid_token", "The access token expired"}

	badProof     = answer{http.StatusUnauthorized, "invalid_dpop_proof", "The DPoP proof is missing, or not valid for this request"}
	badScheme    = answer{http.StatusUnauthorized, "invalid_token", "The access token does not belong to this authentication scheme"}
	notBound     = answer{http.StatusUnauthorized, "invalid_token", "The access token is not bound to its sender as this resource requires"}
	notTheSender = answer{http.StatusUnauthorized, "invalid_token", "The access token is bound to another sender"}

	// After these, the caller can try again with a new token, as invalid_token says (RFC
	// 6750 section 3.1).
	tooOld       = answer{http.StatusUnauthorized, "invalid_token", "The access token is too old for this resource"}
	livesTooLong = answer{http.StatusUnauthorized, "invalid_token", "The access token is valid for longer than this resource accepts"}

	// After this, a new token would have the same claims, as with a missing scope.
	lacksClaim = answer{http.StatusForbidden, "insufficient_scope", "The access token lacks a claim that this resource requires"}
)

var answers = map[Reason]answer{
	NoToken:                {http.StatusUnauthorized, "", ""},
	SeveralAuthorizations:  {http.StatusBadRequest, "invalid_request", "Exactly one Authorization header is allowed"},
	MalformedAuthorization: {http.StatusBadRequest, "invalid_request", "The Authorization header is not one scheme and one token"},
	TokenTooLarge:          badToken,
	MalformedToken:         badToken,
	UnsupportedCritical:    badToken,
	WrongAlgorithm:         badToken,
	MalformedClaims:        badToken,
	MissingClaim:           badToken,
	UnknownIssuer:          badToken,
	WrongType:              badToken,
	MissingKeyID:           badToken,
	UnknownKey:             badToken,
	KeysUnavailable:        {http.StatusServiceUnavailable, "", ""},
	BadSignature:           badToken,
	UnsupportedConfirm:     badToken,
	WrongScheme:            badScheme,
	NoCertificate:          notTheSender,
	CertificateMismatch:    notTheSender,
	NoDPoPOrigin:           badToken,
	NoProof:                badProof,
	SeveralProofs:          badProof,
	MalformedProof:         badProof,
	ProofForAnotherRequest: badProof,
	StaleProof:             badProof,
	ProofForAnotherToken:   badProof,
	ProofByAnotherKey:      badProof,
	ReplayedProof:          badProof,
	StateUnavailable:       {http.StatusServiceUnavailable, "", ""},
	Expired:                expired,
	NotYetValid:            badToken,
	IssuedInFuture:         badToken,
	RevocationsUnknown:     {http.StatusServiceUnavailable, "", ""},
	Revoked:                badToken,
	InactiveClient:         badToken,
	WrongAudience:          badToken,
	NotSenderConstrained:   notBound,
	TooOld:                 tooOld,
	LivesTooLong:           livesTooLong,
	ClaimRequired:          lacksClaim,
	ClaimNotAccepted:       lacksClaim,
	MissingScope:           {http.StatusForbidden, "insufficient_scope", "The access token lacks a scope that this resource requires"},
	ExpressionRefused:      {http.StatusForbidden, "insufficient_scope", "The access token does not allow this request"},
}

// Reasons returns every reason, sorted: the values that a metric label can have.
func Reasons() []Reason {
	return slices.Sorted(maps.Keys(answers))
}

// Refusal is the error of a refused request.
type Refusal struct {
	Status      int      // 400, 401, 403 or 503
	Code        string   // error code of RFC 6750 section 3.1, empty for a bare challenge
	Description string   // for the caller: fixed text, safe in a quoted-string
	Reason      Reason   // for the operator: logs and metrics
	Scope       []string // of insufficient_scope: the scopes that are enough; else those that a token needs
	cause       error
}

// Refuse returns the refusal for a reason. The cause is for the log. It may have claims
// and the kid of an unverified token, never its signature.
func Refuse(reason Reason, cause error) *Refusal {
	a, ok := answers[reason]
	if !ok {
		a = badToken
	}
	return &Refusal{Status: a.status, Code: a.code, Description: a.description, Reason: reason, cause: cause}
}

// Error returns the text for the log.
func (r *Refusal) Error() string {
	if r.cause == nil {
		return string(r.Reason)
	}
	return fmt.Sprintf("%s: %v", r.Reason, r.cause)
}

// Unwrap returns the private cause, or nil.
func (r *Refusal) Unwrap() error { return r.cause }

// AsksForAToken reports whether the caller needs an access token, or another one. Then the
// challenge can name the scopes. It is false if only the proof is wrong.
func (r *Refusal) AsksForAToken() bool {
	return r.Status == http.StatusUnauthorized && (r.Code == "" || r.Code == badToken.code)
}

// Challenge returns the value of a WWW-Authenticate header (RFC 6750 section 3, RFC 9449
// section 7.1), with the URL of the resource's metadata, if any (RFC 9728 section 5.1). No
// attribute is repeated. Without a code, it has no error.
func (r *Refusal) Challenge(scheme Scheme, realm, resourceMetadata string) string {
	challenge := string(scheme) + " realm=" + quote(realm)
	if scheme == DPoP {
		challenge += ", algs=" + quote(algs)
	}
	if r.Code != "" {
		challenge += ", error=" + quote(r.Code) + ", error_description=" + quote(r.Description)
	}
	if len(r.Scope) > 0 {
		challenge += ", scope=" + quote(strings.Join(r.Scope, " "))
	}
	if resourceMetadata != "" {
		challenge += ", resource_metadata=" + quote(resourceMetadata)
	}
	return challenge
}

// quote returns a quoted-string (RFC 9110 section 5.6.4). Control characters become
// spaces, because they would end the header.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
