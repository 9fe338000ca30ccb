package oauth

import (
	"errors"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// ClientCredentials is the one grant type (RFC 6749 section 4.4).
const ClientCredentials = application.GrantClientCredentials

// Authorize returns the grant for an authenticated client: scopes, the one resource that
// owns them, and the lifetime. It never grants a part of a request. Every error is an
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

// grantError returns the answer for a refused grant. An unknown scope and one that is not
// granted have the same answer.
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
