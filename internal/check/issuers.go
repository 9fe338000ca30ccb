package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

var issuerRules = []*Rule{
	{
		ID: warning.InsecureHTTP, Severity: Warning,
		Title:      "Secrets are accepted over plain HTTP",
		Reason:     "Whoever is on the way between the clients, or the proxy in front, and this server can read secrets and tokens (RFC 6749 section 3.2).",
		Correction: "Remove `insecure_http`. Let this server have TLS, also behind a proxy.",
	},
	{
		ID: warning.InsecureBrowserOrigins, Severity: Warning,
		Title:      "Web pages may request tokens",
		Reason:     "A secret in a web page is no secret: everybody who opens the page can read it.",
		Correction: "Remove `insecure_browser_origins`, and request tokens on a server.",
	},
	{
		ID: warning.InsecureAssertionAudience, Severity: Warning,
		Title:      "Client assertions for other servers may be accepted",
		Reason:     "A client that was led to make an assertion for another server can be impersonated here (RFC 7523bis).",
		Correction: "Remove `insecure_assertion_audience`, and have the clients make assertions for the issuer's URL alone.",
	},
	{
		ID: warning.InsecurePrivateJWKSURI, Severity: Warning,
		Title:      "Files of Applications can have this server ask addresses inside",
		Reason:     "Whoever may edit a `jwks_uri` can have this server send requests to any address in its networks.",
		Correction: "Remove `insecure_private_jwks_uri`, and write the keys into `jwks` or `jwks_file`.",
	},
	{
		ID: warning.KeyFileOpen, Severity: Warning,
		Title:      "The file of a signing key is open to others",
		Reason:     "Every user of the server can read the key, and make tokens for every client.",
		Correction: "Make it readable for its owner alone: `chmod 600`.",
	},
	{
		ID: warning.SecretInEnvironment, Severity: Note,
		Title:      "A key comes from an environment variable",
		Reason:     "`caddy run --environ`, as in the systemd unit of Caddy's packages, prints all variables into the system's log. Child processes get them, too.",
		Correction: "Take it from a file: `{file./run/secrets/signing_key}`.",
		find:       keysInEnvironment,
	},
	{
		ID: "key-not-rotated", Severity: Warning,
		Title:      "A signing key is not rotated within 400 days",
		Reason:     "Whoever got a copy of the key can make tokens for as long as it signs.",
		Correction: "Remove `rotate`: the default is 90 days, and clients notice nothing.",
		find:       keysNotRotated,
	},
	{
		ID: warning.UnusedIssuer, Severity: Warning,
		Title:      "Nothing uses an issuer",
		Reason:     "No site has `tokenidp` for it, and no `verify` accepts its tokens. Its Applications get no tokens.",
		Correction: "Write `tokenidp` into the site of its URL, or remove the issuer.",
	},
	{
		ID: warning.IssuerNotServed, Severity: Warning,
		Title:      "No site serves the URL of an issuer",
		Reason:     "Clients find the endpoints and the keys at the URL of the issuer.",
		Correction: "Write `tokenidp` into the site of that URL, or have a proxy before this server pass its requests on.",
	},
}

func keysInEnvironment(c *configuration, report reporter) {
	for _, iss := range c.issuers() {
		for option, values := range map[string][]string{"signing_key": {iss.SigningKey}, "key_encryption_key": iss.KeyEncryptionKeys} {
			for _, value := range values {
				if strings.Contains(value, "{env.") {
					report(Finding{Subject: iss.Issuer, Place: placeOf(iss.Source), Message: fmt.Sprintf("%s is %s", option, value)})
				}
			}
		}
	}
}

// issuers returns the issuers of the configuration, if there is one.
func (c *configuration) issuers() []*tokenidp.Issuer {
	if c.app == nil {
		return nil
	}
	return c.app.Issuers
}

// longRotation is how long a key may sign.
const longRotation = 400 * 24 * time.Hour

func keysNotRotated(c *configuration, report reporter) {
	for _, iss := range c.issuers() {
		rotate := time.Duration(iss.Rotate)
		switch {
		case iss.SigningKey != "" || iss.SigningKeyFile != "":
		case rotate < 0:
			report(Finding{Subject: iss.Issuer, Place: placeOf(iss.Source), Message: "rotate is off"})
		case rotate > longRotation:
			report(Finding{Subject: iss.Issuer, Place: placeOf(iss.Source), Message: fmt.Sprintf("rotate is %s", rotate)})
		}
	}
}

// trusted returns the issuers elsewhere.
func (c *configuration) trusted() []*tokenidp.TrustedIssuer {
	if c.app == nil {
		return nil
	}
	return c.app.Trusted
}
