// Package oauth is the authorization server's side of OAuth 2.0: it reads a
// token request, authenticates the client, and writes the answer, as RFC 6749
// and RFC 8414 have it. It knows net/http, and nothing of Caddy.
package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Error codes of the token endpoint (RFC 6749 section 5.2, RFC 8707 section 2, RFC
// 9449 section 5).
const (
	CodeInvalidRequest         = "invalid_request"
	CodeInvalidClient          = "invalid_client"
	CodeUnauthorizedClient     = "unauthorized_client"
	CodeUnsupportedGrantType   = "unsupported_grant_type"
	CodeInvalidScope           = "invalid_scope"
	CodeInvalidTarget          = "invalid_target"
	CodeInvalidDPoPProof       = "invalid_dpop_proof"
	CodeTemporarilyUnavailable = "temporarily_unavailable"
)

// Reason is the stable code under which the operator finds the true cause of a
// refused token request, in the log and as a metric label.
type Reason string

// The reasons for which a token request is refused.
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

// Reasons lists every reason, roughly in the order in which they are checked.
func Reasons() []Reason {
	return []Reason{
		ReasonMethod, ReasonInsecureTransport, ReasonBrowser, ReasonMediaType, ReasonContentEncoding, ReasonTooLarge,
		ReasonUnreadableBody, ReasonMalformedBody, ReasonParameterInURL, ReasonRepeatedParameter, ReasonSeveralMethods,
		ReasonMalformedBasic, ReasonClientIDMismatch, ReasonMissingGrantType, ReasonMissingToken, ReasonMissingClientID, ReasonTooManyFailures,
		ReasonUnknownClient, ReasonInactiveClient, ReasonNoCredentials, ReasonUnknownMethod, ReasonUnregisteredMethod,
		ReasonMistypedSecret, ReasonHashingBusy, ReasonExpiredSecret, ReasonWrongSecret,
		ReasonNoCertificate, ReasonUnverifiedCertificate, ReasonExpiredCertificate, ReasonWrongCertificate, ReasonIncompleteAssertion,
		ReasonAssertionMalformed, ReasonAssertionWrongAlgorithm, ReasonAssertionWrongType, ReasonAssertionWrongIssuer, ReasonAssertionWrongSubject,
		ReasonAssertionUnknownKey, ReasonAssertionKeysUnavailable, ReasonAssertionBadSignature, ReasonAssertionWrongAudience,
		ReasonAssertionExpired, ReasonAssertionLivesTooLong, ReasonAssertionNotYetValid, ReasonAssertionReplayed, ReasonAssertionRevoked,
		ReasonStateUnavailable, ReasonCertificateRequired,
		ReasonNoProof, ReasonSeveralProofs, ReasonMalformedProof, ReasonProofOfAnotherRequest, ReasonStaleProof, ReasonReplayedProof, ReasonUnsupportedGrant,
		ReasonGrantNotAllowed, ReasonNoScope, ReasonMalformedScope, ReasonScopeNotGranted, ReasonSeveralResources,
		ReasonUnknownResource, ReasonWrongResource, ReasonTokenTooLarge, ReasonQuotaExceeded,
		ReasonTokenOfAnother, ReasonNotPermitted, ReasonUndecided, ReasonInternal,
	}
}

// Error is a refused token request: what the caller is told, and beside it what
// only the operator may know.
type Error struct {
	Status      int
	Code        string // RFC 6749 section 5.2
	Description string // fixed text; never anything of the request (RFC 6749 section 5.2 restricts its characters)
	Allow       string // the Allow header of a 405
	RetryAfter  time.Duration

	Reason Reason
	Cause  error // for the log; holds no secret
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Reason, e.Cause)
	}
	return string(e.Reason)
}

func (e *Error) Unwrap() error { return e.Cause }

// invalidRequest is the error of a request that is wrong in itself (RFC 6749
// section 5.2).
func invalidRequest(reason Reason, description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Description: description, Reason: reason}
}

// invalidClient is the one answer to every failed authentication: an unknown
// client, an inactive one and a wrong secret are not told apart. Only the
// reason differs, and that is for the operator.
func invalidClient(reason Reason) *Error {
	return &Error{
		Status:      http.StatusUnauthorized,
		Code:        CodeInvalidClient,
		Description: "client authentication failed",
		Reason:      reason,
	}
}

// noClient is the answer to a request without any client authentication (RFC 6749
// section 5.2). It has a challenge: HTTP clients send what they know only then.
func noClient() *Error {
	refusal := invalidClient(ReasonMissingClientID)
	refusal.Description = "the client did not say who it is: use HTTP Basic, or client_id in the body"
	return refusal
}

// unavailable is the answer while something this server needs is out of reach. It says
// when keys are looked for again.
func unavailable(reason Reason, cause error) *Error {
	retryAfter := time.Second
	if keys, ok := errors.AsType[*verifier.OutOfReach](cause); ok {
		retryAfter = max(retryAfter, keys.RetryAfter)
	}
	return &Error{
		Status:      http.StatusServiceUnavailable,
		Code:        CodeTemporarilyUnavailable,
		Description: "the server cannot answer right now; try again later",
		RetryAfter:  retryAfter,
		Reason:      reason,
		Cause:       cause,
	}
}

// Unavailable is the answer while something that the request needs is out of reach.
func Unavailable(reason Reason, cause error) *Error { return unavailable(reason, cause) }

// InternalError is the answer to a fault of this server that has no answer of
// its own.
func InternalError(cause error) *Error {
	return unavailable(ReasonInternal, cause)
}
