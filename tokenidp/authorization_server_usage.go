package tokenidp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// countIssued counts a token and its scopes.
func (s *AuthorizationServer) countIssued(r *http.Request, issued *issuance) {
	k := usage.Key{Kind: usage.Issued, Issuer: s.issuer.Issuer, Client: issued.token.ClientID}
	s.issuer.usage.CountIssued(k)
	if issued.client.Secret == nil {
		s.issuer.usage.CountSource(k.Issuer, k.Client, "", clientIP(r))
	}
	k.Kind = usage.Asked
	for _, k.Name = range issued.token.Scope {
		s.issuer.usage.Count(k)
	}
}

// countDenied counts the scopes that an authenticated client asked for and is not granted.
// Only those that exist are told apart.
func (s *AuthorizationServer) countDenied(issued *issuance) {
	set := s.issuer.applications.Load()
	for scope := range strings.FieldsSeq(issued.request.Scope) {
		if _, exists := set.Resource(scope); exists && !slices.Contains(issued.client.Application.Scopes, scope) {
			s.issuer.usage.Count(usage.Key{Kind: usage.Denied, Issuer: s.issuer.Issuer, Client: issued.client.Application.ClientID, Name: scope})
		}
	}
}
