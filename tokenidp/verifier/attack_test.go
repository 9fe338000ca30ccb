package verifier

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

type attack struct {
	token  string
	reason Reason
}

// refuseAll runs a table of tokens. Each must be refused for its own reason.
func refuseAll(t *testing.T, rows map[string]attack) {
	t.Helper()
	v := newVerifier(t)
	if _, err := v.Verify(context.Background(), goodToken()); err != nil {
		t.Fatalf("what the attacks vary is refused itself: %v", err)
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			got, err := v.Verify(context.Background(), row.token)
			if got != nil {
				t.Errorf("accepted: %+v", got)
			}
			wantRefusal(t, err, row.reason, row.token)
			if len(row.token) <= jws.MaxTokenSize && remembers(v.mindful, row.token) {
				t.Error("refused, and remembered")
			}
		})
	}
}

// RFC 8725 sections 2.1 and 3.1, RFC 7518 section 3.6.
func TestAlgorithmNoneIsRefused(t *testing.T) {
	rows := make(map[string]attack)
	signature := b64(byEC(private().ecA)([]byte("x")))
	for _, alg := range []any{"none", "None", "NONE", "nOnE", " none", "none\x00", "", nil, 0, false, []string{"none"}, object{}, removed{}} {
		input := b64(header(object{"alg": alg})) + "." + b64(claims(nil)) + "."
		name := toJSON(alg)
		rows[name+" with a signature"] = attack{input + signature, WrongAlgorithm}
		rows[name+" with an empty signature"] = attack{input, MalformedToken}
		rows[name+" with two segments"] = attack{strings.TrimSuffix(input, "."), MalformedToken}
	}
	refuseAll(t, rows)
}

// RFC 8725 section 2.1: public bytes as the secret of an HMAC.
func TestSymmetricAlgorithmsAreRefused(t *testing.T) {
	public := private().rsa.PublicKey
	der, err := x509.MarshalPKIXPublicKey(&public)
	if err != nil {
		t.Fatal(err)
	}
	key := publicKey(t, rsaKID, "RS256", &public)
	ec, err := private().ecA.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"PEM":           pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"PEM, PKCS #1":  pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&public)}),
		"DER":           der,
		"JWK":           []byte(toJSON(key.JWK())),
		"JWKS":          []byte(`{"keys":[` + toJSON(key.JWK()) + `]}`),
		"n":             public.N.Bytes(),
		"n in base64":   []byte(b64(public.N.Bytes())),
		"EC point":      ec,
		"x":             ec[1:33],
		"kid":           []byte(rsaKID),
		"client secret": []byte("replace-with-real-secret"),
		"nothing":       {},
		"NUL":           {0},
	}
	rows := make(map[string]attack)
	for alg, hash := range map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512} {
		for name, secret := range secrets {
			token := compact(header(object{"alg": alg, "kid": rsaKID}), claims(nil), byHMAC(hash.New, secret))
			rows[alg+" keyed with "+name] = attack{token, WrongAlgorithm}
		}
	}
	mac := byHMAC(crypto.SHA256.New, der)
	rows["HMAC called RS256"] = attack{compact(header(object{"alg": "RS256", "kid": rsaKID}), claims(nil), mac), BadSignature}
	refuseAll(t, rows)
}

// RFC 8725 section 3.1: an algorithm per key, an allow-list per issuer.
func TestAlgorithmConfusionIsRefused(t *testing.T) {
	swap := func(alg, kid string, sign signer) string {
		return compact(header(object{"alg": alg, "kid": kid}), claims(nil), sign)
	}
	es := byEC(private().ecA)
	refuseAll(t, map[string]attack{
		"RS256 called PS256":               {swap("PS256", rsaKID, byRS256), WrongAlgorithm},
		"RS256 called RS512":               {swap("RS512", rsaKID, byRS256), WrongAlgorithm},
		"PS256 called RS256":               {swap("RS256", rsaKID, byPS256), BadSignature},
		"RS256 by the key of PS256":        {swap("RS256", psKID, byRS256), WrongAlgorithm},
		"PS256, not allowed to the issuer": {swap("PS256", psKID, byPS256), WrongAlgorithm},
		"ES256 called RS256":               {swap("RS256", rsaKID, es), BadSignature},
		"ES256 called RS256, EC key":       {swap("RS256", ecKID, es), WrongAlgorithm},
		"RS256 called ES256, RSA key":      {swap("ES256", rsaKID, byRS256), WrongAlgorithm},
		"ES256 called EdDSA":               {swap("EdDSA", ecKID, es), WrongAlgorithm},
		"ES256K":                           {swap("ES256K", ecKID, es), WrongAlgorithm},
		"es256":                            {swap("es256", ecKID, es), WrongAlgorithm},
		"ES256 with a space":               {swap("ES256 ", ecKID, es), WrongAlgorithm},
		"an algorithm of JWE":              {swap("RSA-OAEP", rsaKID, byRS256), WrongAlgorithm},
	})
}

