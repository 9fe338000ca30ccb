package probe

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
)

// server is one server of the configuration.
type server struct {
	*caddyhttp.Server
	name string
	site site
}

// newSite finds out what the probe leaves out: whether the server has TLS, by its
// configuration or by automatic HTTPS.
func newSite(app *httpApp, server map[string]any) site {
	s := site{plainPort: caddyhttp.DefaultHTTPPort, https: caddyhttp.DefaultHTTPSPort}
	if app.HTTPPort != 0 {
		s.plainPort = app.HTTPPort
	}
	if app.HTTPSPort != 0 {
		s.https = app.HTTPSPort
	}
	policies, _ := server["tls_connection_policies"].([]any)
	automatic, _ := server["automatic_https"].(map[string]any)
	onlyHTTPS := true
	listen, _ := server["listen"].([]any)
	for _, one := range listen {
		address, err := caddy.ParseNetworkAddress(fmt.Sprint(one))
		onlyHTTPS = onlyHTTPS && err == nil && address.StartPort == s.https && address.EndPort == s.https
	}
	s.tls = len(policies) > 0 || automatic["disable"] != true && (onlyHTTPS || namesHost(server, automatic))
	return s
}

// namesHost reports whether automatic HTTPS finds a host to serve.
func namesHost(server, automatic map[string]any) bool {
	skip, _ := automatic["skip"].([]any)
	routes, _ := server["routes"].([]any)
	for _, one := range routes {
		r, _ := one.(map[string]any)
		sets, _ := r["match"].([]any)
		for _, set := range sets {
			matchers, _ := set.(map[string]any)
			hosts, _ := matchers["host"].([]any)
			if slices.ContainsFunc(hosts, func(host any) bool { return !slices.Contains(skip, host) }) {
				return true
			}
		}
	}
	return false
}

// listensOn reports whether the server listens on the port.
func (s *server) listensOn(port uint) bool {
	return slices.ContainsFunc(s.Listen, func(listen string) bool {
		a, err := caddy.ParseNetworkAddress(listen)
		return err == nil && !a.IsUnixNetwork() && !a.IsFdNetwork() && a.StartPort <= port && port <= a.EndPort
	})
}

// scheme returns the scheme of requests on the port.
func (s *server) scheme(port uint) string {
	if s.site.tls && port != s.site.plainPort {
		return "https"
	}
	return "http"
}

// knows reports whether a site of the server has the host of the request.
func (s *server) knows(r *http.Request) bool {
	return len(s.Routes) == 0 || slices.ContainsFunc(s.Routes, func(route caddyhttp.Route) bool {
		return len(route.MatcherSets) == 0 || slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
			for _, m := range set {
				if hosts, ok := m.(*caddyhttp.MatchHost); ok {
					matches, err := hosts.MatchWithError(r)
					return matches || err != nil
				}
			}
			return true
		})
	})
}

// hosts returns the hosts that the sites of the server name.
func (s *server) hosts() (all []string) {
	for _, route := range s.Routes {
		for _, set := range route.MatcherSets {
			for _, m := range set {
				if hosts, ok := m.(*caddyhttp.MatchHost); ok {
					all = append(all, *hosts...)
				}
			}
		}
	}
	return all
}

// ServesPlainHTTP reports whether the server has a port without TLS.
func (p *Probe) ServesPlainHTTP(name string) bool {
	return slices.ContainsFunc(p.servers, func(s *server) bool {
		return s.name == name && slices.ContainsFunc(s.ports(), func(port uint) bool { return s.scheme(port) == "http" })
	})
}

// find returns the server that receives the request. It returns an error if there is none,
// because a host that is not served is a mistake in the question.
func (p *Probe) find(r *http.Request, scheme string) (*server, error) {
	var found *server
	var hosts, ports []string
	listening := false
	for _, s := range p.servers {
		ports = append(ports, s.Listen...)
		port := s.portOf(r.Host, scheme)
		if !s.listensOn(port) {
			continue
		}
		listening = true
		if !s.knows(r) {
			hosts = append(hosts, s.hosts()...)
			continue
		}
		switch {
		case s.scheme(port) != scheme:
			return nil, fmt.Errorf("port %d speaks %s; write: %[2]s://%s", port, s.scheme(port), r.Host)
		case found != nil:
			return nil, fmt.Errorf("the host %s is served by two servers, %s and %s, at other addresses", r.Host, found.name, s.name)
		}
		found = s
	}
	switch {
	case found != nil:
		return found, nil
	case listening:
		host := hostname(r.Host)
		return nil, fmt.Errorf("no site has the host %s%s", host, nearest.DidYouMean(host, slices.Values(hosts)))
	}
	slices.Sort(ports)
	return nil, fmt.Errorf("no server listens where %s://%s leads; they listen on: %s", scheme, r.Host, strings.Join(slices.Compact(ports), ", "))
}

func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return host
}

// portOf returns the port of a URL. Without a port in the URL, it is the port that the
// server has for the scheme.
func (s *server) portOf(hostport, scheme string) uint {
	if _, text, err := net.SplitHostPort(hostport); err == nil {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return 0
		}
		return uint(port)
	}
	if scheme == "https" {
		return s.site.https
	}
	return s.site.plainPort
}
