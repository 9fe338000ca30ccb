package verifier

import (
	"errors"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"golang.org/x/text/unicode/norm"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// activation has the variables of an expression. It computes each only when the expression
// reads it.
type activation struct {
	claims  *Claims
	request *http.Request
}

// Parent returns nil: there are no other variables.
func (*activation) Parent() cel.Activation { return nil }

// ResolveName returns the value of a variable, or an error as its value.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "claims":
		return claimAdapter{}.NativeToValue(a.claims.All()), true
	case "scopes":
		return a.claims.Scope, true
	case "client_id":
		return a.claims.ClientID, true
	case "issuer":
		return a.claims.Issuer, true
	case "audience":
		return a.claims.Audience, true
	}
	return a.ofRequest(name)
}

func (a *activation) ofRequest(name string) (any, bool) {
	switch {
	case !strings.HasPrefix(name, "request."):
		return nil, false
	case a.request == nil:
		return types.NewErr("there is no request"), true
	}
	switch name {
	case "request.method":
		return a.request.Method, true
	case "request.host":
		return hostname(a.request.Host), true
	case pathVariable:
		path, err := plainPath(a.request.URL)
		if err != nil {
			return types.WrapErr(err), true
		}
		return path, true
	}
	return nil, false
}

// hostname returns the host in lower case: host names have no case (RFC 9110 section
// 4.2.3).
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

var errPath = errors.New("request.path is not plain: it has dot segments, empty ones, or characters that upstreams read differently")

// plainPath returns the path, or an error if servers may read it differently (RFC 3986
// section 6.2.2). Otherwise /tenants/a/../b would pass a rule startsWith("/tenants/a/"),
// and the upstream would serve /tenants/b.
func plainPath(u *url.URL) (string, error) {
	segments, rooted := strings.CutPrefix(u.Path, "/")
	if !rooted || !utf8.ValidString(segments) || strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return "", errPath
	}
	// Some servers normalize characters that look like others.
	alike := norm.NFKC.String(segments)
	if strings.ContainsFunc(segments, readDifferently) || strings.ContainsFunc(alike, readDifferently) ||
		strings.Count(alike, "/") != strings.Count(segments, "/") {
		return "", errPath
	}
	all := strings.Split(alike, "/")
	if slices.ContainsFunc(all, isDotSegment) || slices.Contains(all[:len(all)-1], "") {
		return "", errPath
	}
	return u.Path, nil
}

// isDotSegment reports whether a segment has only dots and spaces. Some servers remove
// spaces and dots at the end of a name.
func isDotSegment(segment string) bool {
	return segment != "" && strings.TrimFunc(segment, func(c rune) bool { return c == '.' || unicode.IsSpace(c) }) == ""
}

// readDifferently are characters that are separators for some servers or look like one,
// that some decode twice, and that are invisible.
func readDifferently(c rune) bool {
	return strings.ContainsRune("\\%;\u2044\u2215\u29f5\u29f8\ufe68", c) || unicode.IsControl(c) || unicode.Is(unicode.Cf, c)
}

// claimAdapter converts decoded JSON to CEL values, each when it is reached.
type claimAdapter struct{}

func (a claimAdapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case strictjson.Number:
		return numeric(string(v))
	case []any:
		return types.NewDynamicList(a, v)
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// maxWhole is the limit below which a double holds every integer exactly.
const maxWhole = 1 << 53

// numeric returns an int for a whole number, in any spelling, and otherwise a double. An
// integer that neither can hold is an error: as doubles, two different ids could be equal.
func numeric(s string) ref.Val {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return types.Int(i)
	}
	f, err := strconv.ParseFloat(s, 64)
	switch whole := f == math.Trunc(f); {
	case err != nil || !strings.ContainsAny(s, ".eE"):
		return types.NewErr("the number %.40s is out of range", s)
	case whole && math.Abs(f) < maxWhole:
		return types.Int(int64(f))
	}
	return types.Double(f)
}
