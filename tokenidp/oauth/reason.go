package oauth

import (
	"maps"
	"net/http"
	"slices"
)

// Reason is the stable code for the true cause of a refused request, in the log and as a
// metric label. The caller never sees it.
type Reason string

// The reasons for which a request is refused.
const (
	ReasonMethod                Reason = "method_not_allowed"
	ReasonInsecureTransport     Reason = "insecure_transport"
	ReasonBrowser               Reason = "browser"
	ReasonMediaType             Reason = "unsupported_media_type"
	ReasonContentEncoding       Reason = "content_encoding"
	ReasonTooLarge              Reason = "body_too_large"
	ReasonUnreadableBody        Reason = "unreadable_body"
	ReasonMalformedBody         Reason = "malformed_body"
	ReasonParameterInURL        Reason = "parameter_in_url"
	ReasonRepeatedParameter     Reason = "repeated_parameter"
	ReasonSeveralMethods        Reason = "several_authentication_methods"
	ReasonMalformedBasic        Reason = "malformed_basic"
	ReasonClientIDMismatch      Reason = "client_id_mismatch"
	ReasonMissingGrantType      Reason = "missing_grant_type"
	ReasonMissingToken          Reason = "missing_token"
	ReasonMissingClientID       Reason = "missing_client_id"
	ReasonUnknownClient         Reason = "unknown_client"
	ReasonInactiveClient        Reason = "inactive_client"
	ReasonNoCredentials         Reason = "no_credentials"
	ReasonUnknownMethod         Reason = "unknown_authentication_method"
	ReasonUnregisteredMethod    Reason = "unregistered_authentication_method"
	ReasonWrongSecret           Reason = "wrong_secret"
	ReasonMistypedSecret        Reason = "mistyped_secret"
	ReasonExpiredSecret         Reason = "expired_secret"
	ReasonNoCertificate         Reason = "no_client_certificate"
	ReasonUnverifiedCertificate Reason = "unverified_client_certificate"
	ReasonExpiredCertificate    Reason = "expired_client_certificate"
	ReasonWrongCertificate      Reason = "wrong_client_certificate"
	ReasonCertificateRequired   Reason = "certificate_required"
	ReasonNoProof               Reason = "no_dpop_proof"
	ReasonSeveralProofs         Reason = "several_dpop_proofs"
	ReasonMalformedProof        Reason = "malformed_dpop_proof"
	ReasonProofOfAnotherRequest Reason = "dpop_proof_for_another_request"
	ReasonStaleProof            Reason = "stale_dpop_proof"
	ReasonReplayedProof         Reason = "replayed_dpop_proof"
	ReasonStateUnavailable      Reason = "state_unavailable"
	ReasonTooManyFailures       Reason = "too_many_failures"
	ReasonHashingBusy           Reason = "hashing_busy"
	ReasonUnsupportedGrant      Reason = "unsupported_grant_type"
	ReasonGrantNotAllowed       Reason = "grant_type_not_allowed"
	ReasonNoScope               Reason = "no_scope"
	ReasonMalformedScope        Reason = "malformed_scope"
	ReasonScopeNotGranted       Reason = "scope_not_granted"
	ReasonSeveralResources      Reason = "scopes_of_several_resources"
	ReasonUnknownResource       Reason = "unknown_resource"
	ReasonWrongResource         Reason = "wrong_resource"
	ReasonTokenTooLarge         Reason = "scopes_too_large"
	ReasonQuotaExceeded         Reason = "quota_exceeded"
	ReasonTokenOfAnother        Reason = "token_of_another_client"
	ReasonNotPermitted          Reason = "introspection_not_permitted"
	ReasonUndecided             Reason = "token_undecided"
	ReasonInternal              Reason = "internal_error"

	ReasonIncompleteAssertion      Reason = "incomplete_assertion"
	ReasonAssertionMalformed       Reason = "assertion_malformed"
	ReasonAssertionWrongAlgorithm  Reason = "assertion_wrong_algorithm"
	ReasonAssertionWrongType       Reason = "assertion_wrong_type"
	ReasonAssertionWrongIssuer     Reason = "assertion_wrong_issuer"
	ReasonAssertionWrongSubject    Reason = "assertion_wrong_subject"
	ReasonAssertionUnknownKey      Reason = "assertion_unknown_key"
	ReasonAssertionKeysUnavailable Reason = "assertion_keys_unavailable"
	ReasonAssertionBadSignature    Reason = "assertion_bad_signature"
	ReasonAssertionWrongAudience   Reason = "assertion_wrong_audience"
	ReasonAssertionExpired         Reason = "assertion_expired"
	ReasonAssertionLivesTooLong    Reason = "assertion_lives_too_long"
	ReasonAssertionNotYetValid     Reason = "assertion_not_yet_valid"
	ReasonAssertionReplayed        Reason = "assertion_replayed"
	ReasonAssertionRevoked         Reason = "assertion_revoked"
)

