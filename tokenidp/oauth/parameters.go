package oauth

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// parameters has the parameters of a request by their names in the RFCs. A parameter with
// an empty value counts as omitted (RFC 6749 section 3.2), and is not in the map.
type parameters map[string][]string

func (p parameters) get(name string) string {
	if values := p[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func parseParameters(format Format, body []byte) (parameters, error) {
	var params parameters
	var err error
	if format == JSON {
		params, err = parseJSON(body)
	} else {
		params, err = parseForm(body)
	}
	if err != nil {
		return nil, err
	}
	return params, params.check()
}

// parseForm reads application/x-www-form-urlencoded, percent- and plus-decoded
// (RFC 6749 appendix B).
func parseForm(body []byte) (parameters, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refuse(ReasonMalformedBody, nil)
	}
	maps.DeleteFunc(values, func(name string, _ []string) bool { return !known[name] })
	return parameters(values), nil
}

// camelCase names the parameters whose JSON name differs from RFC 6749's.
var camelCase = map[string]string{
	"grantType":           "grant_type",
	"clientId":            "client_id",
	"clientSecret":        "client_secret",
	"clientAssertion":     "client_assertion",
	"clientAssertionType": "client_assertion_type",
	"tokenTypeHint":       "token_type_hint",
}

// known are the parameters that are used here. Others are ignored (RFC 6749 section 3.2).
var known = map[string]bool{
	"grant_type": true, "scope": true, "resource": true, "client_id": true, "client_secret": true,
	"client_assertion": true, "client_assertion_type": true, "token": true, "token_type_hint": true,
}

func parseJSON(body []byte) (parameters, error) {
	object, err := strictjson.Object(body)
	if err != nil {
		return nil, refuse(ReasonMalformedBody, err).saying("the body is not one well-formed JSON object with unique member names")
	}
	params := make(parameters, len(object))
	for name, value := range object {
		if standard, ok := camelCase[name]; ok {
			name = standard
		}
		if !known[name] {
			continue
		}
		values, ok := texts(name, value)
		if !ok {
			return nil, refuse(ReasonMalformedBody, nil).saying("every parameter in the JSON body must be a string, except that resource may be a list of strings")
		}
		params[name] = append(params[name], values...) // both spellings at once: a repeated parameter
	}
	return params, nil
}

// texts returns the values of a parameter in JSON: a string, or a list of strings for a
// parameter that may be repeated (RFC 8707 section 2).
func texts(name string, value any) ([]string, bool) {
	if text, ok := value.(string); ok {
		return []string{text}, true
	}
	list, ok := value.([]any)
	if !ok || !repeatable(name) {
		return nil, false
	}
	values := make([]string, len(list))
	for i, element := range list {
		if values[i], ok = element.(string); !ok {
			return nil, false
		}
	}
	return values, true
}

// repeatable reports whether a request may have a parameter more than once (RFC 6749
// section 3.2, RFC 8707 section 2).
func repeatable(name string) bool { return name == "resource" }

// check refuses repeated parameters and values that are not text, and drops empty
// ones.
func (p parameters) check() error {
	for name, values := range p {
		if len(values) > 1 && !repeatable(name) {
			return refuse(ReasonRepeatedParameter, nil)
		}
		for _, value := range values {
			if !isText(value) {
				return refuse(ReasonMalformedBody, nil).saying("a parameter is not valid UTF-8 text")
			}
		}
		p[name] = slices.DeleteFunc(values, func(value string) bool { return value == "" })
		if len(p[name]) == 0 {
			delete(p, name)
		}
	}
	return nil
}

func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