// RFC 7515 section 4.1.2 to 4.1.8, RFC 8725 section 3.10: the writer of a token does not
// choose the key, and cannot make the server send a request.
func TestKeysInTheHeaderAreNeverUsed(t *testing.T) {
	var requests atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer canary.Close()
	attacker := private().ec
	jwk := publicKey(t, ecKID, "ES256", attacker.Public()).JWK()
	withUser := strings.Replace(canary.URL, "http://", "http://a.example@", 1)
	rows := make(map[string]attack)
	headers := map[string]object{
		"jwk":                {"jwk": jwk},
		"jku":                {"jku": canary.URL + "/jwks.json"},
		"jku with userinfo":  {"jku": withUser},
		"jku with traversal": {"jku": issuerA + "/../" + canary.URL},
		"jku of a file":      {"jku": "file:///etc/passwd"},
		"x5u":                {"x5u": canary.URL},
		"x5c":                {"x5c": []string{"MIIB"}},
		"x5t":                {"x5t": "AAAA", "x5t#S256": "AAAA"},
		"all at once":        {"jwk": jwk, "jku": canary.URL, "x5u": canary.URL, "x5c": []string{canary.URL}},
	}
	v := newVerifier(t)
	for name, members := range headers {
		rows[name] = attack{compact(header(members), claims(nil), byEC(attacker)), BadSignature}
		unknown := maps.Clone(members)
		unknown["kid"] = canary.URL
		rows[name+" with a kid to match"] = attack{compact(header(unknown), claims(nil), byEC(attacker)), UnknownKey}
		if _, err := v.Verify(context.Background(), headed(header(members))); err != nil {
			t.Errorf("%s: not ignored, but refused: %v", name, err)
		}
	}
	refuseAll(t, rows)
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests left the server", n)
	}
}

// RFC 7515 section 4.1.4, RFC 8725 section 3.10: kid is an opaque string.
func TestKeyIDsAreOpaque(t *testing.T) {
	rows := map[string]attack{
		"missing":  {headed(header(object{"kid": removed{}})), MissingKeyID},
		"empty":    {headed(header(object{"kid": ""})), MissingKeyID},
		"KID":      {headed(header(object{"kid": removed{}, "KID": ecKID})), MissingKeyID},
		"number":   {headed(header(object{"kid": 20260316})), MalformedToken},
		"null":     {headed(header(object{"kid": nil})), MalformedToken},
		"array":    {headed(header(object{"kid": []string{ecKID}})), MalformedToken},
		"object":   {headed(header(object{"kid": object{"$ne": ""}})), MalformedToken},
		"too long": {headed(header(object{"kid": strings.Repeat("k", 257)})), MalformedToken},
	}
	for _, kid := range []string{
		ecKID + " ", " " + ecKID, ecKID + "\x00", ecKID + "\r\n", strings.Repeat("k", 256),
		"../../../dev/null", "/dev/null", "file:///dev/null", "https://attacker.example/key", `{env.HOME}`, `{file./etc/passwd}`,
		"' UNION SELECT 'key' --", "$(id)", "\x1b[31m", "RSA", "*", "0",
	} {
		rows[toJSON(kid)] = attack{headed(header(object{"kid": kid})), UnknownKey}
	}
	refuseAll(t, rows)
}

