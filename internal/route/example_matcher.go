package route

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// base returns what the matchers other than host, path and method require. It is not ok if
// one of them is known to match no request.
func (b branch) base() (e Example, ok bool) {
	e.Header = make(http.Header)
	query := make(url.Values)
	for _, s := range b.sets {
		if s == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(s.raw)) {
			if !e.satisfy(name, s.raw[name], query) {
				return e, false
			}
		}
	}
	if len(query) > 0 {
		e.Target = "?" + query.Encode()
	}
	return e, true
}

// satisfy adds what one matcher requires. A matcher that is not known here may match
// anyway.
func (e *Example) satisfy(name string, raw json.RawMessage, query url.Values) bool {
	switch name {
	case "header":
		e.satisfyHeader(raw)
	case "header_regexp":
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) == nil {
			for field, pattern := range fields {
				e.Header.Set(field, exampleOfRegexp(pattern))
			}
		}
	case "query":
		var fields map[string][]string
		if json.Unmarshal(raw, &fields) == nil {
			for field, values := range fields {
				query.Set(replaced(field), exampleValue(values))
			}
		}
	case "protocol":
		return e.satisfyProtocol(raw)
	case "remote_ip", "client_ip":
		return e.satisfyAddress(raw)
	}
	return true
}

func (e *Example) satisfyHeader(raw json.RawMessage) {
	var fields map[string][]string
	if json.Unmarshal(raw, &fields) != nil {
		return
	}
	for field, values := range fields {
		if values != nil { // null requires that there is none
			e.Header.Set(field, exampleValue(values))
		}
	}
}

// exampleValue returns one of the values. A value may begin and end with a wildcard.
func exampleValue(values []string) string {
	if len(values) == 0 || values[0] == "*" {
		return "any"
	}
	return strings.Trim(replaced(values[0]), "*")
}

// satisfyProtocol knows the schemes. Every example uses HTTP/1.1.
func (e *Example) satisfyProtocol(raw json.RawMessage) bool {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return true
	}
	switch name {
	case "http", "https":
		if e.Scheme != "" && e.Scheme != name {
			return false
		}
		e.Scheme = name
	case "grpc":
		e.Header.Set("Content-Type", "application/grpc")
	}
	return true
}

// satisfyAddress takes an address of the first range.
func (e *Example) satisfyAddress(raw json.RawMessage) bool {
	var m struct {
		Ranges []string `json:"ranges"`
	}
	if json.Unmarshal(raw, &m) != nil || len(m.Ranges) == 0 {
		return true
	}
	text, _, _ := strings.Cut(replaced(m.Ranges[0]), "/")
	address, err := netip.ParseAddr(text)
	if err != nil {
		return true
	}
	if next := address.Next(); strings.Contains(m.Ranges[0], "/") && next.IsValid() {
		e.From = next.String()
		if prefix, err := netip.ParsePrefix(m.Ranges[0]); err == nil && !prefix.Contains(next) {
			e.From = address.String()
		}
		return true
	}
	e.From = address.String()
	return true
}
