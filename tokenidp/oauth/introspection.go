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

// IntrospectionRequest is a well-formed introspection request (RFC 7662 section
// 2.1), not yet authenticated. A token_type_hint is not needed: there is one type of
// token.
type IntrospectionRequest struct {
	Token       string
	Credentials Credentials
	// Signed: the caller asks for the answer as a JWT (RFC 9701 section 4).
	Signed bool
}

// ParseIntrospectionRequest reads an introspection request. Every error is an
// *Error.
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

// accepts reports whether the caller names the media type itself (RFC 9110 section
// 12.5.1): a wildcard is not asking for it.
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

// Introspection is what the issuer says of a token (RFC 7662 section 2.2), by the
// RFC's names. That of an inactive one, whatever the reason, is nothing else.
type Introspection map[string]any

// Inactive is the answer on a token that is of no use, or none of the caller's
// business.
func Inactive() Introspection { return Introspection{"active": false} }

// Active is the answer on a token with these claims, as strictjson decodes them.
func Active(claims map[string]any) Introspection {
	i := make(Introspection, len(claims)+2)
	for name, value := range claims {
		i[name] = plain(value)
	}
	i["active"], i["token_type"] = true, tokenType(claims)
	return i
}

// tokenType is how the token is presented (RFC 9449 section 5 for one that is bound
// to a key).
func tokenType(claims map[string]any) string {
	if confirmation, ok := claims["cnf"].(map[string]any); ok && confirmation["jkt"] != nil {
		return "DPoP"
	}
	return "Bearer"
}

// plain is the value as encoding/json writes it: it does not know numbers as they
// were spelled.
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

// inJSON are the names that are spelled otherwise in the JSON dialect.
var inJSON = map[string]string{"client_id": "clientId", "token_type": "tokenType"}

// WriteIntrospection answers as RFC 7662 section 2.2 has it, or with the same in the
// JSON envelope.
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

// Claims are those of the answer as a JWT for the caller (RFC 9701 section 5). It
// has no sub and no exp, so that nobody takes it for an access token.
func (i Introspection) Claims(issuer, caller string, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		Issuer        string        `json:"iss"`
		Audience      string        `json:"aud"`
		IssuedAt      int64         `json:"iat"`
		Introspection Introspection `json:"token_introspection"`
	}{issuer, caller, now.Unix(), i})
}

// WriteIntrospectionJWT answers with the signed answer.
func WriteIntrospectionJWT(w http.ResponseWriter, signed string) error {
	return write(w, http.StatusOK, IntrospectionJWT, []byte(signed))
}
