package client

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Proof is the request that a DPoP proof is for (RFC 9449 section 4.2).
type Proof struct {
	Method, URL string
	// AccessToken is the one that the request has, or "" for a token request.
	AccessToken string
	// Nonce is what the server asked for, or "".
	Nonce string
}

// Proof makes a DPoP proof, which shows that the sender of one request has the key.
func (k *Key) Proof(p Proof, now time.Time) (string, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || p.Method == "" {
		return "", fmt.Errorf("making a proof: a method and a URL with a host are needed, such as GET https://api.example.com/orders")
	}
	claims := struct {
		ID       string `json:"jti"`
		Method   string `json:"htm"`
		URL      string `json:"htu"`
		IssuedAt int64  `json:"iat"`
		Token    string `json:"ath,omitempty"`
		Nonce    string `json:"nonce,omitempty"`
	}{ID: newID(), Method: p.Method, URL: weburl.WithoutQuery(u), IssuedAt: now.Unix(), Nonce: p.Nonce}
	if p.AccessToken != "" {
		digest := sha256.Sum256([]byte(p.AccessToken))
		claims.Token = base64.RawURLEncoding.EncodeToString(digest[:])
	}
	return k.sign("dpop+jwt", true, claims)
}
