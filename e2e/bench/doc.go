// Package bench measures the built Caddy from outside: what verify adds to a
// request, and how many tokens a second an issuer gives, each beside the limit of
// the same run. It has no tests, and needs Linux; run it with
//
//	go test -bench . -benchtime 1x ./e2e/bench
package bench
