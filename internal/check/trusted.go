package check

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

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
	{
		ID: "public-clients-accepted", Severity: Note,
		Title:      "Tokens of public clients of Entra ID are accepted",
		Reason:     "A public client, such as an app on a phone, has no secret: anybody can be it (RFC 9700 section 2.5).",
		Correction: "Write `claim azpacr 1 2` into the `trust` of the issuer: 1 is a client with a secret, 2 one with a certificate.",
		find:       publicClients,
	},
	{
		ID: "old-keys-accepted", Severity: Note,
		Title:      "Keys of a trusted issuer count for more than a week without a confirmation",
		Reason:     "A key that the issuer has withdrawn is accepted for so long, if its server cannot be reached.",
		Correction: "Write a shorter `max_stale`, or none: the default is 24h.",
		find:       oldKeys,
	},
}

// kindsOfClient are the claims of Entra ID that say how a client authenticated.
var kindsOfClient = []string{"azpacr", "appidacr", "idtyp"}

// entraHosts are the hosts of the issuers of Entra ID.
var entraHosts = []string{"login.microsoftonline.com", "sts.windows.net"}

func publicClients(c *configuration, report reporter) {
	for _, t := range c.trusted() {
		u, err := url.Parse(t.Issuer)
		if t.Preset != "entra" && (err != nil || !slices.Contains(entraHosts, u.Hostname())) || asksKindOfClient(t.Claims) {
			continue
		}
		for _, g := range c.guards() {
			if g.verify.Requirement(t.Issuer) != nil && !asksKindOfClient(g.verify.Claims) {
				report(Finding{Subject: t.Issuer, Place: placeOf(t.Source), Message: fmt.Sprintf("%s accepts them, and asks for no azpacr", g.ID)})
			}
		}
	}
}

func asksKindOfClient(rules []tokenidp.ClaimRule) bool {
	return slices.ContainsFunc(rules, func(r tokenidp.ClaimRule) bool { return slices.Contains(kindsOfClient, r.Claim) })
}

// longStale is how long keys may be used without a confirmation.
const longStale = 7 * 24 * time.Hour

func oldKeys(c *configuration, report reporter) {
	for _, t := range c.trusted() {
		if stale := time.Duration(t.MaxStale); stale > longStale {
			report(Finding{Subject: t.Issuer, Place: placeOf(t.Source), Message: fmt.Sprintf("max_stale is %s", stale)})
		}
	}
}
