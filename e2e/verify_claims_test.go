package e2e

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RFC 7515 section 7, RFC 7516 section 7.1, RFC 8725 section 3.2.
func serialisations(_ *testing.T, _ *guarded, f *forger) forgeries {
	good := f.good()
	part := strings.Split(good, ".")
	jwe := segment(f.header(members{"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"}))
	nested := segment(segment(`{"alg":"none"}`) + "." + part[1] + ".")
	return forgeries{
		"JSON":                      {`{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`, "malformed_authorization"},
		"flattened JSON":            {`{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`, "malformed_authorization"},
		"JSON in base64":            {segment(`{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`), "malformed_token"},
		"JWE":                       {jwe + ".AAAA.AAAA.AAAA.AAAA", "malformed_token"},
		"JWE with an empty key":     {jwe + "..AAAA.AAAA.AAAA", "malformed_token"},
		"JWE of nothing":            {jwe + "....", "malformed_token"},
		"JWE around alg none":       {jwe + ".AA.AA." + nested + ".AA", "malformed_token"},
		"JWE by password, 2^31":     {segment(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`) + ".AA.AA.AA.AA", "malformed_token"},
		"fourth segment":            {good + ".AAAA", "malformed_token"},
		"fourth, empty segment":     {good + ".", "malformed_token"},
		"dots":                      {"..", "malformed_token"},
		"many dots":                 {strings.Repeat(".", 9000), "malformed_token"},
		"detached payload":          {part[0] + ".." + part[2], "malformed_token"},
		"SD-JWT":                    {good + "~", "malformed_token"},
		"quoted":                    {`"` + good + `"`, "malformed_token"},
		"wrapped in base64 as well": {segment(good), "malformed_token"},
		"with the scheme twice":     {"Bearer " + good, "malformed_authorization"},
	}
}

// RFC 7515 section 2 and appendix C: a token has one spelling.
func spellings(_ *testing.T, _ *guarded, f *forger) forgeries {
	// 256 octets leave four unused bits in the last character.
	good := f.good()
	part := strings.Split(good, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(part[2])
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(part[2]) - 1
	trailing := part[2][:last] + string(alphabet[strings.IndexByte(alphabet, part[2][last])+1])
	rows := forgeries{
		"padded signature":       {part[0] + "." + part[1] + "." + base64.URLEncoding.EncodeToString(raw), "malformed_token"},
		"standard alphabet":      {part[0] + "." + part[1] + "." + base64.StdEncoding.EncodeToString(raw), "malformed_token"},
		"trailing bits":          {part[0] + "." + part[1] + "." + trailing, "malformed_token"},
		"one character less":     {good[:len(good)-1], "malformed_token"},
		"one character more":     {good + "A", "bad_signature"}, // one octet more
		"space in the middle":    {part[0] + "." + part[1] + ". " + part[2], "malformed_authorization"},
		"tab in the middle":      {part[0] + ".\t" + part[1] + "." + part[2], "malformed_authorization"},
		"comma and another one":  {good + "," + good, "malformed_authorization"},
		"percent-encoded":        {strings.ReplaceAll(good, ".", "%2E"), "malformed_token"},
		"letters beyond ASCII":   {part[0] + "." + part[1] + "é." + part[2], "malformed_token"},
		"fullwidth dots":         {strings.ReplaceAll(good, ".", "．"), "malformed_token"},
		"padded header":          {part[0] + "=." + part[1] + "." + part[2], "malformed_token"},
		"underscore as a slash":  {part[0] + "." + part[1] + "/." + part[2], "malformed_token"},
		"hyphen as a plus":       {part[0] + "." + part[1] + "+." + part[2], "malformed_token"},
		"lower case":             {strings.ToLower(good), "malformed_token"},
		"the other way round":    {part[2] + "." + part[1] + "." + part[0], "malformed_token"},
		"header and claims swap": {part[1] + "." + part[0] + "." + part[2], "wrong_algorithm"},
	}
	return rows
}

// RFC 7515 section 4, RFC 7519 section 4: names are unique and of exact case.
func repeatedMembers(_ *testing.T, _ *guarded, f *forger) forgeries {
	claims := func(end string) string { return strings.TrimSuffix(f.claims(nil), "}") + "," + end + "}" }
	header := func(end string) string { return strings.TrimSuffix(f.header(nil), "}") + "," + end + "}" }
	rows := make(forgeries)
	for name, end := range map[string]string{
		"sub": `"sub":"orders-worker"`, "scope": `"scope":"orders.admin"`, "exp": `"exp":9999999999`, "escaped": `"\u0073ub":"admin"`, "nested": `"x":{"a":1,"a":2}`,
	} {
		rows["claim "+name] = forgery{f.sign(f.header(nil), claims(end)), "malformed_claims"}
	}
	for name, end := range map[string]string{"alg": `"alg":"RS256"`, "kid": `"kid":"x"`, "typ": `"typ":"at+jwt"`, "escaped": `"\u0061lg":"none"`} {
		rows["header "+name] = forgery{f.sign(header(end), f.claims(nil)), "malformed_token"}
	}
	for _, name := range []string{"iss", "sub", "client_id", "aud", "exp", "iat", "jti"} {
		rows[name+" in upper case"] = forgery{f.claiming(members{name: absent{}, strings.ToUpper(name): "orders-api"}), "missing_claim"}
	}
	rows["iss with a long s"] = forgery{f.claiming(members{"iss": absent{}, "iſs": f.issuer}), "missing_claim"}
	rows["alg in upper case"] = forgery{f.headed(members{"alg": absent{}, "ALG": "RS256"}), "wrong_algorithm"}
	return rows
}

// RFC 9068 section 2.2: what an access token must have, each with its type.
func requiredClaims(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := make(forgeries)
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		rows[name+" missing"] = forgery{f.claiming(members{name: absent{}}), "missing_claim"}
		for spelled, value := range map[string]any{"null": nil, "true": true, "empty": "", "object": members{}, "empty array": []any{}, "array of null": []any{nil}} {
			rows[name+" "+spelled] = forgery{f.claiming(members{name: value}), "malformed_claims"}
		}
	}
	for _, name := range []string{"iss", "sub", "client_id", "jti"} {
		rows[name+" number"] = forgery{f.claiming(members{name: 7}), "malformed_claims"}
		rows[name+" array of one"] = forgery{f.claiming(members{name: []string{"x"}}), "malformed_claims"}
	}
	for name, scope := range map[string]any{
		"array": []string{"orders.read"}, "null": nil, "number": 1, "with a tab": "orders.read\torders.write",
	} {
		rows["scope "+name] = forgery{f.claiming(members{"scope": scope}), "malformed_claims"}
	}
	return rows
}

// RFC 7519 sections 4.1.4 to 4.1.6: no number is beyond the arithmetic.
func times(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := forgeries{
		"exp an hour ago":   {f.claiming(members{"exp": f.at(-time.Hour), "iat": f.at(-2 * time.Hour)}), "expired"},
		"exp 31 s ago":      {f.claiming(members{"exp": f.at(-31 * time.Second)}), "expired"},
		"exp 1":             {f.claiming(members{"exp": 1, "iat": 0}), "expired"},
		"exp 1e-400":        {f.claiming(members{"exp": literal("1e-400"), "iat": 0}), "expired"},
		"exp before iat":    {f.claiming(members{"exp": f.at(10 * time.Second), "iat": f.at(20 * time.Second)}), "malformed_claims"},
		"exp as text":       {f.claiming(members{"exp": strconv.FormatInt(f.at(time.Hour), 10)}), "malformed_claims"},
		"exp as a date":     {f.claiming(members{"exp": "2999-01-01T00:00:00Z"}), "malformed_claims"},
		"iat ahead":         {f.claiming(members{"iat": f.at(5 * time.Minute)}), "issued_in_future"},
		"nbf ahead":         {f.claiming(members{"nbf": f.at(5 * time.Minute)}), "not_yet_valid"},
		"nbf in the future": {f.claiming(members{"nbf": 253402300799}), "not_yet_valid"},
		"nbf as text":       {f.claiming(members{"nbf": "0"}), "malformed_claims"},
		"nbf null":          {f.claiming(members{"nbf": nil}), "malformed_claims"},
	}
	for _, number := range []string{
		"-1", "253402300800", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
		"1e300", "1e400", "-1e400", "1e999999999", "-9223372036854775808",
	} {
		for _, name := range []string{"exp", "nbf", "iat"} {
			rows[name+" "+number] = forgery{f.claiming(members{name: literal(number)}), "malformed_claims"}
		}
	}
	return rows
}

// RFC 9068 section 4, RFC 7519 section 4.1.3: compared byte for byte.
func audiencesAndIssuers(_ *testing.T, g *guarded, f *forger) forgeries {
	rows := make(forgeries)
	for _, aud := range []any{
		"stock-api", "https://stock.example.com", "orders-api ", "Orders-Api", "orders-api/", "orders", "orders-api2", "*", []string{"x", "y"}, f.issuer,
	} {
		rows[f.object(nil, members{"aud": aud})] = forgery{f.claiming(members{"aud": aud}), "wrong_audience"}
	}
	for name, aud := range map[string]any{
		"number": 1, "array of numbers": []any{1}, "mixed array": []any{"orders-api", 1}, "array with the empty one": []any{"orders-api", ""},
		"array in an array": []any{[]any{"orders-api"}}, "object": members{"orders-api": true},
	} {
		rows["aud "+name] = forgery{f.claiming(members{"aud": aud}), "malformed_claims"}
	}
	for _, iss := range []string{
		f.issuer + "/", strings.ToUpper(f.issuer), strings.Replace(f.issuer, "https", "http", 1), f.issuer + " ", f.issuer + "\x00",
		"https://localhost", "https://attacker.example", g.url("https://127.0.0.1:5001"), f.issuer + "?", "{env.HOME}",
	} {
		rows[f.object(nil, members{"iss": iss})] = forgery{f.claiming(members{"iss": iss}), "unknown_issuer"}
	}
	return rows
}

// RFC 8705 section 3, RFC 9449 section 7: a bound token is no bearer token.
func confirmation(_ *testing.T, _ *guarded, f *forger) forgeries {
	rows := make(forgeries)
	for name, cnf := range map[string]any{
		"certificate": members{"x5t#S256": "AAAA"}, "proof key": members{"jkt": "AAAA"}, "unknown": members{"x": 1}, "empty": members{}, "null": nil,
	} {
		rows["cnf "+name] = forgery{f.claiming(members{"cnf": cnf}), "unsupported_confirmation"}
	}
	return rows
}

// RFC 8259: what parsers could read differently.
func malformedJSON(_ *testing.T, _ *guarded, f *forger) forgeries {
	good := f.claims(nil)
	rows := make(forgeries)
	for name, claims := range map[string]string{
		"null": "null", "array": "[" + good + "]", "text": `"x"`, "two objects": good + good, "bracket behind": good + "]", "comma at the end": strings.TrimSuffix(good, "}") + ",}",
		"byte order mark": "\ufeff" + good, "not UTF-8": strings.Replace(good, "forged", "\xff", 1), "NUL behind": good + "\x00", "comment": "/**/" + good,
		"3,000 deep": `{"x":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + `}`, "not a number": strings.Replace(good, `"aud"`, `"x":NaN,"aud"`, 1),
	} {
		rows["claims "+name] = forgery{f.sign(f.header(nil), claims), "malformed_claims"}
	}
	for name, header := range map[string]string{"null": "null", "array": "[]", "half": `{"alg":"RS256"`, "deep": strings.Repeat(`{"x":`, 2000), "two objects": f.header(nil) + "{}"} {
		rows["header "+name] = forgery{f.sign(header, good), "malformed_token"}
	}
	return rows
}
