package oauth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
)

// WriteToken writes the answer with a token (RFC 6749 section 5.1), in the JSON format
// within the envelope. There, scope is present only if it differs from the request.
func WriteToken(w http.ResponseWriter, f Format, t *AccessToken, signed, requestedScope string) error {
	scope := strings.Join(t.Scope, " ")
	if f == Form {
		return writeJSON(w, http.StatusOK, struct {
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
			ExpiresIn   int64  `json:"expires_in"`
			Scope       string `json:"scope"`
		}{signed, t.Confirmation.tokenType(), t.ExpiresIn(), scope})
	}
	type data struct {
		AccessToken string `json:"accessToken"`
		TokenType   string `json:"tokenType"`
		ExpiresIn   int64  `json:"expiresIn"`
		Scope       string `json:"scope,omitempty"`
	}
	if scope == requestedScope {
		scope = ""
	}
	return writeJSON(w, http.StatusOK, struct {
		IsSuccess bool `json:"isSuccess"`
		Data      data `json:"data"`
	}{true, data{signed, t.Confirmation.tokenType(), t.ExpiresIn(), scope}})
}

// SecretExpiryHeader is the name of a header with the expiry of the client's secret, as an
// HTTP-date (RFC 9110 section 5.6.7). It corresponds to client_secret_expires_at of RFC
// 7591 section 3.2.1.
const SecretExpiryHeader = "Client-Secret-Expires-At"

// WriteSecretExpiry sets the header [SecretExpiryHeader] if the secret expires soon.
func WriteSecretExpiry(w http.ResponseWriter, s *secret.Secret, now time.Time) {
	if s.ValidityAt(now) == secret.Expiring {
		w.Header().Set(SecretExpiryHeader, s.Expires.UTC().Format(http.TimeFormat))
	}
}

// WriteError writes the answer for an error (RFC 6749 section 5.2), in the JSON format
// within the envelope.
func WriteError(w http.ResponseWriter, f Format, e *Error) error {
	h := w.Header()
	if e.Allow != "" {
		h.Set("Allow", e.Allow)
	}
	if e.Status == http.StatusUnauthorized { // however it was tried (RFC 9110 section 15.5.2)
		h.Set("WWW-Authenticate", `Basic realm="token", charset="UTF-8"`)
	}
	if e.RetryAfter > 0 {
		// Rounded up, so that the wait is long enough.
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if f == Form {
		return writeJSON(w, e.Status, struct {
			Error       string `json:"error"`
			Description string `json:"error_description,omitempty"`
		}{e.Code, e.Description})
	}
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return writeJSON(w, e.Status, struct {
		IsSuccess bool    `json:"isSuccess"`
		Error     failure `json:"error"`
	}{false, failure{e.Code, e.Description}})
}

func writeJSON(w http.ResponseWriter, status int, body any) error {
	document, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return write(w, status, "application/json", document)
}

func write(w http.ResponseWriter, status int, contentType string, document []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store") // RFC 6749 section 5.1
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err := w.Write(document)
	return err
}
