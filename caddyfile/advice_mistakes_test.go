package caddyfile_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	hash    = `"$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"`
	secrets = "\nsecrets: [{id: s, hash: " + hash + "}]"
	plain   = "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA"
	argon   = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	key     = "{kty: EC, crv: P-256, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0}"

	orders  = "resources: [{name: orders-api, scopes: [{name: orders.read}, {name: orders.write}, {name: orders.admin}]}, {name: stock-api, resource: https://stock.example.com, scopes: [{name: stock.read}]}]\n"
	usual   = orders + "applications:\n  - client_id: worker\n    scopes: [orders.read]\n    secrets: [{id: s, hash: " + hash + "}]\n"
	options = "{\nstorage file_system STORAGE\nadmin off\nauto_https off\nlog {\noutput discard\n}\n"
	issuer  = "issuer https://localhost:5001 {\napplications applications.yaml\nsigning_algorithm ES256\n}\n"
	site    = "localhost:5001 {\ntokenidp\n}\n"
)

func allMistakes() []mistake {
	return slices.Concat(syntaxMistakes(), optionMistakes(), routeMistakes(), presetMistakes(), redisMistakes(), jsonMistakes(),
		yamlMistakes(), testMistakes(), applicationMistakes(), keyMistakes(), federatedMistakes(), secretMistakes())
}

// in makes mistakes of texts that stand in the same place.
type in func(text string) configured

func (place in) mistake(wrong, right, advice string) mistake {
	return mistake{advice, place(wrong), place(right)}
}

func caddyfileWith(text string, parts ...string) configured {
	return configured{caddyfile: strings.Join(parts, ""), yaml: usual, text: text}
}

func inCaddyfile(s string) configured { return caddyfileWith(s, options, s) }

func inOptions(s string) configured {
	return caddyfileWith(s, options, "tokenidp {\n", s, "\n}\n}\n", site)
}

// elsewhere is an issuer whose tokens a server of another site accepts.
func elsewhere(s string) configured {
	return caddyfileWith(s, options, "tokenidp {\n", s, "\n}\n}\nlocalhost:5001 {\nverify {\naudience orders-api\n}\n}\n")
}

func besideIssuer(s string) configured {
	return caddyfileWith(s, options, "tokenidp {\n", issuer, s, "\n}\n}\n", site)
}

func inIssuer(s string) configured {
	return caddyfileWith(s, options, "tokenidp {\nissuer https://localhost:5001 {\napplications applications.yaml\n", s, "\n}\n}\n}\n", site)
}

func inTrust(s string) configured {
	return caddyfileWith(s, options, "tokenidp {\n", issuer, "trust https://login.example.com {\n", s, "\n}\n}\n}\n", site)
}

func inSite(s string) configured {
	return caddyfileWith(s, options, "tokenidp {\npolicy fresh {\nmax_age 10m\n}\npolicy any {\nany_scope orders.read orders.write\n}\n", issuer, "}\n}\nlocalhost:5001 {\ntokenidp\n", s, "\n}\n")
}

func inVerify(s string) configured {
	c := inSite("verify orders.read {\n" + s + "\n}")
	c.text = s
	return c
}

func inRedis(s string) configured {
	c := besideIssuer("state redis rediss://redis.example.com {\n" + s + "\n}")
	c.text = s
	return c
}

func inYAML(s string) configured {
	return configured{caddyfile: options + "tokenidp {\n" + issuer + "trust https://vouches.example.com\n}\n}\n" + site, yaml: s, text: s}
}

func beside(s, indent string) string { return strings.ReplaceAll(s, "\n", "\n"+indent) }

// inApplication is the fields of an Application, without its scopes.
func inApplication(s string) configured {
	c := inYAML(orders + "applications:\n  - scopes: [orders.read]\n    " + beside(s, "    ") + "\n")
	c.text = s
	return c
}

// named is the fields of an Application that has an id and a secret.
func named(s string) configured {
	c := inApplication("client_id: worker" + secrets + "\n" + s)
	c.text = s
	return c
}

// keyed is the fields of an Application that has an id.
func keyed(s string) configured {
	c := inApplication("client_id: worker\n" + s)
	c.text = s
	return c
}

func inSecret(s string) configured {
	c := keyed("secrets:\n  - id: s\n    " + beside(s, "    "))
	c.text = s
	return c
}

