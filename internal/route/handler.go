package route

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// verify is the name of the handler that requires a token.
const verify = "verify"

// authentication is the name of the handler of basic_auth and similar ones.
const authentication = "authentication"

// StatusPage is the name of the handler that serves the status page.
const StatusPage = "tokenidp_status"

// Handler is a handler in a list of routes.
type Handler struct {
	Name string // of its module, such as reverse_proxy
	// Source is the place of its configuration, as file:line, if its JSON has it.
	Source string
	// Config is the JSON of a verify, of tokenidp or of protected_resource, without the name
	// of the module.
	Config json.RawMessage

	live      caddyhttp.MiddlewareHandler // see Bind
	order     int                         // of all handlers of the server
	settings  settings
	responses []response // reverse_proxy, intercept
	forgives  bool       // reverse_proxy: it passes on a request without a successful response
	nested    []*entry   // of modules that are not known here
}

// settings decide where a request goes from a handler.
type settings struct {
	Source string `json:"source"`

	// verify
	Match          matcher `json:"match"`
	AllowPreflight bool    `json:"allow_preflight"`
	ReportOnly     bool    `json:"report_only"`

	// tokenidp_status
	InsecurePublic bool `json:"insecure_public"`

	// subroute
	Routes []*entry `json:"routes"`
	Errors *entries `json:"errors"`

	// invoke
	Invoked string `json:"name"`

	// reverse_proxy, intercept
	HandleResponse []response `json:"handle_response"`
	Upstreams      []struct {
		Dial string `json:"dial"`
	} `json:"upstreams"`
	Rewrite *struct {
		Method string `json:"method"`
	} `json:"rewrite"`
	Transport struct {
		TLS json.RawMessage `json:"tls"`
	} `json:"transport"`

	// file_server
	Root     string `json:"root"`
	PassThru bool   `json:"pass_thru"`

	// static_response
	StatusCode json.RawMessage `json:"status_code"`

	// rewrite
	Method          string            `json:"method"`
	URI             string            `json:"uri"`
	StripPathPrefix string            `json:"strip_path_prefix"`
	StripPathSuffix string            `json:"strip_path_suffix"`
	URISubstring    []json.RawMessage `json:"uri_substring"`
	PathRegexp      []json.RawMessage `json:"path_regexp"`
}

// response is what a handler does with a response that it sees.
type response struct {
	Match      json.RawMessage `json:"match"`
	StatusCode json.RawMessage `json:"status_code"` // the only thing to change
	Routes     []*entry        `json:"routes"`
}

// known are the modules whose settings are read. In other modules, only routes are read.
var known = []string{verify, StatusPage, "subroute", "invoke", "reverse_proxy", "intercept", "file_server", "static_response", "rewrite"}

// ours are the modules whose JSON is kept.
var ours = []string{verify, "tokenidp", "protected_resource"}

// UnmarshalJSON reads the handler by the name of its module.
func (h *Handler) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	if err := json.Unmarshal(members["handler"], &h.Name); err != nil {
		return fmt.Errorf("reading the name of a handler: %w", err)
	}
	delete(members, "handler")
	if slices.Contains(ours, h.Name) {
		h.Config, _ = json.Marshal(members) // it was JSON
	}
	if !slices.Contains(known, h.Name) {
		h.nested = routesIn(members)
		return nil
	}
	if err := json.Unmarshal(data, &h.settings); err != nil {
		return fmt.Errorf("reading %s: %w", h.Name, err)
	}
	h.Source = h.settings.Source
	switch h.Name {
	case "reverse_proxy", "intercept":
		h.responses = slices.DeleteFunc(slices.Clone(h.settings.HandleResponse), func(r response) bool { return len(r.StatusCode) > 0 })
	}
	return nil
}

// routesIn finds routes and handlers in the settings of an unknown module.
func routesIn(members map[string]json.RawMessage) (found []*entry) {
	if e := asEntry(members); e != nil {
		return []*entry{e}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		found = append(found, routesInValue(members[name])...)
	}
	return found
}

func routesInValue(value json.RawMessage) (found []*entry) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		for _, element := range list {
			found = append(found, routesInValue(element)...)
		}
		return found
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil {
		return nil
	}
	return routesIn(members)
}

// asEntry reads what looks like a route, or like a single handler.
func asEntry(members map[string]json.RawMessage) *entry {
	raw, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	e, h := new(entry), new(Handler)
	switch {
	case members["handle"] != nil && json.Unmarshal(raw, e) == nil:
		return e
	case members["handler"] != nil && json.Unmarshal(raw, h) == nil:
		return &entry{Handlers: []*Handler{h}}
	}
	return nil
}

