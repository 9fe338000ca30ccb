package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const ordersSite = `
	handle /orders* {
		verify orders.read
		reverse_proxy localhost:5002
	}`

// Whatever is wrong with a token, nothing of the API is ever seen.
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, ordersSite)
	f := newForger(t, g.caddy)
	g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(f.good())))
	for name, forge := range map[string]func(*testing.T, *guarded, *forger) forgeries{
		"algorithm none":           algorithmNone,
		"symmetric algorithms":     symmetricAlgorithms,
		"algorithm confusion":      algorithmConfusion,
		"types":                    otherTypes,
		"key ids":                  keyIDs,
		"extensions":               extensions,
		"serialisations":           serialisations,
		"spellings":                spellings,
		"signatures":               signatures,
		"repeated members":         repeatedMembers,
		"required claims":          requiredClaims,
		"times":                    times,
		"audiences and issuers":    audiencesAndIssuers,
		"confirmation":             confirmation,
		"JSON that is not a token": malformedJSON,
	} {
		t.Run(name, func(t *testing.T) { f.refuseAll(t, g, forge(t, g, f)) })
	}
	g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(f.good())))
}

// RFC 8725 sections 2.1 and 3.1.
func algorithmNone(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := make(forgeries)
	for _, alg := range []any{"none", "None", "NONE", "nOnE", "none ", "", nil, 0, false, []string{"none"}, absent{}} {
		token := f.headed(members{"alg": alg})
		name := f.object(nil, members{"alg": alg})
		input := token[:strings.LastIndexByte(token, '.')]
		rows[name+" with a signature"] = forgery{token, "wrong_algorithm"}
		rows[name+" with an empty signature"] = forgery{input + ".", "malformed_token"}
		rows[name+" without the last dot"] = forgery{input, "malformed_token"}
	}
	return rows
}

// RFC 8725 section 2.1: public bytes as the secret of an HMAC.
func symmetricAlgorithms(t *testing.T, g *guarded, f *forger) forgeries {
	der, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	jwks := g.ask(t, "GET", "/.well-known/jwks.json", "").body
	jwk := strings.TrimSuffix(strings.TrimPrefix(jwks, `{"keys":[`), `]}`)
	n := f.key.N.Bytes()
	rows := make(forgeries)
	for name, secret := range map[string]string{
		"the JWKS": jwks, "the JWK": jwk, "DER": string(der),
		"PEM":          string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"PEM, PKCS #1": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&f.key.PublicKey)})),
		"the modulus":  string(n), "the modulus in base64": segment(n),
		"the kid": f.kid, "the client secret": shopSecret, "nothing": "",
	} {
		token := compact(f.header(members{"alg": "HS256"}), f.claims(nil), byHMAC([]byte(secret)))
		rows["HS256 keyed with "+name] = forgery{token, "wrong_algorithm"}
		disguised := compact(f.header(nil), f.claims(nil), byHMAC([]byte(secret)))
		rows["HS256 keyed with "+name+", called RS256"] = forgery{disguised, "bad_signature"}
	}
	return rows
}

