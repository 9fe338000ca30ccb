// Package e2e tests the built Caddy from outside: it starts the real server as
// a process of its own and speaks HTTP to it, as a service and as an attacker
// would. It is the only package that starts Caddy, but for its benchmarks in bench.
package e2e
