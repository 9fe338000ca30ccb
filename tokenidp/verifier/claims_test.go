package verifier

import (
	"context"
	"crypto/ecdsa"
	"strings"
	"testing"
	"time"
)

// RFC 9068 section 2.2, RFC 7519 section 4.1.
func TestRequiredClaims(t *testing.T) {
	rows := make(map[string]attack)
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		rows[name+" missing"] = attack{signed(claims(object{name: removed{}})), MissingClaim}
		for _, value := range []any{nil, true, "", object{}, []any{}, []any{nil}} {
			rows[name+" is "+toJSON(value)] = attack{signed(claims(object{name: value})), MalformedClaims}
		}
	}
	for _, name := range []string{"iss", "sub", "client_id", "jti"} {
		rows[name+" is a number"] = attack{signed(claims(object{name: 7})), MalformedClaims}
		rows[name+" is an array of one"] = attack{signed(claims(object{name: []string{issuerA}})), MalformedClaims}
	}
	refuseAll(t, rows)
}

// RFC 9068 section 4, RFC 7519 section 2: iss is compared byte for byte.
func TestIssuersAreComparedExactly(t *testing.T) {
	rows := make(map[string]attack)
	for _, iss := range []string{
		"https://c.example", issuerA + "/", "HTTPS://a.example", "https://A.example", "http://a.example", "https://a.example:443",
		issuerA + " ", " " + issuerA, issuerA + "\x00", "https://a.example.", "https://a.example@b.example", issuerA + "?", "https://а.example",
	} {
		rows[toJSON(iss)] = attack{signed(claims(object{"iss": iss})), UnknownIssuer}
	}
	refuseAll(t, rows)
}