// handlers returns all handlers of the routes, in their order.
func handlers(routes []*entry) iter.Seq[*Handler] {
	return func(yield func(*Handler) bool) { eachHandler(routes, yield) }
}

func eachHandler(routes []*entry, yield func(*Handler) bool) bool {
	for _, e := range routes {
		if e == nil {
			continue
		}
		for _, h := range e.Handlers {
			if h != nil && (!yield(h) || !h.eachNested(yield)) {
				return false
			}
		}
	}
	return true
}

func (h *Handler) eachNested(yield func(*Handler) bool) bool {
	if !eachHandler(h.settings.Routes, yield) {
		return false
	}
	if h.settings.Errors != nil && !eachHandler(h.settings.Errors.Routes, yield) {
		return false
	}
	for _, r := range h.settings.HandleResponse {
		if !eachHandler(r.Routes, yield) {
			return false
		}
	}
	return eachHandler(h.nested, yield)
}

// ReportOnly reports whether a verify lets everybody through.
func (h *Handler) ReportOnly() bool { return h.settings.ReportOnly }

// Serves reports whether the handler serves content of the operator. A handler that asks
// another server about each request serves nothing by itself.
func (h *Handler) Serves() bool { return h.serves() && !h.asksAnother() }

// PlainUpstreams returns the addresses to which a reverse_proxy sends requests without TLS.
func (h *Handler) PlainUpstreams() (all []string) {
	if len(h.settings.Transport.TLS) > 0 {
		return nil
	}
	for _, u := range h.settings.Upstreams {
		all = append(all, u.Dial)
	}
	return all
}

// Public reports whether a status page is open to everybody.
func (h *Handler) Public() bool { return h.settings.InsecurePublic }

// serves reports whether the handler serves content of the operator.
func (h *Handler) serves() bool {
	return h.Name == "reverse_proxy" || h.Name == "file_server" || h.Name == StatusPage
}

// ends reports whether every request that reaches the handler ends there.
func (h *Handler) ends() bool {
	switch h.Name {
	case "static_response": // early hints come before the response
		return strings.Trim(string(h.settings.StatusCode), `"`) != "103"
	case "file_server":
		return !h.settings.PassThru
	case "error", "metrics", "copy_response", StatusPage:
		return true
	}
	return false
}

// enforces reports whether every request needs a token to pass a verify.
func (h *Handler) enforces() bool {
	return len(h.settings.Match) == 0 && !h.settings.AllowPreflight && !h.settings.ReportOnly
}

// rewritesPath reports whether the handler may change the path.
func (h *Handler) rewritesPath() bool {
	s := &h.settings
	return h.Name == "rewrite" && (s.URI != "" || s.StripPathPrefix != "" || s.StripPathSuffix != "" || len(s.URISubstring) > 0 || len(s.PathRegexp) > 0)
}

// rewritesMethod reports whether the handler may change the method.
func (h *Handler) rewritesMethod() bool { return h.Name == "rewrite" && h.settings.Method != "" }

// leaving are modules that leave the path and the method of a request as they are.
var leaving = []string{verify, "subroute", "invoke", "vars", "map", "headers", "encode", "request_body", "tracing", "log_append"}

// leavesRequest reports whether the handler surely changes neither the path nor the method.
func (h *Handler) leavesRequest() bool { return slices.Contains(leaving, h.Name) }

// asksAnother reports whether a proxy sends every request to another server that decides
// about it, as forward_auth does. The walk finds the proxies that decide nothing.
func (h *Handler) asksAnother() bool {
	return !h.forgives && h.Name == "reverse_proxy" && h.settings.Rewrite != nil && h.settings.Rewrite.Method == http.MethodGet &&
		slices.ContainsFunc(h.responses, response.onlySuccess)
}

// onlySuccess reports whether the routes are for successful responses alone, as those of
// forward_auth are.
func (r response) onlySuccess() bool {
	var match struct {
		StatusCode []int `json:"status_code"`
	}
	return json.Unmarshal(r.Match, &match) == nil && len(match.StatusCode) > 0 &&
		!slices.ContainsFunc(match.StatusCode, func(code int) bool { return code != 2 && code/100 != 2 })
}

// String describes what the handler does, such as: reverse_proxy localhost:5002.
func (h *Handler) String() string {
	words := []string{h.Name}
	switch {
	case h.asksAnother():
		words[0] = "forward_auth"
	case h.Name == "static_response":
		words[0] = "respond"
	}
	for _, u := range h.settings.Upstreams {
		words = append(words, u.Dial)
	}
	switch h.Name {
	case "file_server":
		words = append(words, h.settings.Root)
	case "invoke":
		words = append(words, h.settings.Invoked)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}