// RFC 7515 section 4.1.11, RFC 7797 section 6, RFC 7516 section 4.1.3.
func TestExtensionsAreRefused(t *testing.T) {
	critical := func(changes object) attack { return attack{headed(header(changes)), UnsupportedCritical} }
	malformed := func(changes object) attack { return attack{headed(header(changes)), MalformedToken} }
	refuseAll(t, map[string]attack{
		"crit unknown":        critical(object{"crit": []string{"x"}, "x": true}),
		"crit empty":          critical(object{"crit": []string{}}),
		"crit null":           critical(object{"crit": nil}),
		"crit string":         critical(object{"crit": "alg"}),
		"crit of numbers":     critical(object{"crit": []int{1}}),
		"crit repeats":        critical(object{"crit": []string{"x", "x"}, "x": true}),
		"crit absent member":  critical(object{"crit": []string{"x"}}),
		"crit registered":     critical(object{"crit": []string{"alg", "kid", "typ"}}),
		"crit exp":            critical(object{"crit": []string{"exp"}, "exp": at(0)}),
		"crit b64":            critical(object{"crit": []string{"b64"}, "b64": false}),
		"crit b64 true":       critical(object{"crit": []string{"b64"}, "b64": true}),
		"b64 without crit":    malformed(object{"b64": false}),
		"b64 true, also":      malformed(object{"b64": true}),
		"b64, plain payload":  {unencoded(), MalformedToken},
		"b64, crit and plain": {b64(header(object{"crit": []string{"b64"}, "b64": false})) + "." + claims(nil) + ".AAAA", MalformedToken},
	})
}

// unencoded returns a token with an unencoded payload (RFC 7797 section 5.2).
func unencoded() string {
	input := b64(header(object{"b64": false})) + "." + claims(nil)
	return input + "." + b64(byEC(private().ecA)([]byte(input)))
}

