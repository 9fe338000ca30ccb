package oauth

import "net/http"

// RevocationRequest is a well-formed revocation request (RFC 7009 section 2.1), not
// yet authenticated. A token_type_hint is not needed: there is one type of token.
type RevocationRequest struct {
	Token       string
	Credentials Credentials
}

// ParseRevocationRequest reads a revocation request. Every error is an *Error.
func ParseRevocationRequest(w http.ResponseWriter, r *http.Request, p Policy) (*RevocationRequest, error) {
	request, err := parseClientRequest(w, r, p, "token")
	if err != nil {
		return nil, err
	}
	return &RevocationRequest{Token: request.params.get("token"), Credentials: request.Credentials}, nil
}

// AuthorizeRevocation lets a client take back its own tokens alone (RFC 7009 section
// 2.1). The error is an *Error.
func AuthorizeRevocation(c *Client, issuedTo string) error {
	if issuedTo != c.Application.ClientID {
		return refuse(ReasonTokenOfAnother, nil)
	}
	return nil
}

// WriteRevoked answers that the token is of no use any more (RFC 7009 section 2.2),
// because it was revoked, or because it never was of any.
func WriteRevoked(w http.ResponseWriter, f Format) error {
	if f == Form {
		return writeJSON(w, http.StatusOK, struct{}{})
	}
	return writeJSON(w, http.StatusOK, struct {
		IsSuccess bool `json:"isSuccess"`
	}{true})
}
