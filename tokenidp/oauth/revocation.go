package oauth

import "net/http"

// RevocationRequest is a parsed revocation request (RFC 7009 section 2.1). It is not
// authenticated. token_type_hint is ignored, because there is one type of token.
type RevocationRequest struct {
	Token       string
	Credentials Credentials
}

// ParseRevocationRequest parses a revocation request. Every error is an *Error.
func ParseRevocationRequest(w http.ResponseWriter, r *http.Request, p Policy) (*RevocationRequest, error) {
	request, err := parseClientRequest(w, r, p, "token")
	if err != nil {
		return nil, err
	}
	return &RevocationRequest{Token: request.params.get("token"), Credentials: request.Credentials}, nil
}

// AuthorizeRevocation returns an *Error unless the token was issued to this client (RFC
// 7009 section 2.1).
func AuthorizeRevocation(c *Client, issuedTo string) error {
	if issuedTo != c.Application.ClientID {
		return refuse(ReasonTokenOfAnother, nil)
	}
	return nil
}

// WriteRevoked writes the answer for a token that is revoked now, or was not valid before
// (RFC 7009 section 2.2).
func WriteRevoked(w http.ResponseWriter, f Format) error {
	if f == Form {
		return writeJSON(w, http.StatusOK, struct{}{})
	}
	return writeJSON(w, http.StatusOK, struct {
		IsSuccess bool `json:"isSuccess"`
	}{true})
}
