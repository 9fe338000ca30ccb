package client

import "time"

// assertionType is what is in client_assertion (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionLifetime is for one request, and two clocks that differ.
const assertionLifetime = time.Minute

// Assertion is the JWT by which a client proves that it has the key (RFC 7523 section
// 3). Its audience is the issuer alone (RFC 7523bis section 4), so that no other
// server can use it there. It is good for one request.
func (k *Key) Assertion(clientID, issuer string, now time.Time, lifetime time.Duration) (string, error) {
	if clientID == "" {
		return "", errNoClientID
	}
	return k.sign("client-authentication+jwt", false, struct {
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		Audience  string `json:"aud"`
		IssuedAt  int64  `json:"iat"`
		ExpiresAt int64  `json:"exp"`
		ID        string `json:"jti"`
	}{clientID, clientID, issuer, now.Unix(), now.Add(lifetime).Unix(), newID()})
}
