package check

import "github.com/tokenidp/caddy-tokenidp/tokenidp/warning"

var trustedRules = []*Rule{
	{
		ID: warning.InsecureTrustedHTTP, Severity: Error,
		Title:      "The keys of a trusted issuer are fetched over plain HTTP",
		Reason:     "Whoever is on the way can put keys of his own there, and make tokens.",
		Correction: "Remove `insecure_http`. Name the issuer's keys with `jwks_file`, or by an https URL.",
	},
	{
		ID: warning.InsecureIDTokens, Severity: Warning,
		Title:      "ID tokens of a trusted issuer may be accepted",
		Reason:     "An ID token tells who somebody is. It is for the application that asked for it, and not for an API.",
		Correction: "Remove `insecure_nonce` or `insecure_id_token_marks`, and have the issuer give out access tokens of type `at+jwt`.",
	},
}
