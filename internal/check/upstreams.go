package check

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenidp/caddy-tokenidp/internal/route"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

var upstreamRules = []*Rule{
	{
		ID: "claim-headers-over-http", Severity: Warning,
		Title:      "Claim headers cross a network without TLS",
		Reason:     "Whoever is on the way to the upstream can change who the request comes from, and what it may do.",
		Correction: "Reach the upstream over TLS: `reverse_proxy https://…`.",
		find:       claimHeadersOverHTTP,
	},
	{
		ID: "token-over-http", Severity: Warning,
		Title:      "Tokens cross a network without TLS",
		Reason:     "Whoever is on the way to the upstream can read the token and use it (RFC 6750 section 5.2).",
		Correction: "Reach the upstream over TLS: `reverse_proxy https://…`, or remove `forward_authorization`.",
		find:       tokenOverHTTP,
	},
	{
		ID: "verify-over-http", Severity: Warning,
		Title:      "Tokens are accepted over plain HTTP",
		Reason:     "Whoever is on the way can read the tokens of clients and use them (RFC 6750 section 5.3).",
		Correction: "Serve the site over TLS, or bind it to the loopback interface where a proxy on this machine has TLS.",
		find:       verifyOverHTTP,
	},
}

func claimHeadersOverHTTP(c *configuration, report reporter) {
	c.eachPlainUpstream(report, func(v *tokenidp.Verify) string {
		var headers []string
		for _, h := range v.ClaimHeaders {
			headers = append(headers, h.Header)
		}
		return strings.Join(headers, ", ")
	})
}

func tokenOverHTTP(c *configuration, report reporter) {
	c.eachPlainUpstream(report, func(v *tokenidp.Verify) string {
		if !v.ForwardAuthorization && !v.ReportOnly {
			return ""
		}
		return "the token"
	})
}

// eachPlainUpstream reports what a verify sends to upstreams on other machines, if a
// request can go from the verify to the upstream.
func (c *configuration) eachPlainUpstream(report reporter, sends func(*tokenidp.Verify) string) {
	if !slices.ContainsFunc(c.guards(), func(g guard) bool { return sends(g.verify) != "" }) {
		return
	}
	for _, e := range c.probe.Examples() {
		plain := slices.DeleteFunc(e.Route.Handler.PlainUpstreams(), onThisMachine)
		if len(plain) == 0 || len(e.Requests) == 0 {
			continue
		}
		taken, err := c.probe.Way(e.Requests[0])
		if err != nil {
			continue
		}
		if end := slices.Index(taken, e.Route); end >= 0 {
			c.reportSent(taken[:end], plain, report, sends)
		}
	}
}

func (c *configuration) reportSent(taken []*route.Route, plain []string, report reporter, sends func(*tokenidp.Verify) string) {
	for _, r := range taken {
		if v, ok := r.Handler.Module().(*tokenidp.Verify); ok && sends(v) != "" {
			report(guard{r, v}.finding(fmt.Sprintf("%s goes to %s without TLS", sends(v), strings.Join(plain, ", "))))
		}
	}
}

// onThisMachine reports whether the upstream is local, without a network.
func onThisMachine(dial string) bool {
	if strings.Contains(dial, "{") {
		return true // the address is not known
	}
	address, err := caddy.ParseNetworkAddress(dial)
	if err != nil {
		host, _, err := net.SplitHostPort(dial)
		return err == nil && isLoopback(host)
	}
	return address.IsUnixNetwork() || address.IsFdNetwork() || isLoopback(address.Host)
}

// verifyOverHTTP reports nothing if an issuer says that a proxy has TLS: another finding is
// about that.
func verifyOverHTTP(c *configuration, report reporter) {
	if slices.ContainsFunc(c.issuers(), func(iss *tokenidp.Issuer) bool { return iss.InsecureHTTP }) {
		return
	}
	for _, g := range c.guards() {
		listen := c.caddy.Apps.HTTP.Servers[g.Server].Listen
		if c.probe.ServesPlainHTTP(g.Server) && slices.ContainsFunc(listen, func(address string) bool { return !onThisMachine(address) }) {
			report(g.finding(fmt.Sprintf("the server %s has plain HTTP, and listens on %s", g.Server, strings.Join(listen, ", "))))
		}
	}
}
