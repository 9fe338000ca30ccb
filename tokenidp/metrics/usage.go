package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/usage"
)

// Usage is what this process has counted, by route and by client. Both are known from the
// configuration.
type Usage struct {
	// Counted is nil if no usage is counted. Then there are no series.
	Counted *usage.Store
	// Routes are the IDs of the routes to each verify.
	Routes []string
}

// mostClients is how many Applications an issuer may have, so that each has series of its
// own.
const mostClients = 1000

var (
	routeRequests = prometheus.NewDesc("caddy_tokenidp_route_requests_total",
		"Requests at a route with verify: result is allowed, refused, or reported (let through, with report_only).", []string{"route", "result"}, nil)
	clientRequests = prometheus.NewDesc("caddy_tokenidp_client_requests_total",
		"Requests with a verified token of an Application, by result, as for routes. Absent for an issuer with more than 1000 Applications.", []string{"issuer", "client_id", "result"}, nil)
	clientTokens = prometheus.NewDesc("caddy_tokenidp_client_tokens_issued_total",
		"Tokens issued to an Application. Absent for an issuer with more than 1000 Applications.", []string{"issuer", "client_id"}, nil)
)

// results are the kinds of counts that have the label result.
var results = map[usage.Kind]string{usage.Passed: "allowed", usage.Refused: "refused", usage.Reported: "reported"}

// client is an Application of an issuer.
type client struct{ issuer, clientID string }

func (u Usage) collect(issuers []Issuer, samples chan<- prometheus.Metric) {
	if u.Counted == nil {
		return // counters that stay at 0 would say that nobody calls
	}
	type routeResult struct{ route, result string }
	type clientResult struct {
		client
		result string
	}
	routes, clients, tokens := make(map[routeResult]int64), make(map[clientResult]int64), make(map[client]int64)
	for _, route := range u.Routes { // every series is there from the start
		for _, result := range results {
			routes[routeResult{route, result}] = 0
		}
	}
	for _, iss := range issuers {
		for _, a := range few(iss.Applications) {
			c := client{iss.URL, a.ClientID}
			tokens[c] = 0
			for _, result := range results {
				clients[clientResult{c, result}] = 0
			}
		}
	}
	for k, count := range u.Counted.Counted() {
		c := client{k.Issuer, k.Client}
		_, known := tokens[c]
		result, isRequest := results[k.Kind]
		switch {
		case isRequest:
			if r := (routeResult{k.Name, result}); has(routes, r) {
				routes[r] += count
			}
			if known {
				clients[clientResult{c, result}] += count
			}
		case k.Kind == usage.Issued && known:
			tokens[c] += count
		}
	}
	counter := func(d *prometheus.Desc, count int64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(count), labels...)
	}
	for r, count := range routes {
		counter(routeRequests, count, r.route, r.result)
	}
	for c, count := range clients {
		counter(clientRequests, count, c.issuer, c.clientID, c.result)
	}
	for c, count := range tokens {
		counter(clientTokens, count, c.issuer, c.clientID)
	}
}

func has[K comparable](counts map[K]int64, k K) bool {
	_, ok := counts[k]
	return ok
}

// few returns the Applications, unless they are too many for series of their own.
func few(set *application.Set) []*application.Application {
	if set == nil {
		return nil
	}
	if active, inactive := set.CountActive(); active+inactive > mostClients {
		return nil
	}
	return set.Applications()
}