func inFederated(s string) configured {
	c := keyed("federated:\n  - issuer: https://vouches.example.com\n    " + beside(s, "    "))
	c.text = s
	return c
}

// trusting is the requirements of a route for the tokens of an issuer.
func trusting(issuer, preset string) in {
	return func(s string) configured {
		return caddyfileWith(s, options, "tokenidp {\ntrust ", issuer, " {\n", preset, "\n}\n}\n}\nlocalhost:5001 {\nverify {\n", s, "\n}\n}\n")
	}
}

// syntaxMistakes leave out what each option takes, and then write the example.
func syntaxMistakes() (all []mistake) {
	for _, block := range []struct {
		in       in
		examples []string
	}{
		{inIssuer, []string{"signing_algorithm ES256", "key_encryption_key {file./run/secrets/kek}", "token_lifetime 30m", "insecure_browser_origins https://tools.example.com", "rotate 90d"}},
		{func(s string) configured {
			return caddyfileWith(s, options, "tokenidp {\nissuer https://localhost:5001 {\nsigning_algorithm ES256\n", s, "\n}\n}\n}\n", site)
		}, []string{"applications applications.yaml"}},
		{elsewhere, []string{"issuer https://idp.example.com"}},
		{besideIssuer, []string{"trust https://login.example.com", "state redis rediss://redis.example.com:6379", "dpop_origin https://api.example.com", "policy readers orders.read"}},
		{inTrust, []string{
			"preset keycloak", "jwks_url https://login.example.com/keys", "jwks_file keys.json", "ca_file ca.pem", "audience orders-api", "algorithms RS256 ES256", "types at+jwt jwt",
			"client_id_claims azp", "scope_claims scope /realm_access/roles", "claim repository my-org/my-repo", "leeway 10s", "max_stale 6h", "insecure_id_token_marks at_hash",
		}},
		{inVerify, []string{
			"any_scope orders.read orders.admin", "audience orders-api", "claim repository my-org/my-repo", "require tenant", "max_age 10m", "max_lifetime 1h", "expression `claims.tenant == \"a\"`",
			"policy fresh", `realm "Orders API"`, "claim_header X-Client-Id client_id", "dpop_origin https://api.example.com",
		}},
		{inRedis, []string{"prefix shop:", "wait_replicas 1", "tls_ca redis-ca.pem", "tls_client caddy.pem caddy-key.pem", "sentinel_master mymaster", "password {file./run/secrets/redis}"}},
		{func(s string) configured { return inRedis("password {file./run/secrets/redis}\n" + s) }, []string{"username caddy"}},
		{func(s string) configured { return inRedis("sentinel_master mymaster\n" + s) }, []string{"sentinel_username caddy", "sentinel_password {file./run/secrets/sentinel}"}},
		{func(s string) configured { return besideIssuer("state storage {\n" + s + "\n}") }, []string{"poll 2s"}},
	} {
		for _, example := range block.examples {
			option, _, _ := strings.Cut(example, " ")
			all = append(all, block.in.mistake(option, example, example))
		}
	}
	return all
}

