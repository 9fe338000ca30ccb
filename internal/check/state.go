package check

import "github.com/tokenidp/caddy-tokenidp/tokenidp/warning"

var stateRules = []*Rule{
	{
		ID: warning.StateInMemory, Severity: Warning,
		Title:      "Revocations are in memory alone",
		Reason:     "A restart forgets them, and other nodes do not see them: a revoked token works again.",
		Correction: "Remove `state memory`. The default is Caddy's storage.",
	},
	{
		ID: warning.InsecureRedis, Severity: Warning,
		Title:      "Redis is reached without TLS",
		Reason:     "Whoever is on the way can read the password, and take back revocations.",
		Correction: "Write a URL that begins with `rediss://`, and remove `insecure_plaintext`.",
	},
}
