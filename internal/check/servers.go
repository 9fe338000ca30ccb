package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// serverConfig is the part of a server of the http app that rules read.
type serverConfig struct {
	Listen         []string        `json:"listen"`
	Logs           *accessLogs     `json:"logs"`
	TrustedProxies json.RawMessage `json:"trusted_proxies"`
	StrictSNIHost  *bool           `json:"strict_sni_host"`
}

// accessLogs are the access logs of a server.
type accessLogs struct {
	DefaultLoggerName string                     `json:"default_logger_name"`
	LoggerNames       map[string]json.RawMessage `json:"logger_names"`
}

// logConfig is one log.
type logConfig struct {
	Encoder json.RawMessage `json:"encoder"`
	Include []string        `json:"include"`
	Exclude []string        `json:"exclude"`
}

var serverRules = []*Rule{
	{
		ID: "admin-open", Severity: Error,
		Title:      "The admin endpoint is open to other machines",
		Reason:     "Whoever reaches it can replace the configuration, revoke tokens and read the names of all clients. It asks for no password.",
		Correction: "Have it listen on the loopback interface or on a Unix socket: `admin localhost:2019`.",
		find:       adminOpen,
	},
	{
		ID: "every-proxy-trusted", Severity: Error,
		Title:      "Every address counts as a trusted proxy",
		Reason:     "Any client can then say which address it has, in `X-Forwarded-For`. The limits on guesses go by that address.",
		Correction: "Name the addresses of your proxies in `trusted_proxies`, such as `static 10.0.0.0/8`.",
		find:       everyProxyTrusted,
	},
	{
		ID: "sni-not-strict", Severity: Warning,
		Title:      "A client may name one site in TLS and another in the request",
		Reason:     "A site whose client certificates are checked can then be reached by the certificate rules of another (RFC 8705 section 6.2).",
		Correction: "Remove `strict_sni_host insecure_off`.",
		find:       sniNotStrict,
	},
	{
		ID: "queries-logged", Severity: Note,
		Title:      "The access log has the queries of URLs",
		Reason:     "Clients that send a token or a secret in the URL are refused, and it is in the log all the same (RFC 9700 section 4.3.2).",
		Correction: "Write `format filter { request>uri query { delete access_token delete client_secret } }` into `log`.",
		find:       queriesLogged,
	},
}

func (c *configuration) servers() []string {
	return slices.Sorted(maps.Keys(c.caddy.Apps.HTTP.Servers))
}

func adminOpen(c *configuration, report reporter) {
	admin := c.caddy.Admin
	if admin.Disabled || admin.Listen == "" {
		return
	}
	address, err := caddy.ParseNetworkAddress(strings.TrimPrefix(caddy.NewReplacer().ReplaceKnown(admin.Listen, ""), "origin-"))
	if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() || isLoopback(address.Host) {
		return
	}
	report(Finding{Subject: admin.Listen, Message: fmt.Sprintf("admin listens on %s", admin.Listen)})
}

func isLoopback(host string) bool { return weburl.IsLoopback(host) }

func everyProxyTrusted(c *configuration, report reporter) {
	for _, name := range c.servers() {
		for _, all := range everybody(c.caddy.Apps.HTTP.Servers[name].TrustedProxies) {
			report(Finding{Subject: name, Message: fmt.Sprintf("trusted_proxies of the server %s has %s", name, all)})
		}
	}
}

// everybody returns the ranges that contain every address, or half of the addresses.
func everybody(source json.RawMessage) (found []string) {
	var static struct {
		Ranges []string `json:"ranges"`
	}
	if json.Unmarshal(source, &static) != nil { //nolint:forbidigo // the operator's own configuration
		return nil
	}
	for _, text := range static.Ranges {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Bits() <= 1 {
			found = append(found, text)
		}
	}
	return found
}

func sniNotStrict(c *configuration, report reporter) {
	for _, name := range c.servers() {
		if strict := c.caddy.Apps.HTTP.Servers[name].StrictSNIHost; strict != nil && !*strict {
			report(Finding{Subject: name, Message: fmt.Sprintf("strict_sni_host of the server %s is off", name)})
		}
	}
}

// queriesLogged checks servers with handlers of this project.
func queriesLogged(c *configuration, report reporter) {
	guarded := make(map[string]bool)
	for _, handler := range []string{"verify", "tokenidp"} {
		for _, r := range c.routes.To(handler) {
			guarded[r.Server] = true
		}
	}
	for _, name := range c.servers() {
		if logs := c.caddy.Apps.HTTP.Servers[name].Logs; logs != nil && guarded[name] {
			for _, log := range c.logsOf(logs) {
				if !c.caddy.Logging.Logs[log].filtersQueries() {
					report(Finding{Subject: name, Message: fmt.Sprintf("the access log of the server %s has whole URLs", name)})
					break
				}
			}
		}
	}
}

// logsOf returns the logs that receive the requests of a server.
func (c *configuration) logsOf(server *accessLogs) (names []string) {
	var all []string
	if server.DefaultLoggerName != "" || len(server.LoggerNames) == 0 {
		all = append(all, server.DefaultLoggerName)
	}
	for _, name := range slices.Sorted(maps.Keys(server.LoggerNames)) {
		var several []string
		if json.Unmarshal(server.LoggerNames[name], &several) != nil { //nolint:forbidigo // the operator's own configuration
			continue
		}
		all = append(all, several...)
	}
	for _, logger := range all {
		if c.caddy.Logging.Logs[logger] != nil {
			names = append(names, logger)
		} else {
			names = append(names, "default")
		}
	}
	return names
}

// filtersQueries reports whether the encoder changes the URL of requests.
func (l *logConfig) filtersQueries() bool {
	var encoder struct {
		Format string                     `json:"format"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if l == nil || json.Unmarshal(l.Encoder, &encoder) != nil { //nolint:forbidigo // the operator's own configuration
		return false
	}
	return encoder.Fields["request>uri"] != nil
}