func optionMistakes() []mistake {
	caddyfile, opts, elsewhere, iss, trust := in(inCaddyfile), in(inOptions), in(elsewhere), in(inIssuer), in(inTrust)
	return []mistake{
		caddyfile.mistake("tokenidp https://localhost:5001\n}\n"+site, "tokenidp { \nissuer https://localhost:5001 { \napplications applications.yaml\n } \n}\n}\n"+site, "issuer https://"),
		caddyfile.mistake("tokenidp\n}\n", "tokenidp {\nissuer https://localhost:5001 {\napplications applications.yaml\n}\n}\n}\n"+site, "applications applications.yaml"),
		caddyfile.mistake("}\n"+site, "tokenidp {\nissuer https://localhost:5001 {\napplications applications.yaml\n}\n}\n}\n"+site, "tokenidp {"),
		caddyfile.mistake("tokenidp {\ntrust https://login.example.com\n}\n}\n"+site, "tokenidp {\nissuer https://localhost:5001 {\napplications applications.yaml\n}\ntrust https://login.example.com\n}\n}\n"+site, "applications applications.yaml"),
		caddyfile.mistake("tokenidp {\n"+issuer+"}\ntokenidp {\nissuer https://idp.example.com\n}\n}\n"+site, "tokenidp {\n"+issuer+"issuer https://idp.example.com\n}\n}\nlocalhost:5001 {\ntokenidp https://localhost:5001\n}\n", ""),
		elsewhere.mistake("issuer https://localhost:5001/", "issuer https://localhost:5001", "https://localhost:5001"),
		elsewhere.mistake("issuer http://idp.example.com", "issuer https://idp.example.com", "https://idp.example.com"),
		elsewhere.mistake("issuer idp.example.com", "issuer https://idp.example.com", "https://idp.example.com"),
		opts.mistake("issuer https://localhost:5001", "issuer https://localhost:5001 {\napplications applications.yaml\n}", "applications applications.yaml"),
		in(besideIssuer).mistake("dpop_origin https://a.example.com\ndpop_origin https://b.example.com", "dpop_origin https://a.example.com https://b.example.com", ""),
		in(besideIssuer).mistake("policy fresh", "policy fresh {\nmax_age 10m\n}", "max_age 10m"),
		in(besideIssuer).mistake("state memory now", "state memory", "state memory"),
		in(besideIssuer).mistake("state storage now", "state storage {\n}", "state storage"),
		in(besideIssuer).mistake("state storage {\npoll 2\n}", "state storage {\npoll 2s\n}", "2s"),
		in(besideIssuer).mistake("audit file", "audit {\noutput file /var/log/caddy/audit.log\n}", "output file /var/log/caddy/audit.log"),
		in(besideIssuer).mistake("audit {\noutput\n}", "audit {\noutput file /var/log/caddy/audit.log\n}", "output file /var/log/caddy/audit.log"),
		in(besideIssuer).mistake("audit {\noutput discard\nomit\n}", "audit {\noutput discard\nomit allowed\n}", "omit allowed"),
		in(besideIssuer).mistake("audit {\noutput discard\nomit alowed\n}", "audit {\noutput discard\nomit allowed\n}", "allowed"),
		in(besideIssuer).mistake("usage on", "usage off", "usage off"),
		in(besideIssuer).mistake("dpop_origin api.example.com", "dpop_origin https://api.example.com", "https://api.example.com"),
		in(besideIssuer).mistake("dpop_origin http://api.example.com", "dpop_origin https://api.example.com", ""),
		iss.mistake("token_lifetime 30", "token_lifetime 30m", "30m"),
		iss.mistake("token_lifetime {\n30m\n}", "token_lifetime 30m", ""),
		iss.mistake("insecure_http {\n}", "insecure_http", ""),
		iss.mistake("signing_algorithm Ed25519", "signing_algorithm EdDSA", "EdDSA"),
		iss.mistake("signing_key", "signing_key {file.signing.pem}", "signing_key {file."),
		iss.mistake("signing_key abc", "signing_key file signing.pem", "signing_key file signing.pem"),
		iss.mistake("signing_key file ca.pem", "signing_key file signing.pem", ""),
		iss.mistake("signing_key file hmac.json", "signing_key file signing.pem", ""),
		iss.mistake("signing_key file signing.pem\nrotate 90d", "signing_key file signing.pem", ""),
		iss.mistake("key_encryption_key abc", "key_encryption_key {file./run/secrets/kek}", "{file./run/secrets/kek}"),
		iss.mistake("insecure_browser_origins https://tools.example.com/", "insecure_browser_origins https://tools.example.com", "https://tools.example.com"),
		in(func(s string) configured {
			return caddyfileWith(s, options, "tokenidp {\n", issuer, s, "\n}\n}\n", site)
		}).mistake("trust http://login.example.com", "trust http://login.example.com {\njwks_file keys.json\n}", "jwks_file"),
		trust.mistake("jwks_file keys.json\nca_file ca.pem", "jwks_file keys.json", ""),
		trust.mistake("bearer_token_file", "bearer_token_file token", "bearer_token_file "),
		trust.mistake("claim /a//b c", "claim /realm_access/roles c", "/realm_access/roles"),
	}
}

