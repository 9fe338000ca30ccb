package application

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// generator makes applications files: valid files with every field, and variants of these
// with mistakes.
type generator struct {
	*rand.Rand
	names int
	// gentle mistakes are in values, and not in the structure around them.
	gentle bool
}

// raw is a scalar that is written unchanged.
type raw string

// object is a mapping. Its fields are written in the order of their names.
type object = map[string]any

func (g *generator) some() bool { return g.IntN(2) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// subset returns at least one of the texts, each once.
func (g *generator) subset(of ...string) (list []any) {
	for _, i := range g.Perm(len(of))[:1+g.IntN(len(of))] {
		list = append(list, of[i])
	}
	return list
}

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// fields returns some of the optional fields.
func (g *generator) fields(required, optional object) object {
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		if g.some() {
			required[name] = optional[name]
		}
	}
	return required
}

// file returns a valid file.
func (g *generator) file() object {
	file := object{"applications": g.list(g.application)}
	if g.some() {
		file["resources"] = g.list(g.resource)
	}
	if g.some() {
		file["tests"] = g.list(g.test)
	}
	return file
}

func (g *generator) list(of func() object) (list []any) {
	for range 1 + g.IntN(2) {
		list = append(list, of())
	}
	return list
}

func (g *generator) resource() object {
	return g.fields(object{
		"name": g.name("api-"),
		"scopes": g.list(func() object {
			return g.fields(object{"name": g.name("scope.")}, object{"description": pick(g, "Read orders", "Ä “b” 🦊", `"`)})
		}),
	}, object{
		"resource":      g.name("https://api.example.com/"),
		"introspection": pick(g, []any{}, g.subset("a", "b")),
	})
}

func (g *generator) application() object {
	a := g.fields(object{"client_id": g.name("client-"), "scopes": []any{"a.read", "a.write"}}, object{
		"client_name":    pick(g, "Orders worker", "0123", "Größe 🦊"),
		"active":         g.some(),
		"grant_types":    []any{"client_credentials"},
		"default_scopes": g.subset("a.read", "a.write"),
		"token_lifetime": pick(g, "10s", "30m", "1d", "1h30m", "5400000ms", "0.5h", "1d0h", "+1h"),
		"claims": object{
			"team": pick[any](g, "shop", 7, 1.5, true, []any{}, []any{"a", 1}, object{"a": object{"b": "c"}}),
			"org":  "x",
		},
		"quota":         object{"tokens": pick(g, 1, 600, 1_000_000), "per": pick(g, "1s", "1h", "30d", "1d12h")},
		"introspection": g.some(),
		pick(g, "tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens"): g.some(),
	})
	g.authenticate(a)
	return a
}

// authenticate adds one way.
func (g *generator) authenticate(a object) {
	method := ""
	switch g.IntN(5) {
	case 0:
		a["secrets"] = g.list(g.secret)
		method = pick(g, "client_secret_basic", "client_secret_post")
	case 1:
		key := object{
			"kty": "EC", "crv": "P-256", "kid": g.name("key-"),
			"x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
		}
		way := pick(g, "jwks", "jwks_file", "jwks_uri")
		a[way] = map[string]any{
			"jwks": object{"keys": []any{key}}, "jwks_file": pick(g, "keys.json", "/a b/c.pem"), "jwks_uri": pick(g, "https://a.example/jwks", "HTTPS://a.example:8443/?a=b"),
		}[way]
		if g.some() {
			a["token_endpoint_auth_signing_alg"] = "ES256"
		}
		method = "private_key_jwt"
		if way != "jwks_uri" {
			method = pick(g, method, "self_signed_tls_client_auth")
		}
	case 2:
		a["federated"] = g.list(g.federation)
		method = "private_key_jwt"
	case 3:
		field := pick(g, certificateFields...)
		a[field] = map[string]string{
			fieldSubjectDN: pick(g, "CN=orders,OU=batch,O=Example", "CN=a"), fieldSANDNS: pick(g, "orders.example.com", "1.2"), fieldSANURI: pick(g, "spiffe://example.com/orders", "urn:a"),
			fieldSANIP: pick(g, "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7"), fieldSANEmail: "orders@example.com",
		}[field]
		method = "tls_client_auth"
	case 4:
		a["active"] = false
	}
	if method != "" && g.some() {
		a["token_endpoint_auth_method"] = method
	}
}

