package oauth

import (
	"errors"
	"net/http"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// ClientCredentials is the one grant type (RFC 6749 section 4.4).
const ClientCredentials = application.GrantClientCredentials

// Authorize decides what an authenticated client gets: the grant type it may
// use, the scopes it holds, the one resource they belong to. Nothing is
// narrowed: a request is granted as it stands, or refused. Every error is an
// *Error.
func Authorize(set *application.Set, c *Client, r *TokenRequest, defaultLifetime time.Duration) (*application.Grant, error) {
	if r.GrantType != ClientCredentials {
		return nil, badRequest(CodeUnsupportedGrantType, "the grant type is not supported; use client_credentials", ReasonUnsupportedGrant, nil)
	}
	if !c.Application.AllowsGrant(r.GrantType) {
		return nil, badRequest(CodeUnauthorizedClient, "the client may not use this grant type", ReasonGrantNotAllowed, nil)
	}
	grant, err := set.Grant(c.Application, r.Scope, r.Resource, defaultLifetime)
	if err != nil {
		return nil, grantError(err)
	}
	return grant, nil
}

// grantError says in the terms of the wire why a grant was refused. That a
// scope does not exist and that it is not granted are one answer.
func grantError(err error) *Error {
	switch {
	case errors.Is(err, application.ErrNoScope):
		return badRequest(CodeInvalidScope, "no scope was requested, and the client has no default", ReasonNoScope, err)
	case errors.Is(err, application.ErrMalformedScope):
		return badRequest(CodeInvalidScope, "the scope is malformed: names separated by spaces", ReasonMalformedScope, err)
	case errors.Is(err, application.ErrScopeNotGranted):
		return badRequest(CodeInvalidScope, "a requested scope is not granted to the client", ReasonScopeNotGranted, err)
	case errors.Is(err, application.ErrScopeOfSeveralResources):
		return badRequest(CodeInvalidTarget, "the scopes belong to several resources; request one token for each", ReasonSeveralResources, err)
	case errors.Is(err, application.ErrUnknownResource):
		return badRequest(CodeInvalidTarget, "the resource is unknown, or no scope of it is granted to the client", ReasonUnknownResource, err)
	case errors.Is(err, application.ErrWrongResource):
		return badRequest(CodeInvalidTarget, "the scopes belong to another resource than the one requested", ReasonWrongResource, err)
	default:
		return unavailable(ReasonInternal, err)
	}
}

func badRequest(code, description string, reason Reason, cause error) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Description: description, Reason: reason, Cause: cause}
}