// answer is what a caller learns for a reason.
type answer struct {
	status      int
	code        string // RFC 6749 section 5.2
	description string
}

// to returns the error that gives this answer, with the reason and cause for the log.
func (a answer) to(reason Reason, cause error) *Error {
	return &Error{Status: a.status, Code: a.code, Description: a.description, Reason: reason, Cause: cause}
}

// Several reasons have these answers. An unknown client, an inactive one and a wrong
// secret are not distinguished.
var (
	notAuthenticated = answer{http.StatusUnauthorized, CodeInvalidClient, "client authentication failed"}
	badProof         = answer{http.StatusBadRequest, CodeInvalidDPoPProof, "the DPoP proof is missing, or not valid for this request"}
	later            = answer{http.StatusServiceUnavailable, CodeTemporarilyUnavailable, "the server cannot answer right now; try again later"}
)

// invalidRequest returns the answer to a request that is wrong in itself.
func invalidRequest(description string) answer {
	return answer{http.StatusBadRequest, CodeInvalidRequest, description}
}

// answers has one row for each reason. The descriptions are fixed, so that nothing of a
// request is reflected, and keep to the characters of RFC 6749 section 5.2.
var answers = map[Reason]answer{
	ReasonMethod:            {http.StatusMethodNotAllowed, CodeInvalidRequest, "this endpoint takes POST alone"},
	ReasonInsecureTransport: invalidRequest("this endpoint is for HTTPS alone; treat the credentials just sent as exposed"),
	ReasonBrowser:           invalidRequest("this endpoint is not for web pages: a secret in front-end code is no secret; call it from a server"),
	ReasonMediaType:         {http.StatusUnsupportedMediaType, CodeInvalidRequest, "the body must be application/x-www-form-urlencoded or application/json"},
	ReasonContentEncoding:   {http.StatusUnsupportedMediaType, CodeInvalidRequest, "the body must not be compressed"},
	ReasonTooLarge:          {http.StatusRequestEntityTooLarge, CodeInvalidRequest, "the body is too large"},
	ReasonUnreadableBody:    invalidRequest("the body did not arrive whole and in time"),
	ReasonMalformedBody:     invalidRequest("the body is not well-formed application/x-www-form-urlencoded"),
	ReasonParameterInURL:    invalidRequest("parameters belong in the body, not in the URL; treat a secret sent there as exposed"),
	ReasonRepeatedParameter: invalidRequest("a parameter is repeated"),

	ReasonSeveralMethods:   invalidRequest("the request uses more than one way of client authentication"),
	ReasonMalformedBasic:   invalidRequest("the Authorization header is not well-formed HTTP Basic with form-encoded credentials"),
	ReasonClientIDMismatch: invalidRequest("client_id in the body is not the one in the Authorization header"),
	ReasonMissingGrantType: invalidRequest("the parameter grant_type is missing; a JSON body needs Content-Type: application/json"),
	ReasonMissingToken:     invalidRequest("the parameter token is missing; a JSON body needs Content-Type: application/json"),
	ReasonMissingClientID:  {http.StatusUnauthorized, CodeInvalidClient, "the client did not say who it is: use HTTP Basic, or client_id in the body"},

	ReasonUnknownClient:         notAuthenticated,
	ReasonInactiveClient:        notAuthenticated,
	ReasonNoCredentials:         notAuthenticated,
	ReasonUnknownMethod:         notAuthenticated,
	ReasonUnregisteredMethod:    notAuthenticated,
	ReasonWrongSecret:           notAuthenticated,
	ReasonMistypedSecret:        notAuthenticated,
	ReasonExpiredSecret:         notAuthenticated,
	ReasonNoCertificate:         notAuthenticated,
	ReasonUnverifiedCertificate: notAuthenticated,
	ReasonExpiredCertificate:    notAuthenticated,
	ReasonWrongCertificate:      notAuthenticated,
	ReasonTooManyFailures:       {http.StatusTooManyRequests, CodeTemporarilyUnavailable, "too many failed authentications; try again later"},
	ReasonHashingBusy:           later,

	ReasonIncompleteAssertion:      invalidRequest("client_assertion and client_assertion_type belong together"),
	ReasonAssertionMalformed:       notAuthenticated,
	ReasonAssertionWrongAlgorithm:  notAuthenticated,
	ReasonAssertionWrongType:       notAuthenticated,
	ReasonAssertionWrongIssuer:     notAuthenticated,
	ReasonAssertionWrongSubject:    notAuthenticated,
	ReasonAssertionUnknownKey:      notAuthenticated,
	ReasonAssertionKeysUnavailable: notAuthenticated,
	ReasonAssertionBadSignature:    notAuthenticated,
	ReasonAssertionWrongAudience:   notAuthenticated,
	ReasonAssertionExpired:         notAuthenticated,
	ReasonAssertionLivesTooLong:    notAuthenticated,
	ReasonAssertionNotYetValid:     notAuthenticated,
	ReasonAssertionReplayed:        notAuthenticated,
	ReasonAssertionRevoked:         notAuthenticated,

	ReasonCertificateRequired:   invalidRequest("the tokens of this client are bound to its certificate, and the connection has none"),
	ReasonNoProof:               badProof,
	ReasonSeveralProofs:         badProof,
	ReasonMalformedProof:        badProof,
	ReasonProofOfAnotherRequest: badProof,
	ReasonStaleProof:            badProof,
	ReasonReplayedProof:         badProof,

	ReasonUnsupportedGrant: {http.StatusBadRequest, CodeUnsupportedGrantType, "the grant type is not supported; use client_credentials"},
	ReasonGrantNotAllowed:  {http.StatusBadRequest, CodeUnauthorizedClient, "the client may not use this grant type"},
	ReasonNoScope:          {http.StatusBadRequest, CodeInvalidScope, "no scope was requested, and the client has no default"},
	ReasonMalformedScope:   {http.StatusBadRequest, CodeInvalidScope, "the scope is malformed: names separated by spaces"},
	ReasonScopeNotGranted:  {http.StatusBadRequest, CodeInvalidScope, "a requested scope is not granted to the client"},
	ReasonSeveralResources: {http.StatusBadRequest, CodeInvalidTarget, "the scopes belong to several resources; request one token for each"},
	ReasonUnknownResource:  {http.StatusBadRequest, CodeInvalidTarget, "the resource is unknown, or no scope of it is granted to the client"},
	ReasonWrongResource:    {http.StatusBadRequest, CodeInvalidTarget, "the scopes belong to another resource than the one requested"},
	ReasonTokenTooLarge:    {http.StatusBadRequest, CodeInvalidScope, "the scopes are too many for one token"},
	ReasonQuotaExceeded:    {http.StatusTooManyRequests, CodeTemporarilyUnavailable, "the client has used up its quota of tokens; try again later"},

	ReasonTokenOfAnother:   invalidRequest("the token was issued to another client, and is not revoked"),
	ReasonNotPermitted:     {}, // the answer is that the token is not active
	ReasonUndecided:        later,
	ReasonStateUnavailable: later,
	ReasonInternal:         later,
}

// Reasons returns every reason, sorted: the values that a metric label can have.
func Reasons() []Reason { return slices.Sorted(maps.Keys(answers)) }