func (g *generator) secret() object {
	s := g.fields(object{"id": pick(g, g.name("2026-"), g.name("ä "))}, object{
		"expires": pick[any](g, raw("2027-06-30"), "2027-06-30", raw("2027-06-30T12:00:00Z"), "2027-06-30T12:00:00.5+02:00"),
	})
	if g.some() {
		s["file"] = pick(g, "secret", "/run/secrets/a b")
		return s
	}
	s["hash"] = pick(g,
		"$sha256$"+strings.Repeat("0a", 32), "{env.HASH}", bcryptPHP,
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$pbkdf2-sha256$i=25000,l=32$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$pbkdf2-sha512$25000$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	return s
}

func (g *generator) federation() object {
	patterns := []string{"repo:shop@11/*", "a/*:b:*", "https://*"}
	f := g.fields(object{"issuer": "https://issuer.example.com"}, object{
		"audience":       "https://idp.example.com",
		"claims":         object{"repository_id": pick[any](g, "74", []any{"74", "74"}), "/a~1b/iss": "x"},
		"claims_pattern": pick(g, object{}, object{"ref": pick(g, patterns...)}),
	})
	switch _, has := f["claims"]; {
	case has && g.some():
	case g.some():
		f["subject"] = "system:serviceaccount:shop:worker"
	default:
		f["subject_pattern"] = pick(g, patterns...)
	}
	return f
}

func (g *generator) test() object {
	t := object{pick(g, "allow", "deny"): g.subset("GET https://a.example/1", "* https://a.example/2")}
	switch g.IntN(3) {
	case 0:
		t["client_id"] = "client-1"
	case 1:
		t["token"] = object{"iss": "https://a.example", "groups": []any{"a", 1, object{}}}
	case 2:
		t["anonymous"] = true
	}
	return t
}

// strange has values that are valid nowhere, or only in some places.
var strange = []any{
	nil, true, false, 0, 1, 600, -1, 1.5, 1_000_001, 12345678901234567, "", " ", "a", "a b", "0", "true", "null", "client_credentials", "private_key_jwt", "HS256", "Ed25519",
	[]any{}, []any{"a"}, []any{"a", "a"}, []any{nil}, []any{object{}}, []any{[]any{}}, object{}, object{"a": "b"}, object{"a": nil}, object{"keys": []any{}},
	"é", "a\nb", "a\tb", "a\u00adb", "a\u0085b", "\u007f", "\\", "*", "a*", "a:*", "a:**", "a/*b*c", ":*", "/", "/a//b", "/a~2", "iss", "ISS", "/iss", "/iss/a", "/aud~0", "ſub",
	"10s", "9s", "25h", "1.5h", "10.5s", "3600", "1d-1h", "-1h", "1d0", "31d", "256d", "h", "1 h", "0s", "1µs",
	"2027-02-31", "1999-01-01", "2027-1-1", "2027-06-30T12:00:00", "2027-06-30T12:00:00,5Z", "2027-06-30T24:00:00Z", "2027-06-30t12:00:00Z", "0001-01-01",
	"https://a.example", "http://a.example", "https://", "https:///a", "https://u@a.example", "https://a.example/#b", "https://a.example/ b", "urn:a:b", "a:b", ":a", "1a:b", "%zz:a",
	"192.0.2.0/24", "fe80::1%eth0", "1.2", "::", "a@b", "@b", "a@", "a@b@c", "*.example.com", "a=b", "CN=a,", "CN", "=",
	"$sha256$0a", "$sha256$" + strings.Repeat("0A", 32), "$2b$04$" + strings.Repeat("a", 53), "$2b$10$" + strings.Repeat("!", 53), "$argon2id$v=19$m=1,t=1,p=1$YQ$YQ", "hunter2",
	"{env.A}", "{", "a{b}", "-----BEGIN PRIVATE KEY-----", "{\"keys\":[]}", generated,
	strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("ä", 255), strings.Repeat("a", 256), strings.Repeat("a", 1024), strings.Repeat("ä", 1025), strings.Repeat("a", 2049),
	raw("yes"), raw("On"), raw("True"), raw("0x10"), raw("1_000"), raw("600.0"), raw("1e3"), raw("2026-11-01"), raw("~"), raw("0123"), raw(".5"),
}

// near has values that are almost valid for a field.
var near = map[string][]any{
	"client_id":      {"a:b", "a b", generated, "client-1", raw("yes"), strings.Repeat("a", 256)},
	"client_name":    {"a\u00adb", "", "a\nb", raw("2026-11-01"), raw("1e3")},
	"id":             {"2026-11", generated, "a\u00adb", raw("2026-11")},
	"hash":           {"{env.A}", "$2b$04$" + strings.Repeat("a", 53), "$argon2id$v=19$m=1,t=1,p=1$YQ$YQ", "$sha256$0a", "hunter2"},
	"file":           {"{a", "-----BEGIN PRIVATE KEY-----", "a -----BEGIN PRIVATE KEY-----", generated},
	"expires":        {"2027-02-31", "1999-01-01", "1999-12-31", "2027-1-1", "2027-06-30T24:00:00Z", raw("2027-06-30t12:00:00Z")},
	"name":           {"a b", "é", `a"`, "a\\", "api-1", "scope.1"},
	"resource":       {"https://a.example/#b", "https:///a", "urn:a:%zz", "/a", "https://a.example/ b"},
	"jwks_uri":       {"http://a.example", "https://u@a.example/", "https://:1/", "https://a.example/#b", "keys.json"},
	"jwks_file":      {"{}", "a\nb", "a -----BEGIN PUBLIC KEY-----"},
	"keys":           {[]any{object{"kty": "oct", "k": "AA"}}, []any{object{"kty": "EC"}}, []any{object{}}, []any{"a"}, []any{nil}, []any{object{"n": raw("0x1F")}}},
	"token_lifetime": {"9s", "10.5s", "1d-1h", "3600", raw("3600"), "256d", "1d0"},
	"per":            {"31d", "0s", "1d-1h", "1"},
	"tokens":         {0, raw("1_000"), raw("600.0"), raw("0x10"), 5.5, "600"},
	"claims": {
		object{"iss": "a"}, object{"ISS": "a"}, object{"i\u017fs": "a"}, object{"a": nil}, object{"a": raw("1_000")}, object{"a": raw("yes")}, object{"a": 12345678901234567}, object{"a*": "b"}, object{},
		object{"a": "b*"}, object{"a\u00adb": "c"},
	},
	"claims_pattern":  {object{"a": "b"}, object{"a": "b:**"}, object{"/aud/0": "a:*"}, object{"/a~": "b:*"}},
	"issuer":          {"a\u00adb", "", raw("no")},
	"subject":         {"a*", "a\u00adb"},
	"subject_pattern": {"a*", "*", "a:*\u00ad", "a:*b*"},
	"active":          {raw("True"), raw("no"), "true", 1},
	fieldSubjectDN:    {"CN", "CN=a,", "=", ""},
	fieldSANURI:       {"/a", "a:%zz", "a://b:c"},
	fieldSANIP:        {"1.2.3.4.5", "1.2.3.256", "::g", "fe80::1%eth0", ":::", 1.5},
	fieldSANDNS:       {"*.example.com", raw("1.2"), "é"},
	fieldSANEmail:     {"a@b@c", "@b", "a@"},
}

func (g *generator) strange() any { return clone(pick(g, strange...)) }

// clone returns a copy that a mistake may change.
func clone(value any) any {
	switch v := value.(type) {
	case object:
		c := make(object, len(v))
		for name, value := range v {
			c[name] = clone(value)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = clone(v[i])
		}
		return c
	}
	return value
}

// names are names of fields, right and wrong.
var names = func() (all []string) {
	for _, o := range []interface{ Names() []string }{fileObject, resourceObject, scopeObject, applicationObject, secretObject, federationObject, quotaObject, jwksObject, testObject} {
		all = append(all, o.Names()...)
	}
	return append(all, "secret", "password", "scop", "Client_Id", "enabled", "d", "k", "", "é")
}()

// mistake changes one place of a value. It returns the value to put in its place.
func (g *generator) mistake(value any) any {
	switch v := value.(type) {
	case object:
		if len(v) == 0 || !g.gentle && g.IntN(4) == 0 {
			return g.mistakenObject(v)
		}
		name := pick(g, slices.Sorted(maps.Keys(v))...)
		if near[name] != nil && (g.gentle || g.some()) {
			v[name] = clone(pick(g, near[name]...))
		} else {
			v[name] = g.mistake(v[name])
		}
		return v
	case []any:
		if len(v) == 0 || !g.gentle && g.IntN(4) == 0 {
			return g.mistakenList(v)
		}
		i := g.IntN(len(v))
		v[i] = g.mistake(v[i])
		return v
	}
	return g.strange()
}

func (g *generator) mistakenObject(v object) any {
	switch g.IntN(5) {
	case 0:
		return g.strange()
	case 1:
		v[pick(g, names...)] = g.strange()
	case 2:
		v[pick(g, names...)] = pick[any](g, "a", true, []any{"a"})
	default:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if g.IntN(len(v)) == 0 {
				delete(v, name)
			}
		}
	}
	return v
}

func (g *generator) mistakenList(v []any) any {
	switch g.IntN(4) {
	case 0:
		return g.strange()
	case 1:
		return []any{}
	case 2:
		if len(v) > 0 {
			return append(v, clone(v[g.IntN(len(v))]))
		}
	}
	return append(v, g.strange())
}

// text writes a value as YAML, in one of its two styles.
func (g *generator) text(value any) string {
	n := g.node(value)
	if g.some() {
		n.Style = yaml.FlowStyle
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (g *generator) node(value any) *yaml.Node {
	switch v := value.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, g.node(name), g.node(v[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, element := range v {
			n.Content = append(n.Content, g.node(element))
		}
		return n
	case raw:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: string(v)}
	case string:
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
		if g.some() || strings.ContainsAny(v, "\n\t") || v == "" {
			n.Style = yaml.DoubleQuotedStyle
		}
		return n
	}
	n := new(yaml.Node)
	if err := n.Encode(value); err != nil {
		panic(err)
	}
	return n
}