// RFC 8725 section 3.1: a key has one algorithm.
func algorithmConfusion(t *testing.T, _ *guarded, f *forger) forgeries {
	rows := make(forgeries)
	for _, alg := range []string{"RS384", "RS512", "PS256", "ES256", "EdDSA", "Ed25519", "rs256", "RS256 ", "ES256K", "RSA-OAEP", "RSA1_5", "dir", "HS256"} {
		rows[alg+" over a signature by RS256"] = forgery{f.headed(members{"alg": alg}), "wrong_algorithm"}
	}
	pss := func(input []byte) []byte {
		digest := sha256.Sum256(input)
		signature, err := rsa.SignPSS(rand.Reader, f.key, crypto.SHA256, digest[:], nil)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	rows["PS256, honestly"] = forgery{compact(f.header(members{"alg": "PS256"}), f.claims(nil), pss), "wrong_algorithm"}
	rows["PS256 called RS256"] = forgery{compact(f.header(nil), f.claims(nil), pss), "bad_signature"}
	rs512 := func(input []byte) []byte {
		digest := sha512.Sum512(input)
		signature, err := rsa.SignPKCS1v15(nil, f.key, crypto.SHA512, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	rows["RS512 called RS256"] = forgery{compact(f.header(nil), f.claims(nil), rs512), "bad_signature"}
	return rows
}

// RFC 8725 section 3.11, RFC 9068 section 4: JWTs made for something else.
func otherTypes(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := forgeries{
		"missing": {f.headed(members{"typ": absent{}}), "wrong_type"},
		"TYP":     {f.headed(members{"typ": absent{}, "TYP": "at+jwt"}), "wrong_type"},
		"null":    {f.headed(members{"typ": nil}), "malformed_token"},
		"number":  {f.headed(members{"typ": 1}), "malformed_token"},
		"array":   {f.headed(members{"typ": []string{"at+jwt"}}), "malformed_token"},
	}
	for _, typ := range []string{
		"", "JWT", "jwt", "application/jwt", "id_token", "id_token+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "rt+jwt",
		"client-authentication+jwt", "token-introspection+jwt", "at+jwt ", "text/at+jwt", "application/application/at+jwt", "at+jwt;v=1",
	} {
		rows["typ "+typ] = forgery{f.headed(members{"typ": typ}), "wrong_type"}
	}
	return rows
}

// RFC 7515 section 4.1.4, RFC 8725 section 3.10: kid is an opaque string.
func keyIDs(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := forgeries{
		"missing":     {f.headed(members{"kid": absent{}}), "missing_key_id"},
		"empty":       {f.headed(members{"kid": ""}), "missing_key_id"},
		"KID":         {f.headed(members{"kid": absent{}, "KID": f.kid}), "missing_key_id"},
		"number":      {f.headed(members{"kid": 20260316}), "malformed_token"},
		"null":        {f.headed(members{"kid": nil}), "malformed_token"},
		"array":       {f.headed(members{"kid": []string{f.kid}}), "malformed_token"},
		"object":      {f.headed(members{"kid": members{"$ne": ""}}), "malformed_token"},
		"too long":    {f.headed(members{"kid": strings.Repeat("k", 257)}), "malformed_token"},
		"another key": {f.signBy(attackerKey(), f.header(nil), f.claims(nil)), "bad_signature"},
	}
	for _, kid := range []string{
		f.kid + " ", " " + f.kid, f.kid + "\x00", f.kid + ".2", f.kid + ".json", "./" + f.kid, "../keys/" + f.kid, "*", "?",
		"../../../../../../dev/null", "/dev/null", "https://attacker.example/key", "{env.HOME}", "{file./etc/passwd}", "' OR '1'='1", "\x1b[31m\r\n",
	} {
		rows[f.object(nil, members{"kid": kid})] = forgery{f.headed(members{"kid": kid}), "unknown_key"}
	}
	return rows
}

// RFC 7515 section 4.1.11, RFC 7797 section 6.
func extensions(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := make(forgeries)
	for name, changes := range map[string]members{
		"unknown":   {"crit": []string{"x"}, "x": true},
		"empty":     {"crit": []string{}},
		"null":      {"crit": nil},
		"string":    {"crit": "exp"},
		"repeated":  {"crit": []string{"x", "x"}, "x": 1},
		"of alg":    {"crit": []string{"alg"}},
		"of b64":    {"crit": []string{"b64"}, "b64": false},
		"of nobody": {"crit": []string{"x"}},
	} {
		rows["crit "+name] = forgery{f.headed(changes), "unsupported_critical_header"}
	}
	for name, changes := range map[string]members{"b64 false": {"b64": false}, "b64 true": {"b64": true}} {
		rows[name] = forgery{f.headed(changes), "malformed_token"}
	}
	return rows
}

// RFC 7515 section 5.2.
func signatures(_ *testing.T, _ *guarded, f *forger) forgeries {
	good := f.good()
	dot := strings.LastIndexByte(good, '.')
	input := good[:dot]
	raw, _ := base64.RawURLEncoding.DecodeString(good[dot+1:])
	altered := []byte(string(raw))
	altered[100] ^= 1
	header, payload, _ := strings.Cut(input, ".")
	return forgeries{
		"one bit":         {input + "." + segment(altered), "bad_signature"},
		"one octet short": {input + "." + segment(raw[:len(raw)-1]), "bad_signature"},
		"one octet more":  {input + "." + segment(append([]byte{0}, raw...)), "bad_signature"},
		"half":            {input + "." + segment(raw[:128]), "bad_signature"},
		"one octet":       {input + ".AA", "bad_signature"},
		"zero":            {input + "." + segment(make([]byte, 256)), "bad_signature"},
		"other claims":    {header + "." + segment(f.claims(members{"sub": "reader"})) + good[dot:], "bad_signature"},
		"other header":    {segment(f.header(members{"x": 1})) + "." + payload + good[dot:], "bad_signature"},
	}
}

// RFC 7515 sections 4.1.2 to 4.1.8, RFC 8725 section 3.10: whoever wrote the
// token does not choose the key, and makes the server send no request.
func TestKeysInTheHeaderAreNeverUsed(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer canary.Close()
	g := startGuarded(t, ordersSite)
	f := newForger(t, g.caddy)
	jwk := jose.JSONWebKey{Key: attackerKey().Public(), KeyID: f.kid, Algorithm: "RS256", Use: "sig"}
	rows := make(forgeries)
	for name, changes := range map[string]members{
		"jwk":               {"jwk": jwk},
		"jku":               {"jku": canary.URL + "/jwks.json"},
		"jku with userinfo": {"jku": strings.Replace(canary.URL, "://", "://localhost@", 1)},
		"jku of the issuer": {"jku": f.issuer + "/.well-known/jwks.json"},
		"jku of a file":     {"jku": "file:///etc/passwd"},
		"x5u":               {"x5u": canary.URL + "/chain.pem"},
		"x5c":               {"x5c": []string{"MIIB"}},
		"all":               {"jwk": jwk, "jku": canary.URL, "x5u": canary.URL},
	} {
		rows[name] = forgery{f.signBy(attackerKey(), f.header(changes), f.claims(nil)), "bad_signature"}
		unknown := maps.Clone(changes)
		unknown["kid"] = canary.URL
		rows[name+" with a kid to match"] = forgery{f.signBy(attackerKey(), f.header(unknown), f.claims(nil)), "unknown_key"}
		g.checkAllowed(t, g.ask(t, "GET", "/orders", "", bearer(f.headed(changes)))) // ignored
	}
	f.refuseAll(t, g, rows)
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests left the server", n)
	}
}
