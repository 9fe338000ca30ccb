package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

var applicationRules = []*Rule{
	{
		ID: "secret-in-body", Severity: Note,
		Title:      "The secret is sent in the body",
		Reason:     "RFC 6749 section 2.3.1 does not recommend it: bodies are logged more often than the header Authorization.",
		Correction: "Write `token_endpoint_auth_method: client_secret_basic`, and have the client use HTTP Basic.",
		find:       eachActive(secretInBody),
	},
	{
		ID: "tokens-not-bound", Severity: Note,
		Title:      "A client with a certificate gets tokens that anybody can use",
		Reason:     "RFC 9700 section 2.2.1 recommends tokens that are bound to their sender: a stolen one is of no use. This client has a certificate already.",
		Correction: "Write `tls_client_certificate_bound_access_tokens: true`. The servers that accept the tokens must ask for client certificates.",
		find:       eachActive(tokensNotBound),
	},
	{
		ID: "default-scopes-all", Severity: Note,
		Title:      "A request without a scope gets all scopes",
		Reason:     "A client that asks for nothing in particular gets a token for everything, also for what it does not need then (RFC 9700 section 2.3).",
		Correction: "Remove `default_scopes`, or leave in it what nearly every request needs, such as reading.",
		find:       eachActive(allByDefault),
	},
	{
		ID: "introspects-everything", Severity: Note,
		Title:      "An Application may introspect the tokens of all APIs",
		Reason:     "It learns of every token whose it is and what it may do (RFC 9700 section 2.3: as few privileges as possible).",
		Correction: "Remove `introspection: true`, and name its client_id in `introspection` of the resources whose tokens it receives.",
		find:       eachActive(introspectsEverything),
	},
	{
		ID: "federated-pattern-wide", Severity: Warning,
		Title:      "A pattern in federated fits more than one segment",
		Reason:     "A `*` at the end fits everything behind it, across `:` and `/`: every branch, tag and environment of a repository, pull requests included.",
		Correction: "Write the whole subject, or put the `*` where only one segment varies and end with what is fixed.",
		find:       eachActive(wideFederation),
	},
	{
		ID: warning.ClientIDEscaped, Severity: Warning,
		Title:      "A client_id has characters that clients must escape",
		Reason:     "In Basic authentication, `+` and `%` must be percent-encoded (RFC 6749 section 2.3.1). Many clients do not.",
		Correction: "Choose a client_id without `+` and `%`, or write `token_endpoint_auth_method: client_secret_post`.",
	},
	{
		ID: warning.LongTokenLifetime, Severity: Warning,
		Title:      "Tokens of an Application live for more than an hour",
		Reason:     "For so long, a stolen token works and a withdrawn scope is still granted (RFC 9700 section 2.2).",
		Correction: "Write `token_lifetime: 1h` or less. A client gets a new token whenever it needs one.",
	},
	{
		ID: warning.KeySkipped, Severity: Warning,
		Title:      "A public key of a client is of no use here",
		Reason:     "The client cannot authenticate with that key, though the others work.",
		Correction: "Remove the key, or replace it by one of a supported kind.",
	},
	{
		ID: warning.InactiveUnreadable, Severity: Note,
		Title:      "A file of an inactive Application cannot be used",
		Reason:     "The Application is inactive, so nothing is lost. It could not be activated again.",
		Correction: "Remove the entry that names the file, or correct the file.",
	},
}

// eachActive calls the function with every active Application.
func eachActive(find func(*application.Application) []string) func(*configuration, reporter) {
	return func(c *configuration, report reporter) {
		for _, a := range c.active() {
			for _, text := range find(a) {
				report(ofApplication(a, text))
			}
		}
	}
}

func ofApplication(a *application.Application, text string) Finding {
	return Finding{Subject: a.ClientID, Message: fmt.Sprintf("application %q: %s", a.ClientID, text), Place: placeOf(a.Source)}
}

func secretInBody(a *application.Application) []string {
	if a.TokenEndpointAuthMethod != application.AuthMethodPost {
		return nil
	}
	return []string{"token_endpoint_auth_method is client_secret_post"}
}

func tokensNotBound(a *application.Application) []string {
	if a.CertificateBound || a.DPoPBound || !a.Accepts(application.AuthMethodTLS) && !a.Accepts(application.AuthMethodSelfSignedTLS) {
		return nil
	}
	return []string{"it authenticates with a certificate, and its tokens are not bound to it"}
}

func introspectsEverything(a *application.Application) []string {
	if !a.Introspection {
		return nil
	}
	return []string{"introspection is true"}
}

func wideFederation(a *application.Application) (found []string) {
	for _, f := range a.Federated {
		for _, rule := range f.Claims {
			for _, p := range rule.Patterns {
				if spansSegments(p.String()) {
					found = append(found, fmt.Sprintf("federated: %s %s fits every subject that begins so", rule.Path, p))
				}
			}
		}
	}
	return slices.Compact(found)
}

// lastSegments are beginnings of subjects that are followed by exactly one segment.
var lastSegments = regexp.MustCompile(`^(system:serviceaccount:[^:*]+:|repo:[^:*]+:environment:)\*$`)

// spansSegments reports whether the end of the pattern may match several segments.
func spansSegments(pattern string) bool {
	return strings.HasSuffix(pattern, "*") && !lastSegments.MatchString(pattern)
}

func allByDefault(a *application.Application) []string {
	if len(a.Scopes) < 2 || len(a.DefaultScopes) != len(a.Scopes) {
		return nil
	}
	return []string{"default_scopes has all its scopes"}
}