func routeMistakes() []mistake {
	site, verify := in(inSite), in(inVerify)
	trusted := in(func(s string) configured {
		c := inTrust("preset keycloak")
		c.caddyfile += "localhost:5002 {\nverify {\nissuer https://login.example.com\naudience orders-api\n" + s + "\n}\n}\n"
		c.text = s
		return c
	})
	unknown := in(func(s string) configured {
		policy, verify, defined := strings.Cut(s, "verify orders.read")
		if !defined {
			policy, verify = "", s
		}
		return caddyfileWith(s, options, "tokenidp {\n", issuer, policy, "}\n}\nlocalhost:5001 {\ntokenidp\nverify orders.read", verify, "\n}\n")
	})
	return []mistake{
		site.mistake("tokenidp a b", "tokenidp https://localhost:5001", "tokenidp https://"),
		site.mistake("protected_resource", "protected_resource https://stock.example.com", "protected_resource https://"),
		site.mistake("protected_resource stock-api", "protected_resource https://stock.example.com", "https://"),
		site.mistake("protected_resource https://stock.example.com/a/", "protected_resource https://stock.example.com", ""),
		in(func(s string) configured {
			identifier, yaml, _ := strings.Cut(s, "\n")
			c := inSite("protected_resource " + identifier)
			c.yaml, c.text = strings.Replace(usual, "{name: orders-api,", "{name: orders-api, "+yaml+",", 1), s
			return c
		}).mistake("https://orders.example.com\nintrospection: [worker]", "https://orders.example.com\nresource: https://orders.example.com", ""),
		site.mistake("verify orders.read /orders*", "verify /orders* orders.read", "verify /orders* orders.read"),
		site.mistake("verify", "verify orders.read", "verify orders.read"),
		site.mistake("verify orders.read stock.read", "verify {\nany_scope orders.read stock.read\n}", "any_scope"),
		site.mistake("tokenidp_status /status more", "tokenidp_status /status {\ninsecure_public\n}", "tokenidp_status /status"),
		site.mistake("handle /status {\ntokenidp_status\n}", "handle /status {\nverify orders.read\ntokenidp_status\n}", "verify"),
		site.mistake("@a token_scope\nrespond @a 204", "@a token_scope orders.read\nrespond @a 204", "token_scope orders."),
		verify.mistake("sender_constrained tls", "sender_constrained dpop\ndpop_origin https://api.example.com", "sender_constrained dpop"),
		trusted.mistake("sender_constrained dpop", "sender_constrained dpop\ndpop_origin https://api.example.com", "dpop_origin https://api.example.com"),
		trusted.mistake("sender_constrained dpop mtls", "sender_constrained mtls", "sender_constrained mtls"),
		verify.mistake("issuer", "issuer https://localhost:5001", "issuer https://"),
		verify.mistake("expression claims.tenant", "expression `claims.tenant == 'a'`", "claims.tenant == 'a'"),
		verify.mistake("any_scope orders.read\npolicy any", "policy any", ""),
		unknown.mistake("verify orders.read {\npolicy fresh\n}", "policy fresh {\nmax_age 10m\n}\nverify orders.read {\npolicy fresh\n}", "policy fresh {"),
		verify.mistake("claim_header X-Client authorization\nclaim_header Authorization sub", "claim_header X-Client-Id sub", "X-Client-Id"),
		site.mistake("route {\nrespond ok\nverify orders.read\n}", "route {\nverify orders.read\nrespond ok\n}", "verify"),
		in(func(s string) configured {
			c := inTrust("audience orders-api")
			c.caddyfile, c.text = c.caddyfile+"localhost:5002 {\nverify {\nissuer https://login.example.com\n"+s+"\n}\n}\n", s
			return c
		}).mistake("max_age 10m", "audience orders-api", "audience orders-api"),
		verify.mistake("realm {http.request.host}", "realm {env.PATH}", "{env."),
		verify.mistake("realm {env.UNSET_BY_ANYBODY}", "realm {env.PATH}", ""),
		verify.mistake("claim_header X-Client-Id json json json", "claim_header X-Client-Id client_id", "claim_header X-Client-Id client_id"),
	}
}

