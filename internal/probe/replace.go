package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
)

// The kinds of stand-ins. The names of Caddy's handlers are those of their modules.
const (
	ends       = "ends"       // it answers with 200
	passes     = "passes"     // it may answer or pass the request on; this is not known here
	proxies    = "proxies"    // it answers with 200, unless one of its response routes does
	runs       = "runs"       // it runs the handler itself, which needs nothing but the request
	challenges = "challenges" // it requires credentials other than a token
	ignores    = "ignores"    // it neither answers nor decides
)

var (
	// routing only decides where a request goes, or changes it. It runs as it is.
	routing = []string{"verify", "subroute", "invoke", "rewrite", "vars", "map", "headers", "intercept"}
	// silent neither answers nor decides, and may need more than the request.
	silent = []string{"encode", "templates", "tracing", "log_append", "push", "request_body", "copy_response_headers", "timeouts"}
	// standIns are the other handlers that are known.
	standIns = map[string]string{
		"reverse_proxy": proxies, "file_server": ends, "metrics": ends, "copy_response": ends, "tokenidp_status": ends,
		"static_response": runs, "error": runs, "tokenidp": runs, "protected_resource": runs,
	}
)

// site describes what the probe leaves out of a server.
type site struct {
	tls       bool // it serves TLS on every port but plainPort
	plainPort uint
	https     uint // the port of URLs without one
}

// httpApp is the part of the http app that decides about requests.
type httpApp struct {
	HTTPPort  uint                      `json:"http_port,omitempty"`
	HTTPSPort uint                      `json:"https_port,omitempty"`
	Servers   map[string]map[string]any `json:"servers,omitempty"`
}

// replaceHandlers replaces handlers that serve by handlers that record. It leaves out what
// exists on the server alone: certificates, logs, listeners.
func replaceHandlers(raw json.RawMessage) (json.RawMessage, map[string]site, error) {
	var app httpApp
	if len(raw) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&app); err != nil {
			return nil, nil, fmt.Errorf("decoding the http app: %w", err)
		}
	}
	sites := make(map[string]site)
	for name, server := range app.Servers {
		if server == nil {
			continue
		}
		sites[name] = newSite(&app, server)
		replaceInServer(server)
	}
	replaced, err := json.Marshal(app)
	return replaced, sites, err
}

func replaceInServer(server map[string]any) {
	for _, name := range []string{"tls_connection_policies", "logs", "listener_wrappers", "packet_conn_wrappers", "metrics", "read_timeout", "write_timeout"} {
		delete(server, name)
	}
	if source, _ := server["trusted_proxies"].(map[string]any); source["source"] != "static" {
		delete(server, "trusted_proxies") // others ask the network
	}
	server["automatic_https"] = map[string]any{"disable": true}
	server["read_idle_timeout"], server["write_idle_timeout"] = -1, -1
	replaceInList(server["routes"])
	replaceInObject(server["errors"])
	if named, ok := server["named_routes"].(map[string]any); ok {
		for _, one := range named {
			replaceInRoute(one)
		}
	}
}

// replaceInObject handles an object that has a list of routes.
func replaceInObject(object any) {
	if o, ok := object.(map[string]any); ok {
		replaceInList(o["routes"])
	}
}

func replaceInList(routes any) {
	list, _ := routes.([]any)
	for _, one := range list {
		replaceInRoute(one)
	}
}

func replaceInRoute(one any) {
	r, _ := one.(map[string]any)
	handlers, _ := r["handle"].([]any)
	for i, h := range handlers {
		handlers[i] = replaceHandler(h)
	}
}

// replaceHandler leaves an invalid handler to Caddy, which refuses it.
func replaceHandler(one any) any {
	h, _ := one.(map[string]any)
	name, _ := h["handler"].(string)
	responses, _ := h["handle_response"].([]any)
	for _, r := range responses {
		replaceInObject(r)
	}
	switch {
	case name == "" || slices.Contains(routing, name):
		replaceInObject(h)
		replaceInObject(h["errors"])
		return one
	case slices.Contains(silent, name):
		return map[string]any{"handler": moduleName, "does": ignores}
	}
	standIn := map[string]any{"handler": moduleName, "does": doesOf(h, name), "text": textOf(h, name)}
	switch standIn["does"] {
	case runs:
		standIn["real"] = h
	case proxies:
		standIn["handle_response"] = responses
	}
	return standIn
}

func doesOf(h map[string]any, name string) string {
	providers, _ := h["providers"].(map[string]any)
	switch does, known := standIns[name]; {
	case name == "authentication" && len(providers) == 1 && providers["http_basic"] != nil:
		return challenges
	case !known || name == "file_server" && h["pass_thru"] == true:
		return passes
	default:
		return does
	}
}

// textOf returns a text for people, such as: reverse_proxy localhost:9000.
func textOf(h map[string]any, name string) string {
	switch name {
	case "static_response", "error":
		if name == "static_response" {
			name = "respond"
		}
		if h["status_code"] != nil {
			return fmt.Sprint(name, " ", h["status_code"])
		}
		return name
	case "authentication":
		return "basic_auth"
	}
	var known route.Handler
	raw, err := json.Marshal(h)
	if err != nil || json.Unmarshal(raw, &known) != nil {
		return name
	}
	return known.String()
}
