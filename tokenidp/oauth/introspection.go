package oauth

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// IntrospectionRequest is a parsed introspection request (RFC 7662 section 2.1). It is not
// authenticated. token_type_hint is ignored, because there is one type of token.
type IntrospectionRequest struct {
	Token       string
	Credentials Credentials
	// Signed is true if the caller requests the answer as a JWT (RFC 9701 section 4).
	Signed bool
}

// ParseIntrospectionRequest parses an introspection request. Every error is an *Error.
func ParseIntrospectionRequest(w http.ResponseWriter, r *http.Request, p Policy) (*IntrospectionRequest, error) {
	request, err := parseClientRequest(w, r, p, "token")
	if err != nil {
		return nil, err
	}
	return &IntrospectionRequest{
		Token:       request.params.get("token"),
		Credentials: request.Credentials,
		Signed:      accepts(r, IntrospectionJWT),
	}, nil
}

// IntrospectionType is the type of an introspection response that is a JWT, and
// IntrospectionJWT its media type (RFC 9701 sections 5 and 10).
const (
	IntrospectionType = "token-introspection+jwt"
	IntrospectionJWT  = "application/" + IntrospectionType
)

// accepts reports whether the Accept header names the media type (RFC 9110 section
// 12.5.1). A wildcard does not count.
func accepts(r *http.Request, mediaType string) bool {
	for _, list := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(list, ",") {
			named, params, err := mime.ParseMediaType(item)
			if err != nil || named != mediaType {
				continue
			}
			quality, given := params["q"]
			if q, err := strconv.ParseFloat(quality, 64); !given || err == nil && q > 0 {
				return true
			}
		}
	}
	return false
}

// Introspection is an introspection response (RFC 7662 section 2.2). For every inactive
// token it has only active.
type Introspection map[string]any

// Inactive returns the response for a token that is not valid, or that the caller may not
// know about.
func Inactive() Introspection { return Introspection{"active": false} }

// Active returns the response for a token with these claims, as strictjson decodes them.
func Active(claims map[string]any) Introspection {
	i := make(Introspection, len(claims)+2)
	for name, value := range claims {
		i[name] = plain(value)
	}
	i["active"], i["token_type"] = true, tokenType(claims)
	return i
}

// tokenType returns the token_type: DPoP for a token that is bound to a key (RFC 9449
// section 5).
func tokenType(claims map[string]any) string {
	if confirmation, ok := claims["cnf"].(map[string]any); ok && confirmation["jkt"] != nil {
		return "DPoP"
	}
	return "Bearer"
}

// plain converts a value for encoding/json, which does not know strictjson.Number.
func plain(value any) any {
	switch v := value.(type) {
	case strictjson.Number:
		return json.Number(v)
	case []any:
		list := make([]any, len(v))
		for n, element := range v {
			list[n] = plain(element)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			object[name] = plain(member)
		}
		return object
	}
	return value
}

// inJSON has the names that differ in the JSON format.
var inJSON = map[string]string{"client_id": "clientId", "token_type": "tokenType"}

// WriteIntrospection writes the response (RFC 7662 section 2.2), in the JSON format within
// the envelope.
func WriteIntrospection(w http.ResponseWriter, f Format, i Introspection) error {
	if f == Form {
		return writeJSON(w, http.StatusOK, i)
	}
	data := maps.Clone(i)
	for standard, name := range inJSON {
		if value, ok := data[standard]; ok {
			delete(data, standard)
			data[name] = value
		}
	}
	return writeJSON(w, http.StatusOK, struct {
		IsSuccess bool          `json:"isSuccess"`
		Data      Introspection `json:"data"`
	}{true, data})
}

// Claims returns the claims of the response as a JWT for the caller (RFC 9701 section 5).
// They have no sub and no exp, so that the JWT is not mistaken for an access token.
func (i Introspection) Claims(issuer, caller string, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		Issuer        string        `json:"iss"`
		Audience      string        `json:"aud"`
		IssuedAt      int64         `json:"iat"`
		Introspection Introspection `json:"token_introspection"`
	}{issuer, caller, now.Unix(), i})
}

// WriteIntrospectionJWT writes a signed response.
func WriteIntrospectionJWT(w http.ResponseWriter, signed string) error {
	return write(w, http.StatusOK, IntrospectionJWT, []byte(signed))
}
