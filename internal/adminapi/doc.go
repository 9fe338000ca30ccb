// Package adminapi has what Caddy's admin endpoint sends and takes below
// /tokenidp/: the types of its JSON, and a client that asks a running Caddy.
package adminapi