// RFC 7519 sections 4.1.4 to 4.1.6, with 30 s of leeway and 60 s for iat.
func TestTimes(t *testing.T) {
	const year9999 = 253402300799
	v := newVerifier(t)
	for name, row := range map[string]struct {
		changes object
		reason  Reason
	}{
		"exp now":                          {object{"exp": at(0)}, ""},
		"exp within the leeway":            {object{"exp": at(-29 * time.Second)}, ""},
		"exp at the end of the leeway":     {object{"exp": at(-30 * time.Second)}, Expired},
		"exp a fraction before that":       {object{"exp": float64(at(-30*time.Second)) + 0.5}, ""},
		"exp long ago":                     {object{"exp": at(-time.Hour), "iat": at(-2 * time.Hour)}, Expired},
		"exp 0":                            {object{"exp": 0, "iat": 0}, Expired},
		"exp as a float":                   {object{"exp": number("1.8e9")}, ""},
		"exp as an exponent":               {object{"exp": number("18E+8")}, ""},
		"exp in the year 9999":             {object{"exp": year9999}, ""},
		"exp after that":                   {object{"exp": year9999 + 1}, MalformedClaims},
		"exp beyond 2262, in nanoseconds":  {object{"exp": 9223372037}, ""},
		"exp that overflows to the past":   {object{"exp": 18446744073}, ""},
		"exp negative":                     {object{"exp": -1, "iat": 0}, MalformedClaims},
		"exp of int64":                     {object{"exp": number("9223372036854775807")}, MalformedClaims},
		"exp of int64 and one":             {object{"exp": number("9223372036854775808")}, MalformedClaims},
		"exp of uint64":                    {object{"exp": number("18446744073709551615")}, MalformedClaims},
		"exp 1e300":                        {object{"exp": number("1e300")}, MalformedClaims},
		"exp 1e400":                        {object{"exp": number("1e400")}, MalformedClaims},
		"exp -1e400":                       {object{"exp": number("-1e400")}, MalformedClaims},
		"exp 1e999999999":                  {object{"exp": number("1e999999999")}, MalformedClaims},
		"exp 1e-400":                       {object{"exp": number("1e-400"), "iat": 0}, Expired},
		"exp of 9,000 digits":              {object{"exp": number(strings.Repeat("9", 9000))}, MalformedClaims},
		"exp with 9,000 decimals":          {object{"exp": number("1800000000." + strings.Repeat("9", 9000))}, ""},
		"exp string":                       {object{"exp": toJSON(at(time.Hour))}, MalformedClaims},
		"exp date":                         {object{"exp": "2030-01-01T00:00:00Z"}, MalformedClaims},
		"exp array of one":                 {object{"exp": []int64{at(time.Hour)}}, MalformedClaims},
		"exp false":                        {object{"exp": false}, MalformedClaims},
		"nbf missing":                      {object{}, ""},
		"nbf past":                         {object{"nbf": at(-time.Minute)}, ""},
		"nbf at the end of the leeway":     {object{"nbf": at(30 * time.Second)}, ""},
		"nbf beyond the leeway":            {object{"nbf": at(31 * time.Second)}, NotYetValid},
		"nbf string":                       {object{"nbf": toJSON(at(0))}, MalformedClaims},
		"nbf null":                         {object{"nbf": nil}, MalformedClaims},
		"nbf true":                         {object{"nbf": true}, MalformedClaims},
		"nbf 1e400":                        {object{"nbf": number("1e400")}, MalformedClaims},
		"nbf of int64":                     {object{"nbf": number("9223372036854775807")}, MalformedClaims},
		"nbf in the year 9999":             {object{"nbf": year9999}, NotYetValid},
		"iat 60 s ahead":                   {object{"iat": at(time.Minute)}, ""},
		"iat 61 s ahead":                   {object{"iat": at(61 * time.Second)}, IssuedInFuture},
		"iat long ago":                     {object{"iat": 0}, ""},
		"iat as a float":                   {object{"iat": number("1.7e9")}, ""},
		"iat string":                       {object{"iat": toJSON(at(0))}, MalformedClaims},
		"iat negative":                     {object{"iat": -1}, MalformedClaims},
		"iat of int64":                     {object{"iat": number("9223372036854775807")}, MalformedClaims},
		"iat after exp":                    {object{"iat": at(10 * time.Second), "exp": at(5 * time.Second)}, MalformedClaims},
		"iat after exp, both long ago":     {object{"iat": 2, "exp": 1}, MalformedClaims},
		"iat in the year 9999, exp before": {object{"iat": year9999}, MalformedClaims},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed(claims(row.changes))
			_, err := v.Verify(context.Background(), token)
			if row.reason != "" {
				wantRefusal(t, err, row.reason, token)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// number is written to JSON unchanged.
type number string

func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// The leeway is at most a minute, and 30 s unless an issuer has its own.
func TestLeewayOfTheIssuer(t *testing.T) {
	for leeway, want := range map[time.Duration]time.Duration{
		0: DefaultLeeway, time.Nanosecond: 0, 10 * time.Second: 10 * time.Second, time.Minute: MaxLeeway,
	} {
		clock := now
		v := newTwins(t, func() time.Time { return clock }, Options{
			URL: issuerA, Algorithms: []string{"ES256"}, Leeway: leeway,
			Keys: keySet{ecKID: publicKey(t, ecKID, "ES256", private().ecA.Public())},
		})
		token := goodToken()
		clock = now.Add(time.Hour + want - time.Nanosecond)
		if _, err := v.Verify(context.Background(), token); err != nil {
			t.Errorf("leeway %s: %v", leeway, err)
		}
		clock = now.Add(time.Hour + want + time.Nanosecond)
		_, err := v.Verify(context.Background(), token)
		wantRefusal(t, err, Expired, token)
	}
}

// RFC 7519 section 4.1.3: one string, or an array of strings.
func TestAudienceForms(t *testing.T) {
	malformed := func(aud any) attack { return attack{signed(claims(object{"aud": aud})), MalformedClaims} }
	refuseAll(t, map[string]attack{
		"number":                   malformed(1),
		"array of numbers":         malformed([]any{1}),
		"array of mixed types":     malformed([]any{"orders-api", 1}),
		"array with null":          malformed([]any{"orders-api", nil}),
		"array with the empty one": malformed([]any{"orders-api", ""}),
		"array of arrays":          malformed([]any{[]any{"orders-api"}}),
		"object":                   malformed(object{"orders-api": true}),
	})
	for _, aud := range []any{"orders-api", []string{"orders-api"}, []string{"x", "orders-api"}} {
		got, err := newVerifier(t).Verify(context.Background(), signed(claims(object{"aud": aud})))
		if err != nil || !got.HasAudience("orders-api") {
			t.Errorf("%v: %v", aud, err)
		}
	}
}

// RFC 6749 section 3.3.
func TestScopeForms(t *testing.T) {
	rows := make(map[string]attack)
	for _, scope := range []any{
		"a\tb", "a \t b", "a\nb", "a\u00a0b", "a\u2003b", "a,\u3000b", `a"b`, `a\b`, "é", "a\x00", "\x7f", "\ufeffa",
		nil, 1, true, []string{"orders.read"}, []any{}, object{},
	} {
		rows[toJSON(scope)] = attack{signed(claims(object{"scope": scope})), MalformedClaims}
	}
	refuseAll(t, rows)
	got, err := newVerifier(t).Verify(context.Background(), signed(claims(object{"scope": "orders.read a,b !#[]~"})))
	if err != nil || len(got.Scope) != 3 || !got.HasScope("a,b") || got.HasScope("a") {
		t.Errorf("%+v, %v", got, err)
	}
}

// RFC 7800 section 3, RFC 8705 section 3, RFC 9449 section 7.
func TestSenderConstrainedTokensAreNoBearerTokens(t *testing.T) {
	rows := make(map[string]attack)
	for _, cnf := range []any{object{"x5t#S256": "AAAA"}, object{"jkt": "AAAA"}, object{"jwk": object{}}, object{"unknown": 1}, object{}, nil, "x"} {
		rows[toJSON(cnf)] = attack{signed(claims(object{"cnf": cnf})), UnsupportedConfirm}
	}
	refuseAll(t, rows)
}

// RFC 8725 sections 2.8 and 3.12, RFC 9068 section 5: substitutes with a false type, also
// with an issuer whose access tokens are plain JWTs.
func TestOtherTokensAreNoAccessTokens(t *testing.T) {
	idToken := object{"client_id": removed{}, "jti": removed{}, "scope": removed{}, "nonce": "n", "auth_time": at(0), "azp": "orders-worker"}
	assertion := object{"iss": "orders-worker", "client_id": removed{}, "scope": removed{}, "aud": issuerA}
	logout := object{"client_id": removed{}, "events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}}
	introspection := object{"token_introspection": goodClaims(), "sub": removed{}, "exp": removed{}}
	rows := make(map[string]attack)
	for name, row := range map[string]struct {
		changes object
		reason  Reason
	}{
		"ID token":               {idToken, MissingClaim},
		"client assertion":       {assertion, UnknownIssuer},
		"logout token":           {logout, MissingClaim},
		"introspection response": {introspection, MissingClaim},
	} {
		for typ, iss := range map[string]string{"at+jwt": issuerA, "JWT": issuerB} {
			base, key := goodClaims(), map[string]*ecdsa.PrivateKey{issuerA: private().ecA, issuerB: private().ecB}[iss]
			base["iss"] = iss
			rows[name+" as "+typ] = attack{compact(header(object{"typ": typ}), edit(base, row.changes), byEC(key)), row.reason}
		}
	}
	refuseAll(t, rows)
}

func TestNoClaimsHaveNothing(t *testing.T) {
	for _, c := range []*Claims{nil, {}} {
		if value, ok := c.Claim("sub"); ok || value != nil || c.HasScope("") || c.HasAudience("") {
			t.Errorf("%+v has something", c)
		}
	}
}

// A client id of spaces would be empty in a header.
func TestClientIDsOfSpacesAreRefused(t *testing.T) {
	v := newVerifier(t)
	for _, id := range []string{"", " ", "\t", "\u00a0"} {
		token := compact(header(nil), claims(object{"client_id": id}), byEC(private().ecA))
		_, err := v.Verify(context.Background(), token)
		wantRefusal(t, err, MalformedClaims, token)
	}
}
