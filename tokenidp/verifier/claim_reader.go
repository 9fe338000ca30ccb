package verifier

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/claimrule"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// claimReader reads decoded claims according to a layout. It keeps the first error.
type claimReader struct {
	all    map[string]any
	layout *Layout
	err    error
}

func (r *claimReader) fail(reason Reason, cause error) {
	if r.err == nil {
		r.err = Refuse(reason, cause)
	}
}

// claim returns a claim. If it is absent and the layout requires it, that is an error.
func (r *claimReader) claim(name string) (value any, found bool) {
	value, found = r.all[name]
	if !found && !r.layout.mayLack(name) {
		r.fail(MissingClaim, fmt.Errorf("%s is missing", name))
	}
	return value, found
}

// at returns the claim at a path. It is not found if an object on the path lacks the next
// name. It is an error if a value on the path is not an object.
func (r *claimReader) at(path claimrule.Path) (value any, found bool) {
	value, found, sound := path.In(r.all)
	if !sound {
		r.fail(MalformedClaims, fmt.Errorf("what is around %s is not an object", path))
	}
	return value, found
}

func (r *claimReader) text(name string) string {
	value, found := r.claim(name)
	if !found {
		return ""
	}
	return r.nonEmpty(name, value)
}

// unread returns a claim that no rule reads if the layout makes it optional. Then any
// value but a non-empty string counts as absent (RFC 7519 section 4).
func (r *claimReader) unread(name string) string {
	if !r.layout.mayLack(name) {
		return r.text(name)
	}
	s, _ := r.all[name].(string)
	return s
}

// nonEmpty reads a text. One of spaces alone would be empty in a header.
func (r *claimReader) nonEmpty(name string, value any) string {
	s, _ := value.(string)
	if strings.TrimSpace(s) == "" {
		r.fail(MalformedClaims, fmt.Errorf("%s is not a non-empty string", name))
	}
	return s
}

// clientID returns the first claim of the layout that is present. A mistyped one is an
// error.
func (r *claimReader) clientID() string {
	for _, path := range r.layout.ClientID {
		if value, found := r.at(path); found {
			return r.nonEmpty(path.String(), value)
		}
	}
	if !r.layout.mayLack("client_id") {
		r.fail(MissingClaim, fmt.Errorf("client_id is missing, looked for in %s", r.layout.ClientID))
	}
	return ""
}

// date reads a NumericDate (RFC 7519 section 2). It returns the zero time only for an
// absent claim.
func (r *claimReader) date(name string) time.Time {
	value, found := r.claim(name)
	if !found {
		return time.Time{}
	}
	date, ok := strictjson.NumericDate(value)
	if !ok {
		r.fail(MalformedClaims, fmt.Errorf("%s is not a number of seconds from 1970 to 9999", name))
	}
	return date
}

// audience reads a string or an array of strings (RFC 7519 section 4.1.3).
func (r *claimReader) audience() []string {
	value, found := r.claim("aud")
	if !found {
		return nil
	}
	if s, _ := value.(string); s != "" {
		return []string{s}
	}
	audience, ok := texts(value)
	if !ok || len(audience) == 0 || slices.Contains(audience, "") {
		r.fail(MalformedClaims, errors.New("aud is not a non-empty string or an array of those"))
	}
	return audience
}

// scope reads the scope, which is always optional.
func (r *claimReader) scope() []string {
	if len(r.layout.Scope) == 0 {
		value, found := r.all["scope"]
		if !found {
			return nil
		}
		s, ok := value.(string)
		if !ok {
			r.fail(MalformedClaims, errors.New("scope is not a string"))
		}
		return r.scopeString("scope", s)
	}
	var united []string
	for _, path := range r.layout.Scope {
		if value, found := r.at(path); found {
			united = append(united, r.scopeAt(path, value)...)
		}
	}
	slices.Sort(united)
	return slices.Compact(united)
}

// scopeText returns the scope as one text: the claim itself if it is that text.
func (r *claimReader) scopeText(scope []string) string {
	if s, ok := r.all["scope"].(string); ok && len(r.layout.Scope) == 0 && strings.Count(s, " ") == len(scope)-1 {
		return s
	}
	return strings.Join(scope, " ")
}

// scopeAt accepts the forms of scope of other issuers.
func (r *claimReader) scopeAt(path claimrule.Path, value any) []string {
	if s, ok := value.(string); ok {
		return r.scopeString(path.String(), s)
	}
	elements, ok := texts(value)
	if !ok {
		r.fail(MalformedClaims, fmt.Errorf("%s is neither a string nor an array of strings", path))
	}
	return r.scopeTokens(path.String(), elements)
}

// scopeString accepts any number of spaces between scope-tokens, as some issuers write
// them, but no other separator. A string without a scope-token is no scope.
func (r *claimReader) scopeString(name, s string) []string {
	scope := slices.DeleteFunc(strings.Split(s, " "), func(token string) bool { return token == "" })
	if len(scope) == 0 {
		return nil
	}
	return r.scopeTokens(name, scope)
}

// scopeTokens refuses values that are not scope-tokens (RFC 6749 section 3.3). One with a
// space would become two when the scope is written for an upstream. If it were left out,
// an upstream that reads the claim itself would see another scope.
func (r *claimReader) scopeTokens(name string, scope []string) []string {
	if slices.ContainsFunc(scope, notScopeToken) {
		r.fail(MalformedClaims, fmt.Errorf("%s is not a list of scope-tokens", name))
		return nil
	}
	return scope
}

func notScopeToken(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || c == '"' || c == '\\'
	})
}

// texts returns the elements of an array. An element that is not a string becomes the
// empty string, which is neither an audience nor a scope-token.
func texts(value any) (elements []string, ok bool) {
	array, ok := value.([]any)
	elements = make([]string, len(array))
	for i := range array {
		elements[i], _ = array[i].(string)
	}
	return elements, ok
}