func presetMistakes() []mistake {
	const audience = "audience orders-api"
	return []mistake{
		trusting("https://login.example.com", "preset kubernetes").mistake(audience, audience+"\nclaim sub system:serviceaccount:shop:worker", "claim sub system:serviceaccount:"),
		trusting("https://token.actions.githubusercontent.com", "").mistake(audience, audience+"\nclaim repository my-org/my-repo", "claim repository my-org/my-repo"),
		trusting("https://gitlab.com", "").mistake(audience, audience+"\nclaim project_id 46573356", "claim project_id 46573356"),
		trusting("https://accounts.google.com", "").mistake(audience, audience+"\nclaim sub 104029292291203840284", "claim sub 104029292291203840284"),
		trusting("https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", "").mistake(audience, audience+"\nclaim azp worker", "claim azp "),
		trusting("https://login.example.com", "preset keycloak").mistake("audience account", audience, ""),
		in(inTrust).mistake("max_stale 1m", "max_stale 5m0s", "5m0s"),
		in(inIssuer).mistake("signing_key file x25519.pem", "signing_key file signing.pem", ""),
	}
}

func redisMistakes() []mistake {
	redis, state := in(inRedis), in(besideIssuer)
	return []mistake{
		state.mistake("state redis", "state redis rediss://redis.example.com:6379", "rediss://redis.example.com:6379"),
		state.mistake("state redis redis.example.com:6379", "state redis rediss://redis.example.com:6379/0", "rediss://redis.example.com:6379/0"),
		state.mistake("state redis rediss://redis.example.com:a", "state redis rediss://redis.example.com:6379/0", "rediss://redis.example.com:6379/0"),
		state.mistake("state redis rediss://redis.example.com?db=1", "state redis rediss://redis.example.com:6379/0", "rediss://redis.example.com:6379/0"),
		state.mistake("state redis rediss://redis.example.com/one", "state redis rediss://redis.example.com:6379/0", "rediss://redis.example.com:6379/0"),
		state.mistake("state redis rediss://a:b@redis.example.com", "state redis rediss://redis.example.com {\nusername a\npassword {file./run/secrets/redis}\n}", "password {file./run/secrets/redis}"),
		state.mistake("state redis redis://redis.example.com", "state redis rediss://redis.example.com", "rediss://redis.example.com"),
		state.mistake("state redis redis://redis.example.com", "state redis redis://redis.example.com {\ninsecure_plaintext\n}", "insecure_plaintext"),
		state.mistake("state redis redis://localhost {\ntls_ca redis-ca.pem\n}", "state redis rediss://localhost {\ntls_ca redis-ca.pem\n}", "rediss://"),
		state.mistake("state redis rediss://redis.example.com/1 {\ncluster\n}", "state redis rediss://redis.example.com {\ncluster\n}", ""),
		redis.mistake("password secret", "password {file./run/secrets/redis}", "{file./run/secrets/redis}"),
		redis.mistake("username a", "username a\npassword {file./run/secrets/redis}", "password {file./run/secrets/redis}"),
		redis.mistake("sentinel_username a", "sentinel_username a\nsentinel_master mymaster", "sentinel_master "),
		redis.mistake("cluster\nsentinel_master mymaster", "cluster", ""),
		redis.mistake("wait_replicas 0", "wait_replicas 1", "1"),
	}
}

// jsonMistakes are those that no Caddyfile leads to.
func jsonMistakes() []mistake {
	changed := func(c configured, text string, change func(string) string) configured {
		c.text, c.json = text, change
		return c
	}
	replaced := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	redis, verified, trusted := inRedis("prefix a:"), inVerify("claim team shop"), inTrust("claim team shop")
	keyed := inIssuer("signing_key file signing.pem")
	return []mistake{
		{"", changed(redis, "no URL", replaced(`"urls":["rediss://redis.example.com"]`, `"urls":[]`)), changed(redis, `urls: ["rediss://redis.example.com"]`, nil)},
		{"", changed(redis, "no key of the certificate", replaced(`"prefix":"a:"`, `"tls_certificate":"caddy.pem"`)), changed(redis, "both", replaced(`"prefix":"a:"`, `"tls_certificate":"caddy.pem","tls_key":"caddy-key.pem"`))},
		{"", changed(verified, "no value of a claim", replaced(`"values":["shop"]`, `"values":[]`)), changed(verified, "a value", nil)},
		{"", changed(trusted, "no value of a trust's claim", replaced(`"values":["shop"]`, `"values":[]`)), changed(trusted, "a value", nil)},
		{"", changed(keyed, "two places of the key", replaced(`"signing_key_file"`, `"signing_key":"{file.signing.pem}","signing_key_file"`)), changed(keyed, "one place", nil)},
		{"", changed(elsewhere("issuer https://localhost:5001"), "an issuer without a URL", replaced(`"issuer":"https://localhost:5001"`, `"issuer":""`)), changed(elsewhere("issuer https://idp.example.com"), "https://idp.example.com", nil)},
		{"", changed(inVerify("claim_header X-Client-Id client_id"), "a header without a claim", replaced(`"claim":"client_id"`, `"claim":""`)), changed(inVerify("claim_header X-Client-Id client_id"), "claim_header X-Client-Id client_id", nil)},
	}
}

