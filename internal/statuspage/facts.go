package statuspage

import (
	"net/url"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/adminapi"
)

// Facts are what a server knows about itself.
type Facts struct {
	Now     time.Time
	Version string // of this module, or ""
	Status  adminapi.Status
	Keys    []adminapi.IssuerKeys
	Secrets []adminapi.IssuerSecrets
	// Applications are those of all issuers, sorted by client_id.
	Applications []Application
	// Routes are the routes to every verify, without Clients.
	Routes []RouteAccess
	Map    Map
	// Reaches returns what the map says of one client, on all routes.
	Reaches func(clientID string) []RouteAccess
	// Callers returns what the map says of the routes with this ID, for all clients.
	Callers func(route string) []RouteAccess
	// Usage is what all nodes counted, or nil.
	Usage *adminapi.Usage
	// UsageOff: this server counts nothing, as its configuration says.
	UsageOff bool

	uses map[pairOf]Use // of Usage
}

// Application is an Application of an issuer.
type Application struct {
	Issuer, ClientID, ClientName string
	Active                       bool
}

// Query is the reader's choice. The zero value chooses nothing.
type Query struct {
	ClientID string // ?client=<key>
	Route    string // ?route=<key>
	Search   string // ?q=<text>
}

// longestSearch limits a text to search for, in bytes.
const longestSearch = 255

// ReadQuery reads the query of a URL. A client and a route are the keys of their names.
func ReadQuery(values url.Values) Query {
	q := Query{ClientID: key(values.Get("client")), Route: key(values.Get("route")), Search: printable(values.Get("q"))}
	if len(q.Search) > longestSearch {
		q.Search = printable(q.Search[:longestSearch])
	}
	if q.ClientID != "" {
		q.Route = ""
	}
	return q
}

// resolve returns the query with the names of the client and the route, if they exist.
func (f *Facts) resolve(q Query) Query {
	for _, a := range f.Applications {
		if q.ClientID != "" && key(a.ClientID) == q.ClientID {
			q.ClientID = a.ClientID
			break
		}
	}
	for _, id := range f.routeIDs() {
		if q.Route != "" && key(id) == q.Route {
			q.Route = id
			break
		}
	}
	return q
}
