package oauth

import (
	"errors"
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
		return nil, refuse(ReasonUnsupportedGrant, nil)
	}
	if !c.Application.AllowsGrant(r.GrantType) {
		return nil, refuse(ReasonGrantNotAllowed, nil)
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
		return refuse(ReasonNoScope, err)
	case errors.Is(err, application.ErrMalformedScope):
		return refuse(ReasonMalformedScope, err)
	case errors.Is(err, application.ErrScopeNotGranted):
		return refuse(ReasonScopeNotGranted, err)
	case errors.Is(err, application.ErrScopeOfSeveralResources):
		return refuse(ReasonSeveralResources, err)
	case errors.Is(err, application.ErrUnknownResource):
		return refuse(ReasonUnknownResource, err)
	case errors.Is(err, application.ErrWrongResource):
		return refuse(ReasonWrongResource, err)
	default:
		return Unavailable(ReasonInternal, err)
	}
}

// QuotaExceeded returns the answer to an authenticated client that has used up its tokens.
// It may try again after the wait.
func QuotaExceeded(wait time.Duration) *Error {
	return refuse(ReasonQuotaExceeded, nil).after(wait)
}