func yamlMistakes() []mistake {
	yaml := in(inYAML)
	return []mistake{
		yaml.mistake("", "applications: []", "applications: []"),
		yaml.mistake(usual+"---\n"+usual, usual, ""),
		yaml.mistake(strings.Replace(usual, "client_id: worker", "client_id: *worker", 1), strings.Replace(usual, "client_id: worker", `client_id: "*worker"`, 1), ""),
		yaml.mistake(strings.Replace(usual, "client_id: worker", "client_id: @worker", 1), strings.Replace(usual, "client_id: worker", `client_id: "@worker"`, 1), ""),
		yaml.mistake(strings.Replace(usual, "client_id: worker\n    ", "client_id: worker\n\t", 1), usual, ""),
		yaml.mistake(strings.Replace(usual, "client_id: worker\n    ", "client_id: worker\n   ", 1), usual, ""),
		yaml.mistake("%YAML 1.3\n---\n"+usual, "---\n"+usual, ""),
		yaml.mistake(strings.Replace(usual, "client_id: worker", "client_id: worker\n    client_name: \"a\x07b\"", 1), strings.Replace(usual, "client_id: worker", "client_id: worker\n    # \\x07\n    client_name: \"a\\u0020b\"", 1), ""),
		yaml.mistake(strings.Replace(usual, "{name: orders.read}", "orders.read", 1), strings.Replace(usual, "{name: orders.read}", `{name: "orders.read"}`, 1), `name: "orders.read"`),
		yaml.mistake(strings.Replace(usual, "https://stock.example.com", "stock", 1), strings.Replace(usual, "https://stock.example.com", "https://api.example.com/orders", 1), "https://api.example.com/orders"),
	}
}

func testMistakes() []mistake {
	test := in(func(s string) configured {
		c := inYAML(usual + "tests:\n  - " + beside(s, "    ") + "\n")
		c.text = s
		return c
	})
	const deny = "\ndeny: [GET https://api.example.com/orders]"
	return []mistake{
		test.mistake("token: worker"+deny, "token: {iss: https://login.example.com, scope: orders.read}"+deny, "{iss: https://login.example.com, scope: orders.read}"),
		test.mistake("anonymous: false"+deny, "client_id: worker"+deny, "client_id"),
		test.mistake("client_id: worker", "client_id: worker"+deny, "deny: [GET https://api.example.com/orders]"),
	}
}