// RFC 7515 section 7, RFC 7516 section 7.1, RFC 8725 section 3.2.
func TestOtherSerialisationsAreRefused(t *testing.T) {
	h, rest, _ := strings.Cut(goodToken(), ".")
	payload, signature, _ := strings.Cut(rest, ".")
	jwe := b64(`{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT","kid":"rsa"}`)
	refuseAll(t, map[string]attack{
		"JSON":                      {`{"payload":"` + payload + `","signatures":[{"protected":"` + h + `","signature":"` + signature + `"}]}`, MalformedToken},
		"flattened JSON":            {`{"payload":"` + payload + `","protected":"` + h + `","signature":"` + signature + `"}`, MalformedToken},
		"JWE":                       {jwe + ".AAAA.AAAA.AAAA.AAAA", MalformedToken},
		"JWE with empty key":        {jwe + "..AAAA.AAAA.AAAA", MalformedToken},
		"JWE of nothing":            {jwe + "....", MalformedToken},
		"JWE by password, 2^31":     {b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`) + ".AA.AA.AA.AA", MalformedToken},
		"JWE around unsecured JWT":  {jwe + ".AA.AA." + b64(b64(`{"alg":"none"}`)+"."+b64(claims(nil))+".") + ".AA", MalformedToken},
		"fourth segment":            {goodToken() + ".AAAA", MalformedToken},
		"fourth, empty segment":     {goodToken() + ".", MalformedToken},
		"empty":                     {"", MalformedToken},
		"dots":                      {"..", MalformedToken},
		"detached payload":          {h + ".." + signature, MalformedToken},
		"over 16 KiB":               {signed(claims(object{"x": strings.Repeat("x", jws.MaxTokenSize)})), TokenTooLarge},
		"SD-JWT":                    {goodToken() + "~", MalformedToken},
		"two tokens with a comma":   {goodToken() + "," + goodToken(), MalformedToken},
		"quoted":                    {`"` + goodToken() + `"`, MalformedToken},
		"wrapped in base64 as well": {b64(goodToken()), MalformedToken},
	})
}

// RFC 7515 section 2 and appendix C: one token has one spelling, so that another spelling
// cannot avoid a list of tokens.
func TestOtherSpellingsOfBase64AreRefused(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	h, rest, _ := strings.Cut(goodToken(), ".")
	payload, signature, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	spell := func(h, payload, signature string) attack {
		return attack{h + "." + payload + "." + signature, MalformedToken}
	}
	middle := len(payload) / 2
	rows := map[string]attack{
		"padded signature":            spell(h, payload, base64.URLEncoding.EncodeToString(raw)),
		"padded header":               spell(h+"=", payload, signature),
		"trailing bits":               spell(h, payload, signature[:85]+alphabet[strings.Index(alphabet, signature[85:])+1:][:1]),
		"impossible length":           spell(h, payload, signature+"AAA"),
		"truncated to that length":    spell(h, payload, signature[:len(signature)-1]),
		"character that is not ASCII": spell(h, payload, signature+"é"),
	}
	for _, c := range []string{"+", "/", "=", " ", "\t", "\n", "\r", "\r\n", "\x00", "%", "%2E", "~", "*"} {
		rows["inserted "+toJSON(c)] = spell(h, payload[:middle]+c+payload[middle:], signature)
		rows["appended "+toJSON(c)] = spell(h, payload, signature+c)
		rows["prepended "+toJSON(c)] = spell(c+h, payload, signature)
	}
	refuseAll(t, rows)
}

// RFC 8725 section 3.11, RFC 9068 section 4: JWTs made for something else.
func TestOtherTypesAreRefused(t *testing.T) {
	rows := map[string]attack{
		"missing": {headed(header(object{"typ": removed{}})), WrongType},
		"TYP":     {headed(header(object{"typ": removed{}, "TYP": "at+jwt"})), WrongType},
		"null":    {headed(header(object{"typ": nil})), MalformedToken},
		"number":  {headed(header(object{"typ": 1})), MalformedToken},
		"array":   {headed(header(object{"typ": []string{"at+jwt"}})), MalformedToken},
	}
	for _, typ := range []string{
		"", "JWT", "jwt", "JOSE", "JOSE+JSON", "at+JWS", "at+jwt ", " at+jwt", "at jwt", "at+jwt;v=1", "text/at+jwt", "application/", "application/JWT",
		"application/application/at+jwt", "id_token", "id_token+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt",
		"client-authentication+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "application/dpop+jwt", "rt+jwt", "at+jwt\x00", "áat+jwt",
	} {
		rows[toJSON(typ)] = attack{headed(header(object{"typ": typ})), WrongType}
	}
	for _, typ := range []string{"id_token", "logout+jwt", "dpop+jwt", "secevent+jwt", "client-authentication+jwt", "token-introspection+jwt"} {
		token := compact(header(object{"typ": typ}), claims(object{"iss": issuerB}), byEC(private().ecB))
		rows["for an issuer of plain JWTs, "+typ] = attack{token, WrongType}
	}
	refuseAll(t, rows)
}

// RFC 7515 section 4.1.9: media types have no case, and the prefix is optional.
func TestTypesOfAccessTokensAreAccepted(t *testing.T) {
	v := newVerifier(t)
	for _, typ := range []string{"at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"} {
		if _, err := v.Verify(context.Background(), headed(header(object{"typ": typ}))); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	for _, typ := range []string{"JWT", "jwt", "application/jwt", "at+jwt"} {
		token := compact(header(object{"typ": typ}), claims(object{"iss": issuerB}), byEC(private().ecB))
		if _, err := v.Verify(context.Background(), token); err != nil {
			t.Errorf("%s, configured: %v", typ, err)
		}
	}
}

// RFC 7515 section 5.2, RFC 7518 section 3.4.
func TestBadSignaturesAreRefused(t *testing.T) {
	key := private().ecA
	n := key.Curve.Params().N
	fixed := func(r, s *big.Int) signer {
		return by(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	der := func(input []byte) []byte {
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest(crypto.SHA256.New, input))
		if err != nil {
			panic(err)
		}
		return signature
	}
	changed := func(change func([]byte) []byte) signer {
		return func(input []byte) []byte { return change(byEC(key)(input)) }
	}
	signatures := map[string]signer{
		"attacker's key":      byEC(private().ec),
		"DER":                 der,
		"first half":          changed(func(s []byte) []byte { return s[:32] }),
		"second half":         changed(func(s []byte) []byte { return s[32:] }),
		"one byte short":      changed(func(s []byte) []byte { return s[:63] }),
		"one byte long":       changed(func(s []byte) []byte { return append(s, 0) }),
		"zero byte in front":  changed(func(s []byte) []byte { return append([]byte{0}, s...) }),
		"zero before s":       changed(func(s []byte) []byte { return slices.Concat(s[:32], []byte{0}, s[32:]) }),
		"r and s swapped":     changed(func(s []byte) []byte { return slices.Concat(s[32:], s[:32]) }),
		"in the size of P384": changed(func(s []byte) []byte { return slices.Concat(make([]byte, 16), s[:32], make([]byte, 16), s[32:]) }),
		"one byte":            by([]byte{0}),
		"r plus n": func(input []byte) []byte { // the same number modulo n
			s := byEC(key)(input)
			r := new(big.Int).Add(new(big.Int).SetBytes(s[:32]), n)
			return append(r.FillBytes(make([]byte, 33)), s[32:]...)
		},
	}
	for rName, r := range map[string]*big.Int{"0": new(big.Int), "1": big.NewInt(1), "n": n} {
		for sName, s := range map[string]*big.Int{"0": new(big.Int), "1": big.NewInt(1), "n": n} {
			signatures["r="+rName+" s="+sName] = fixed(r, s)
		}
	}
	rows := make(map[string]attack)
	for name, sign := range signatures {
		rows[name] = attack{compact(header(nil), claims(nil), sign), BadSignature}
	}
	h, rest, _ := strings.Cut(goodToken(), ".")
	_, signature, _ := strings.Cut(rest, ".")
	rows["of other claims"] = attack{h + "." + b64(claims(object{"sub": "admin"})) + "." + signature, BadSignature}
	rows["of another header"] = attack{b64(header(object{"x": 1})) + "." + b64(claims(nil)) + "." + signature, BadSignature}
	for name, change := range map[string]func([]byte) []byte{
		"RSA, truncated":          func(s []byte) []byte { return s[:255] },
		"RSA, half":               func(s []byte) []byte { return s[:128] },
		"RSA, zero byte in front": func(s []byte) []byte { return append([]byte{0}, s...) },
		"RSA, zero":               func(s []byte) []byte { return make([]byte, len(s)) },
		"RSA, one":                func(s []byte) []byte { return append(make([]byte, len(s)-1), 1) },
		"RSA, plus modulus": func(s []byte) []byte {
			return new(big.Int).Add(new(big.Int).SetBytes(s), private().rsa.N).FillBytes(make([]byte, 257))
		},
	} {
		sign := func(input []byte) []byte { return change(byRS256(input)) }
		rows[name] = attack{compact(header(object{"alg": "RS256", "kid": rsaKID}), claims(nil), sign), BadSignature}
	}
	refuseAll(t, rows)
}

// RFC 7515 section 4, RFC 7519 section 4, RFC 8259 section 4: two readers could read
// different values from these.
func TestRepeatedAndFoldedNamesAreRefused(t *testing.T) {
	repeated := func(base, member string) string { return "{" + member + "," + base[1:] }
	refuseAll(t, map[string]attack{
		"header repeats alg":            {headed(repeated(header(nil), `"alg":"none"`)), MalformedToken},
		"header repeats alg alike":      {headed(repeated(header(nil), `"alg":"ES256"`)), MalformedToken},
		"header repeats kid, escaped":   {headed(repeated(header(nil), `"\u006bid":"rsa"`)), MalformedToken},
		"header repeats unknown, deep":  {headed(repeated(header(nil), `"x":[{"a":1,"a":2}]`)), MalformedToken},
		"header is followed by another": {headed(header(nil) + header(nil)), MalformedToken},
		"header has ALG only":           {headed(header(object{"alg": removed{}, "ALG": "ES256"})), WrongAlgorithm},
		"header has a mark":             {headed("\ufeff" + header(nil)), MalformedToken},
		"header is not UTF-8":           {headed(repeated(header(nil), "\"x\":\"\xff\"")), MalformedToken},
		"claims repeat sub":             {signed(repeated(claims(nil), `"sub":"admin"`)), MalformedClaims},
		"claims repeat iss":             {signed(repeated(claims(nil), `"iss":"`+issuerB+`"`)), MalformedClaims},
		"claims repeat exp alike":       {signed(repeated(claims(nil), `"exp":`+toJSON(at(3600e9)))), MalformedClaims},
		"claims repeat scope, escaped":  {signed(repeated(claims(nil), `"scop\u0065":"admin"`)), MalformedClaims},
		"claims repeat unknown, deep":   {signed(repeated(claims(nil), `"x":{"y":{"a":1,"a":1}}`)), MalformedClaims},
		"claims are followed by others": {signed(claims(nil) + claims(nil)), MalformedClaims},
		"claims are followed by text":   {signed(claims(nil) + "x"), MalformedClaims},
		"claims have a mark":            {signed("\ufeff" + claims(nil)), MalformedClaims},
		"claims are not UTF-8":          {signed(repeated(claims(nil), "\"x\":\"\xff\"")), MalformedClaims},
		"EXP only":                      {signed(claims(object{"exp": removed{}, "EXP": at(3600e9)})), MissingClaim},
		"ISS only":                      {signed(claims(object{"iss": removed{}, "ISS": issuerA})), MissingClaim},
		"iſs only":                      {signed(claims(object{"iss": removed{}, "iſs": issuerA})), MissingClaim},
		"ſub only":                      {signed(claims(object{"sub": removed{}, "ſub": "admin"})), MissingClaim},
		"Aud only":                      {signed(claims(object{"aud": removed{}, "Aud": "orders-api"})), MissingClaim},
	})
}

// RFC 6749 section 3.3, RFC 7519 section 4: such names are other claims, and grant nothing.
func TestFoldedScopeDoesNotCount(t *testing.T) {
	for _, name := range []string{"ſcope", "Scope", "SCOPE", "scp", "scopes", "roles"} {
		got, err := newVerifier(t).Verify(context.Background(), signed(claims(object{"scope": removed{}, name: "orders.read"})))
		if err != nil || got.HasScope("orders.read") || len(got.Scope) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// RFC 8259 section 9: a parser may set limits.
func TestDeepAndOddJSONIsRefused(t *testing.T) {
	deep := strings.Repeat("[", 11_000) + strings.Repeat("]", 1000)
	refuseAll(t, map[string]attack{
		"deep claims":              {signed(`{"iss":"` + issuerA + `","x":` + deep + `}`), MalformedClaims},
		"deep claims, not closed":  {signed(`{"a":` + strings.Repeat(`{"a":`, 2000)), MalformedClaims},
		"deep header":              {headed(`{"alg":"ES256","x":` + deep[:9000] + `}`), MalformedToken},
		"20,000 deep":              {signed(strings.Repeat("[", 20_000)), TokenTooLarge},
		"array of 100,000":         {signed(claims(object{"x": make([]int, 100_000)})), TokenTooLarge},
		"claims are null":          {signed(`null`), MalformedClaims},
		"claims are an array":      {signed(`[` + claims(nil) + `]`), MalformedClaims},
		"claims are a string":      {signed(toJSON(claims(nil))), MalformedClaims},
		"claims are not JSON":      {signed("\x00"), MalformedClaims},
		"claims are a nested JWT":  {signed(goodToken()), MalformedClaims},
		"claims are an empty JSON": {signed(`{}`), MissingClaim},
	})
}

// RFC 8725 section 2: other libraries ran out of memory because they split a flood of dots.
func TestFloodsAreRefusedWithoutGrowth(t *testing.T) {
	v := newVerifier(t).mindful
	for _, token := range []string{strings.Repeat(".", 900_000), strings.Repeat("A.", jws.MaxTokenSize/2), strings.Repeat("A", 3_000_000)} {
		allocs := testing.AllocsPerRun(10, func() { _, _ = v.Verify(context.Background(), token) })
		if allocs > 2 { // the refusal
			t.Errorf("%d bytes: %v allocations", len(token), allocs)
		}
	}
}
