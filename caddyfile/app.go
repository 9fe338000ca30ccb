package caddyfile

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// parseApp sets up the app from the global option. Syntax:
//
//	tokenidp {
//	    issuer <url> {
//	        applications             <file>...
//	        signing_algorithm        <algorithm>
//	        rotate                   <duration>|off
//	        signing_key              file <path>|<placeholder>
//	        key_encryption_key       <placeholder>...
//	        token_lifetime           <duration>
//	        hide_secret_expiry
//	        insecure_http
//	        insecure_browser_origins <origin>...
//	        insecure_private_jwks_uri
//	        insecure_assertion_audience
//	    }
//	    trust <issuer-url> {
//	        ...
//	    }
//	    policy <name> [<scope>...] {
//	        ...
//	    }
//	    state memory|storage|redis {
//	        ...
//	    }
//	    dpop_origin <origin>...
//	    audit {
//	        ...
//	    }
//	    usage off
//	}
//
// Relative paths start at the folder of the Caddyfile. `issuer`, `trust` and `policy`
// may be repeated with other URLs and names.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // consume option name
	if existing != nil {
		return nil, d.Err("the global option tokenidp is given twice; put all issuers into one")
	}
	if d.NextArg() {
		return nil, d.Errf("tokenidp takes no argument here; write a block tokenidp { … }, and into that: issuer %s { … }", d.Val())
	}
	app := new(tokenidp.App)
	for d.NextBlock(0) {
		switch d.Val() {
		case "issuer":
			iss, err := parseIssuer(d)
			if err != nil {
				return nil, err
			}
			app.Issuers = append(app.Issuers, iss)
		case "trust":
			trusted, err := parseTrust(d)
			if err != nil {
				return nil, err
			}
			app.Trusted = append(app.Trusted, trusted)
		case "policy":
			policy, err := parsePolicy(d)
			if err != nil {
				return nil, err
			}
			app.Policies = append(app.Policies, policy)
		case "state":
			if app.StateRaw != nil {
				return nil, d.Err("state is given twice")
			}
			var err error
			if app.StateRaw, err = parseState(d); err != nil {
				return nil, err
			}
		case "dpop_origin":
			if app.DPoPOrigins != nil {
				return nil, d.Err("dpop_origin is given twice; put all origins into one line")
			}
			var err error
			if app.DPoPOrigins, err = parseOrigins(d); err != nil {
				return nil, err
			}
		case "audit":
			if app.Audit != nil {
				return nil, d.Err("audit is given twice")
			}
			var err error
			if app.Audit, err = parseAudit(d); err != nil {
				return nil, err
			}
		case "usage":
			if app.UsageOff {
				return nil, d.Err("usage is given twice")
			}
			if err := parseUsage(d); err != nil {
				return nil, err
			}
			app.UsageOff = true
		default:
			return nil, unknown(d, "tokenidp", "issuer, trust, policy, state, dpop_origin, audit, usage")
		}
	}
	return httpcaddyfile.App{Name: "tokenidp", Value: caddyconfig.JSON(app, nil)}, nil
}

// parseUsage parses `usage off`. Without it, usage is counted.
func parseUsage(d *caddyfile.Dispenser) error {
	const syntax = "usage off; without it, usage is counted"
	switch word, err := oneArg(d, syntax); {
	case err != nil:
		return err
	case word != "off":
		return usage(d, syntax)
	}
	return nil
}

func parseIssuer(d *caddyfile.Dispenser) (*tokenidp.Issuer, error) {
	iss := &tokenidp.Issuer{Source: source(d)}
	var err error
	if iss.Issuer, err = oneArg(d, "issuer <url>, as in: issuer https://idp.example.com"); err != nil {
		return nil, err
	}
	given := make(once)
	for d.NextBlock(1) {
		if err := given.check(d); err != nil {
			return nil, err
		}
		switch d.Val() {
		case "applications":
			iss.Applications, err = parsePaths(d)
		case "signing_algorithm":
			iss.SigningAlgorithm, err = oneArg(d, "signing_algorithm <algorithm>, as in: signing_algorithm ES256")
		case "rotate":
			iss.Rotate, err = parseRotate(d)
		case "signing_key":
			err = parseSigningKey(d, iss)
		case "key_encryption_key":
			iss.KeyEncryptionKeys, err = someArgs(d, "key_encryption_key <placeholder>..., as in: key_encryption_key {file./run/secrets/kek}")
		case "token_lifetime":
			iss.TokenLifetime, err = parseDuration(d, "token_lifetime <duration>, as in: token_lifetime 30m")
		case "hide_secret_expiry":
			iss.HideSecretExpiry, err = flag(d)
		case "insecure_http":
			iss.InsecureHTTP, err = flag(d)
		case "insecure_browser_origins":
			iss.InsecureBrowserOrigins, err = someArgs(d, "insecure_browser_origins <origin>..., as in: insecure_browser_origins https://tools.example.com")
		case "insecure_private_jwks_uri":
			iss.InsecurePrivateJWKSURI, err = flag(d)
		case "insecure_assertion_audience":
			iss.InsecureAssertionAudience, err = flag(d)
		default:
			err = unknown(d, "issuer", "applications, signing_algorithm, rotate, signing_key, key_encryption_key, token_lifetime, hide_secret_expiry, insecure_http, insecure_browser_origins, insecure_private_jwks_uri, insecure_assertion_audience")
		}
		if err != nil {
			return nil, err
		}
	}
	return iss, nil
}

func parsePaths(d *caddyfile.Dispenser) ([]string, error) {
	args, err := someArgs(d, "applications <file>..., as in: applications applications.yaml")
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(args))
	for i, arg := range args {
		if paths[i], err = resolve(d, arg); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	return paths, nil
}

// parseSigningKey reads where the signing key comes from.
func parseSigningKey(d *caddyfile.Dispenser, iss *tokenidp.Issuer) error {
	args := d.RemainingArgs()
	var err error
	switch {
	case len(args) == 2 && args[0] == "file" && args[1] != "":
		iss.SigningKeyFile, err = resolve(d, args[1])
	case len(args) == 1 && args[0] != "" && args[0] != "file":
		iss.SigningKey = args[0]
	default:
		err = usage(d, "signing_key file <path>, or signing_key <placeholder>, as in: signing_key {file./run/secrets/signing.pem}")
	}
	return err
}

// parseRotate reads how long a key signs; off is a negative time.
func parseRotate(d *caddyfile.Dispenser) (caddy.Duration, error) {
	const syntax = "rotate <duration>, or off, as in: rotate 90d"
	if d.NextArg() {
		if d.Val() == "off" && d.CountRemainingArgs() == 0 {
			return -1, nil
		}
		d.Prev()
	}
	return parseDuration(d, syntax)
}

func parseDuration(d *caddyfile.Dispenser, syntax string) (caddy.Duration, error) {
	arg, err := oneArg(d, syntax)
	if err != nil {
		return 0, err
	}
	duration, err := caddy.ParseDuration(arg)
	if err != nil {
		return 0, d.Errf("%q is not a duration; write it as 30m or 1h", arg)
	}
	if duration <= 0 {
		return 0, d.Errf("the duration %s must be positive", arg)
	}
	return caddy.Duration(duration), nil
}