func applicationMistakes() []mistake {
	app, lone, keyed := in(named), in(inApplication), in(keyed)
	return []mistake{
		lone.mistake("client_id: 17"+secrets, `client_id: "17"`+secrets, `"17"`),
		lone.mistake("client_id: "+strings.Repeat("17", 40)+secrets, `client_id: "`+strings.Repeat("17", 40)+`"`+secrets, ""),
		lone.mistake("client_id: {env.ID}"+secrets, `client_id: "{env.ID}"`+secrets, ""),
		lone.mistake("client_id: &a worker"+secrets, "client_id: worker"+secrets, ""),
		lone.mistake("client_id: !a worker"+secrets, "client_id: worker"+secrets, ""),
		lone.mistake("client_id: a\nclient_name:"+secrets, "client_id: a"+secrets, ""),
		lone.mistake("client_id: a\nclient_name: yes"+secrets, "client_id: a\nclient_name: \"yes\""+secrets, `"yes"`),
		app.mistake("<<: {client_name: a}", "client_name: a", ""),
		{"", inYAML("resources: &r []\napplications: *r\n"), inYAML("resources: []\napplications: []\n")},
		app.mistake("active: False", "active: false", ""),
		app.mistake("introspection: yes", "introspection: true", "true"),
		app.mistake("grant_types: []", "active: false", "active: false"),
		app.mistake("token_lifetime: 3600", "token_lifetime: 3600s", "3600s"),
		app.mistake(`token_lifetime: "3600"`, "token_lifetime: 3600s", "3600s"),
		app.mistake("token_lifetime: 5", "token_lifetime: 1h", "1h"),
		app.mistake("quota: {tokens: 600, per: 60}", "quota: {tokens: 600, per: 60s}", "60s"),
		app.mistake("quota: {tokens: 600}", "quota: {tokens: 600, per: 1h}", "quota: {tokens: 600, per: 1h}"),
		app.mistake(`quota: {tokens: "600", per: 1h}`, "quota: {tokens: 600, per: 1h}", ""),
		app.mistake("dpop_bound_access_tokens: true\ntls_client_certificate_bound_access_tokens: true", "dpop_bound_access_tokens: true", ""),
		app.mistake("claims: {sub: a}", "claims: {subject: a}", ""),
		app.mistake("claims: {n: 9007199254740993}", `claims: {n: "9007199254740993"}`, ""),
		app.mistake("claims: {day: 2026-11-23}", `claims: {day: "2026-11-23"}`, ""),
		app.mistake("token_endpoint_auth_method: private_key_jwt", "token_endpoint_auth_method: client_secret_basic", ""),
		app.mistake("jwks: {keys: ["+key+"]}", "client_name: a", ""),
		keyed.mistake("secrets: []", "active: false", "active: false"),
		keyed.mistake("token_endpoint_auth_method: private_key_jwt", "token_endpoint_auth_method: private_key_jwt\nactive: false", "active: false"),
		keyed.mistake("token_endpoint_auth_method: private_key_jwt", "jwks: {keys: ["+key+"]}", "jwks"),
	}
}

func keyMistakes() []mistake {
	keyed := in(keyed)
	return []mistake{
		keyed.mistake("jwks: {keys: []}", "active: false", "active: false"),
		keyed.mistake("jwks_file: signing.pem", "jwks_file: public.pem", ""),
		keyed.mistake("jwks_uri: worker.example.com", "jwks_uri: https://worker.example.com/jwks.json", "https://worker.example.com/jwks.json"),
		keyed.mistake("jwks_uri: 5", "jwks_uri: https://worker.example.com/jwks.json", "https://worker.example.com/jwks.json"),
		keyed.mistake("jwks_uri: http://worker.example.com/jwks.json", "jwks_uri: https://worker.example.com/jwks.json", "https"),
		keyed.mistake("token_endpoint_auth_method: self_signed_tls_client_auth\njwks_uri: https://worker.example.com/jwks.json", "jwks_uri: https://worker.example.com/jwks.json", ""),
		keyed.mistake("token_endpoint_auth_signing_alg: ES256"+secrets, "client_name: a"+secrets, ""),
		keyed.mistake("tls_client_auth_subject_dn: orders", "tls_client_auth_subject_dn: CN=orders,OU=batch,O=Example", "CN=orders,OU=batch,O=Example"),
		keyed.mistake("tls_client_auth_subject_dn: CN=orders,batch", `tls_client_auth_subject_dn: CN=orders\,batch`, `\,`),
		keyed.mistake("tls_client_auth_subject_dn: commonName=orders", "tls_client_auth_subject_dn: 2.5.4.3=orders", "2.5.4.3=orders"),
		keyed.mistake("tls_client_auth_subject_dn: CN= orders", `tls_client_auth_subject_dn: CN=\20orders`, `\20`),
		keyed.mistake("tls_client_auth_subject_dn: CN=a;b", `tls_client_auth_subject_dn: CN=a\;b`, `\`),
		keyed.mistake(`tls_client_auth_san_dns: "*.example.com"`, "tls_client_auth_san_dns: orders.example.com", "orders.example.com"),
		keyed.mistake("tls_client_auth_san_uri: orders", "tls_client_auth_san_uri: spiffe://example.com/orders", "spiffe://example.com/orders"),
		keyed.mistake("tls_client_auth_san_ip: 10.1", "tls_client_auth_san_ip: 192.0.2.7", "192.0.2.7"),
		keyed.mistake("tls_client_auth_san_email: orders", "tls_client_auth_san_email: orders@example.com", "orders@example.com"),
	}
}

func federatedMistakes() []mistake {
	federated, keyed := in(inFederated), in(keyed)
	besides := in(func(s string) configured {
		c := inFederated("subject: worker")
		c.caddyfile, c.text = strings.Replace(c.caddyfile, "https://vouches.example.com", s, 1), s
		return c
	})
	accepts := in(func(s string) configured {
		c := inFederated("subject: worker")
		c.caddyfile, c.text = strings.Replace(c.caddyfile, "\nlocalhost:5001 {", "\nlocalhost:5001 {\nverify {\nissuer https://vouches.example.com\naudience "+s+"\n}\n", 1), s
		return c
	})
	return []mistake{
		keyed.mistake("federated: []", "active: false", "active: false"),
		keyed.mistake("federated: [{issuer: \"\", subject: worker}]", "federated: [{issuer: https://vouches.example.com, subject: worker}]", "https://"),
		besides.mistake("https://login.example.com", "https://login.example.com\ntrust https://vouches.example.com", "trust https://vouches.example.com"),
		accepts.mistake("https://localhost:5001", "orders-api", ""),
		federated.mistake("subject: worker\naudience: orders-api", "subject: worker", ""),
		federated.mistake("audience: workers", "audience: workers\nsubject: worker", "subject"),
		federated.mistake("subject: a\nsubject_pattern: b:*", "subject: a", ""),
		federated.mistake("subject: repo:my-org/*", "subject_pattern: repo:my-org/*", "subject_pattern"),
		federated.mistake("claims: {repo: my-org/*}", "subject: a\nclaims_pattern: {repo: my-org/*}", "claims_pattern"),
		federated.mistake("subject_pattern: worker", "subject: worker", ""),
		federated.mistake("subject_pattern: 5", `subject: "5"`, ""),
		federated.mistake("subject_pattern: \"*:worker\"", "subject_pattern: repo:my-org@11/my-repo@74:*", "repo:my-org@11/my-repo@74:*"),
		federated.mistake("subject_pattern: my-org*", "subject_pattern: my-org:*", ""),
		federated.mistake("claims: {/a//b: c}", "claims: {/realm_access/roles: c}", "/realm_access/roles"),
	}
}

func secretMistakes() []mistake {
	secret := in(inSecret)
	return []mistake{
		secret.mistake("secret: hunter2", "hash: "+hash, "hash"),
		secret.mistake("hash: "+plain, "hash: "+hash, ""),
		secret.mistake("hash: 17", "hash: "+hash, ""),
		secret.mistake("hash: $argon2id$v=19$t=2,m=65536,p=1$"+argon, "hash: $argon2id$v=19$m=65536,t=2,p=1$"+argon, ""),
		secret.mistake("file: 17", `file: "17"`, ""),
		secret.mistake("hash: "+hash+"\nfile: secret", "hash: "+hash, ""),
		secret.mistake("hash: "+hash+"\nexpires: 17", "hash: "+hash+"\nexpires: 2027-06-30", "2027-06-30"),
		secret.mistake("hash: "+hash+"\nexpires: tomorrow", "hash: "+hash+"\nexpires: 2027-06-30T12:00:00Z", "2027-06-30T12:00:00Z"),
	}
}

// besides returns the files that rows name, by their names.
func besides(t *testing.T) map[string]string {
	t.Helper()
	files, err := generated()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var generated = sync.OnceValues(func() (map[string]string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}, NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	agreeing, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	other, err := x509.MarshalPKCS8PrivateKey(agreeing)
	if err != nil {
		return nil, err
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	jwk, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "kid": "a",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}})
	return map[string]string{
		"x25519.pem": block("PRIVATE KEY", other), "signing.pem": block("PRIVATE KEY", private), "caddy-key.pem": block("PRIVATE KEY", private), "public.pem": block("PUBLIC KEY", public),
		"ca.pem": block("CERTIFICATE", certificate), "redis-ca.pem": block("CERTIFICATE", certificate), "caddy.pem": block("CERTIFICATE", certificate),
		"token": "token", "keys.json": string(jwk), "hmac.json": `{"kty":"oct","k":"c2VjcmV0"}`, "17": "chosen secret", "secret": "chosen secret",
		"kek": strings.Repeat("A", 43) + "=", "redis": "secret", "sentinel": "secret",
	}, err
})
