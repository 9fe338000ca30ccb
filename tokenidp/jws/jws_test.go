package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Generating an RSA key takes longer than all the tests; they share one.
var rsaPrivate = sync.OnceValue(func() *rsa.PrivateKey {
	private, err := rsa.GenerateKey(rand.Reader, MinRSABits)
	if err != nil {
		panic(err)
	}
	return private
})

// privateKey is a key that fits alg.
func privateKey(t testing.TB, alg string) crypto.Signer {
	t.Helper()
	switch algorithms[alg].family {
	case ecdsaFixed:
		private, err := ecdsa.GenerateKey(algorithms[alg].curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return private
	case edwards:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return private
	}
	return rsaPrivate()
}

// sign makes a compact JWS with go-jose: an implementation that is not ours.
func sign(t testing.TB, alg string, private crypto.Signer, payload string) string {
	t.Helper()
	opts := new(jose.SignerOptions).WithType("at+jwt").WithHeader("kid", "k1")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: private}, opts)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newKey(t testing.TB, alg string, public crypto.PublicKey) *Key {
	t.Helper()
	key, err := NewKey("k1", alg, public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// verify is what a caller does with a token and the one key that fits it.
func verify(key *Key, token string) error {
	m, err := Parse(token)
	if err != nil {
		return err
	}
	if m.Header.Algorithm != key.Algorithm {
		return ErrAlgorithm
	}
	return key.Verify(m.SigningInput, m.Signature)
}

// RFC 7518 section 3.1, RFC 8037 section 3.1.
func TestEveryAlgorithmVerifiesWhatAnotherLibrarySigned(t *testing.T) {
	if len(Algorithms) != len(algorithms) {
		t.Fatalf("%d algorithms are listed, %d known", len(Algorithms), len(algorithms))
	}
	for _, alg := range Algorithms {
		t.Run(alg, func(t *testing.T) {
			private := privateKey(t, alg)
			token := sign(t, alg, private, `{"sub":"orders-worker"}`)
			m, err := Parse(token)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Header{alg, "k1", "at+jwt", true, true}); m.Header != want {
				t.Errorf("header %+v, want %+v", m.Header, want)
			}
			if m.Payload != `{"sub":"orders-worker"}` {
				t.Errorf("payload %s", m.Payload)
			}
			if err := newKey(t, alg, private.Public()).Verify(m.SigningInput, m.Signature); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whatever has a name is one of the algorithms.
func TestNamesOfAlgorithms(t *testing.T) {
	for _, name := range Names {
		if !Supported(Canonical(name)) || Supported(name) != slices.Contains(Algorithms, name) {
			t.Errorf("%s is %s", name, Canonical(name))
		}
	}
	for _, name := range []string{"", "none", "HS256", "ed25519", "Ed448", "ESP256", "EDDSA"} {
		if Supported(Canonical(name)) {
			t.Errorf("%s is %s", name, Canonical(name))
		}
	}
	if private, err := GeneratePrivate("Ed25519"); err != nil || AlgorithmOf(private.Public()) != "EdDSA" {
		t.Error(err)
	}
}

// RFC 9864 section 2.2: the fully specified name of EdDSA with Ed25519.
func TestEd25519IsEdDSA(t *testing.T) {
	private := privateKey(t, "EdDSA").(ed25519.PrivateKey)
	input := b64(`{"alg":"Ed25519"}`) + "." + b64("x")
	token := input + "." + b64(string(ed25519.Sign(private, []byte(input))))
	for _, alg := range []string{"EdDSA", "Ed25519"} {
		if err := verify(newKey(t, alg, private.Public()), token); err != nil {
			t.Errorf("key for %s: %v", alg, err)
		}
	}
}

// RFC 7515 sections 3 to 5 and 7.1, RFC 8725 section 3.
func TestParseRefuses(t *testing.T) {
	rs256 := b64(`{"alg":"RS256"}`)
	compact := func(header string) string { return b64(header) + ".e30.AAAA" }
	for name, row := range map[string]struct {
		token string
		want  error
	}{
		"nothing":                   {"", ErrNotCompactJWS},
		"one segment":               {rs256, ErrNotCompactJWS},
		"two segments":              {rs256 + ".e30", ErrNotCompactJWS},
		"four segments":             {rs256 + ".e30.AAAA.AAAA", ErrNotCompactJWS},
		"five segments, a JWE":      {b64(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".AA.AA.AA.AA", ErrNotCompactJWS},
		"five empty JWE segments":   {b64(`{"alg":"dir","enc":"A256GCM"}`) + "....", ErrNotCompactJWS},
		"no header":                 {".e30.AAAA", ErrNotCompactJWS},
		"no payload":                {rs256 + "..AAAA", ErrNotCompactJWS},
		"no signature":              {rs256 + ".e30.", ErrNotCompactJWS},
		"JSON serialisation":        {`{"payload":"e30","signatures":[{"protected":"` + rs256 + `","signature":"AAAA"}]}`, ErrNotCompactJWS},
		"flattened serialisation":   {`{"payload":"e30","protected":"` + rs256 + `","signature":"AAAA"}`, ErrNotCompactJWS},
		"JSON with two dots":        {`{"payload":"e30","protected":"` + rs256 + `","signature":"A.A.A"}`, ErrNotCanonical},
		"16 KiB and one byte":       {rs256 + ".e30." + strings.Repeat("A", MaxTokenSize), ErrTooLarge},
		"16 KiB of dots":            {strings.Repeat(".", MaxTokenSize), ErrNotCompactJWS},
		"padding":                   {rs256 + ".e30=.AAAA", ErrNotCanonical},
		"padding of the signature":  {rs256 + ".e30.AAA=", ErrNotCanonical},
		"plus of standard alphabet": {rs256 + ".e30.AA+A", ErrNotCanonical},
		"slash of that alphabet":    {rs256 + ".e30.AA/A", ErrNotCanonical},
		"trailing bits, payload":    {rs256 + ".e31.AAAA", ErrNotCanonical},
		"trailing bits, signature":  {rs256 + ".e30.AB", ErrNotCanonical},
		"trailing bits, header":     {strings.TrimSuffix(b64(`{"alg":"RS256" }`), "Q") + "R.e30.AAAA", ErrNotCanonical},
		"impossible length":         {rs256 + ".e30.AAAAA", ErrNotCanonical},
		"space":                     {rs256 + ".e30.AA AA", ErrNotCanonical},
		"leading space":             {" " + rs256 + ".e30.AAAA", ErrNotCanonical},
		"line feed":                 {rs256 + ".e30.AA\nAA", ErrNotCanonical},
		"carriage return":           {rs256 + ".e30.AAAA\r", ErrNotCanonical},
		"NUL":                       {rs256 + ".e30.AAAA\x00", ErrNotCanonical},
		"percent":                   {rs256 + ".e30.AA%41", ErrNotCanonical},
		"not ASCII":                 {rs256 + ".e30.AAAÅ", ErrNotCanonical},
		"header is null":            {compact(`null`), ErrHeader},
		"header is an array":        {compact(`[]`), ErrHeader},
		"header is a string":        {compact(`"RS256"`), ErrHeader},
		"header is not JSON":        {compact(`alg`), ErrHeader},
		"header is not UTF-8":       {compact("{\"alg\":\"RS256\",\"x\":\"\xff\"}"), ErrHeader},
		"header with trailing data": {compact(`{"alg":"RS256"}{}`), ErrHeader},
		"header repeats alg":        {compact(`{"alg":"RS256","alg":"RS256"}`), ErrHeader},
		"header repeats unknown":    {compact(`{"alg":"RS256","x":{"a":1,"a":1}}`), ErrHeader},
		"header too deep":           {compact(`{"alg":"RS256","x":` + strings.Repeat("[", 5000) + `}`), ErrHeader},
		"alg missing":               {compact(`{}`), ErrAlgorithm},
		"alg in upper case":         {compact(`{"ALG":"RS256"}`), ErrAlgorithm},
		"alg null":                  {compact(`{"alg":null}`), ErrAlgorithm},
		"alg number":                {compact(`{"alg":256}`), ErrAlgorithm},
		"alg array":                 {compact(`{"alg":["RS256"]}`), ErrAlgorithm},
		"alg empty":                 {compact(`{"alg":""}`), ErrAlgorithm},
		"alg none":                  {compact(`{"alg":"none"}`), ErrAlgorithm},
		"alg None":                  {compact(`{"alg":"None"}`), ErrAlgorithm},
		"alg nOnE":                  {compact(`{"alg":"nOnE"}`), ErrAlgorithm},
		"alg none with a space":     {compact(`{"alg":"none "}`), ErrAlgorithm},
		"alg rs256":                 {compact(`{"alg":"rs256"}`), ErrAlgorithm},
		"alg HS256":                 {compact(`{"alg":"HS256"}`), ErrAlgorithm},
		"alg ES256K":                {compact(`{"alg":"ES256K"}`), ErrAlgorithm},
		"alg of encryption":         {compact(`{"alg":"RSA-OAEP"}`), ErrAlgorithm},
		"kid number":                {compact(`{"alg":"RS256","kid":1}`), ErrHeader},
		"kid null":                  {compact(`{"alg":"RS256","kid":null}`), ErrHeader},
		"kid array":                 {compact(`{"alg":"RS256","kid":["a"]}`), ErrHeader},
		"kid object":                {compact(`{"alg":"RS256","kid":{"a":"b"}}`), ErrHeader},
		"kid too long":              {compact(`{"alg":"RS256","kid":"` + strings.Repeat("a", 257) + `"}`), ErrHeader},
		"typ number":                {compact(`{"alg":"RS256","typ":1}`), ErrHeader},
		"typ null":                  {compact(`{"alg":"RS256","typ":null}`), ErrHeader},
		"crit unknown":              {compact(`{"alg":"RS256","crit":["x"],"x":1}`), ErrCritical},
		"crit empty":                {compact(`{"alg":"RS256","crit":[]}`), ErrCritical},
		"crit null":                 {compact(`{"alg":"RS256","crit":null}`), ErrCritical},
		"crit string":               {compact(`{"alg":"RS256","crit":"exp"}`), ErrCritical},
		"crit names alg":            {compact(`{"alg":"RS256","crit":["alg"]}`), ErrCritical},
		"crit repeats":              {compact(`{"alg":"RS256","crit":["x","x"],"x":1}`), ErrCritical},
		"crit b64":                  {compact(`{"alg":"RS256","b64":true,"crit":["b64"]}`), ErrCritical},
		"b64 false without crit":    {compact(`{"alg":"RS256","b64":false}`), ErrHeader},
		"b64 true without crit":     {compact(`{"alg":"RS256","b64":true}`), ErrHeader},
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := Parse(row.token); m != nil || !errors.Is(err, row.want) {
				t.Errorf("%v, error %v, want %v", m, err, row.want)
			}
		})
	}
}

// RFC 7515 section 4.1.4: kid is an opaque string.
func TestParseKeepsTheKeyIDAsItIs(t *testing.T) {
	for _, kid := range []string{
		"", " k1", "K1", "../../etc/passwd", `{env.SECRET}`, "https://attacker.example/jwks", "a\x00b", "a\r\nb",
		"' OR 1=1 --", "\u212a1", strings.Repeat("a", MaxKeyIDSize),
	} {
		escaped := strings.NewReplacer("\x00", `\u0000`, "\r", `\r`, "\n", `\n`).Replace(kid)
		m, err := Parse(b64(`{"alg":"ES256","kid":"`+escaped+`"}`) + ".e30.AAAA")
		if err != nil || m.Header.KeyID != kid || !m.Header.HasKeyID || m.Header.HasType {
			t.Errorf("%q: %+v, %v", kid, m, err)
		}
	}
	if m, err := Parse(b64(`{"alg":"ES256","KID":"a","Kid":"b"}`) + ".e30.AAAA"); err != nil || m.Header.HasKeyID {
		t.Errorf("%+v, %v", m, err)
	}
}

// RFC 7515 section 4: parameters that are not understood are ignored, whatever they
// hold. The three bytes of the payload are what they are.
func TestParseIgnoresWhatItDoesNotUse(t *testing.T) {
	for _, member := range []string{
		`"zip":"NONE"`, `"zip":"DEF"`, `"zip":null`, `"cty":"JWT"`, `"cty":"json"`, `"cty":1`, `"enc":"A256GCM"`, `"p2c":2147483647`,
		`"epk":{}`, `"x5t":[]`, `"x5t#S256":""`, `"nonce":"n"`, `"url":1`, `"x":{"y":[null]}`, `"":""`, `"iss":"a"`, `"ALG":"none"`,
	} {
		m, err := Parse(b64(`{"alg":"ES256","kid":"a",`+member+`}`) + ".e30.AAAA")
		if err != nil || m.Header != (Header{Algorithm: "ES256", KeyID: "a", HasKeyID: true}) || m.Payload != "{}" {
			t.Errorf("%s: %+v, %v", member, m, err)
		}
	}
}

// RFC 9449 section 4.2: a proof brings its key, so that no kid names it.
func TestParseProofIgnoresKeyIDs(t *testing.T) {
	for _, kid := range []string{`1`, `null`, `"a"`, `"` + strings.Repeat("a", 257) + `"`} {
		jwk := string(with(members(t, "ES256"), object{"kid": "?"}))
		header := `{"alg":"ES256","kid":` + kid + `,"jwk":` + strings.Replace(jwk, `"?"`, kid, 1) + `}`
		m, key, err := ParseProof(b64(header) + ".e30.AAAA")
		if err != nil || key.ID != "" || m.Header.HasKeyID {
			t.Errorf("%s: %+v, %+v, %v", kid, m, key, err)
		}
	}
}

// RFC 8725 section 3.10: a key or its address that comes with a token is not a key.
func TestParseIgnoresKeysInTheHeader(t *testing.T) {
	m, err := Parse(b64(`{"alg":"ES256","jwk":{"kty":"EC"},"jku":"https://a.example","x5u":1,"x5c":null,"x5t":"x"}`) + ".e30.AAAA")
	if err != nil || m.Header != (Header{Algorithm: "ES256"}) {
		t.Errorf("%+v, %v", m, err)
	}
}

// Splitting at each dot of a long request is how others ran out of memory.
func TestParseRefusesFloodsOfDotsWithoutAllocating(t *testing.T) {
	for _, token := range []string{strings.Repeat(".", 900_000), strings.Repeat("A.", MaxTokenSize/2)} {
		if n := testing.AllocsPerRun(10, func() { _, _ = Parse(token) }); n != 0 {
			t.Errorf("%d bytes: %v allocations", len(token), n)
		}
	}
}

// RFC 7515 section 5.2.
func TestVerifyRefusesChangedTokens(t *testing.T) {
	for _, alg := range Algorithms {
		private := privateKey(t, alg)
		key, token := newKey(t, alg, private.Public()), sign(t, alg, private, `{"sub":"a"}`)
		m, err := Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		good := m.Signature
		for name, signature := range map[string][]byte{
			"empty":             nil,
			"first half":        good[:len(good)/2],
			"second half":       good[len(good)/2:],
			"last byte dropped": good[:len(good)-1],
			"leading zero":      append([]byte{0}, good...),
			"trailing zero":     append(good[:len(good):len(good)], 0),
			"twice":             append(good[:len(good):len(good)], good...),
			"all zero":          make([]byte, len(good)),
			"all 0xff":          []byte(strings.Repeat("\xff", len(good))),
			"one bit":           append([]byte{good[0] ^ 1}, good[1:]...),
		} {
			if err := key.Verify(m.SigningInput, signature); !errors.Is(err, ErrSignature) {
				t.Errorf("%s, %s: %v", alg, name, err)
			}
		}
		if err := key.Verify(m.SigningInput[1:], good); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, other input: %v", alg, err)
		}
	}
}

// RFC 7518 section 3.5: the salt is as long as the hash.
func TestVerifyRefusesOtherSaltLengths(t *testing.T) {
	key, input := newKey(t, "PS256", rsaPrivate().Public()), "input"
	for size, want := range map[int]error{
		crypto.SHA256.Size():  nil,
		rsa.PSSSaltLengthAuto: ErrSignature, // as long as the modulus allows
		20:                    ErrSignature, 31: ErrSignature, 33: ErrSignature, 64: ErrSignature,
	} {
		signature, err := rsa.SignPSS(rand.Reader, rsaPrivate(), crypto.SHA256, algorithms["PS256"].digest([]byte(input)), &rsa.PSSOptions{SaltLength: size})
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(input, signature); !errors.Is(err, want) {
			t.Errorf("salt of %d bytes: %v", size, err)
		}
	}
}

// RFC 7518 section 3.4: r and s are numbers from 1 to n-1 of fixed length, not ASN.1.
func TestVerifyReadsFixedLengthECDSA(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		private := privateKey(t, alg).(*ecdsa.PrivateKey)
		key, input := newKey(t, alg, private.Public()), "input"
		size := (private.Params().BitSize + 7) / 8
		der, err := ecdsa.SignASN1(rand.Reader, private, algorithms[alg].digest([]byte(input)))
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(input, der); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, DER: %v", alg, err)
		}
		r, s, err := ecdsa.Sign(rand.Reader, private, algorithms[alg].digest([]byte(input)))
		if err != nil {
			t.Fatal(err)
		}
		for sSize, want := range map[int]error{size: nil, size + 1: ErrSignature} {
			signature := append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, sSize))...)
			if err := key.Verify(input, signature); !errors.Is(err, want) {
				t.Errorf("%s, s of %d bytes: %v", alg, sSize, err)
			}
		}
		number := func(v byte) []byte { return append(make([]byte, size-1), v) }
		n := private.Params().N.FillBytes(make([]byte, size))
		for _, r := range [][]byte{number(0), number(1), n} {
			for _, s := range [][]byte{number(0), number(1), n} {
				if err := key.Verify(input, append(append([]byte{}, r...), s...)); !errors.Is(err, ErrSignature) {
					t.Errorf("%s, r=%x s=%x: %v", alg, r, s, err)
				}
			}
		}
	}
}

// RFC 8725 section 3.1: a key works with its one algorithm and no other.
func TestVerifyRefusesKeysThatSkippedTheGate(t *testing.T) {
	input := "input"
	for _, key := range []*Key{
		{},
		{Algorithm: "RS256"},
		{Algorithm: "none", Public: rsaPrivate().Public()},
		{Algorithm: "HS256", Public: []byte("secret")},
		{Algorithm: "ES256", Public: rsaPrivate().Public()},
		{Algorithm: "RS256", Public: privateKey(t, "ES256").Public()},
		{Algorithm: "ES384", Public: privateKey(t, "ES256").Public()},
		{Algorithm: "RS256", Public: privateKey(t, "EdDSA").Public()},
		{Algorithm: "EdDSA", Public: ed25519.PublicKey("short")},
		{Algorithm: "ES256", Public: &ecdsa.PublicKey{Curve: elliptic.P224()}},
	} {
		for _, size := range []int{0, 32, 56, 64, 96, 256} {
			if err := key.Verify(input, make([]byte, size)); !errors.Is(err, ErrSignature) {
				t.Errorf("%+v: %v", key, err)
			}
		}
	}
}

// RFC 7518 section 3.4: a curve per algorithm.
func TestVerifyRefusesAnotherCurve(t *testing.T) {
	private, input := privateKey(t, "ES256").(*ecdsa.PrivateKey), "input"
	r, s, err := ecdsa.Sign(rand.Reader, private, algorithms["ES384"].digest([]byte(input)))
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	if err := (&Key{Algorithm: "ES384", Public: private.Public()}).Verify(input, signature); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
}

// Nothing panics, and what is accepted has exactly one spelling.
func FuzzParse(f *testing.F) {
	ed := privateKey(f, "EdDSA")
	for _, seed := range []string{
		sign(f, "EdDSA", ed, `{"sub":"a"}`), sign(f, "ES256", privateKey(f, "ES256"), "x"),
		"", "..", ".....", b64(`{"alg":"none"}`) + ".e30.", b64(`{"alg":"RS256","crit":["b64"],"b64":false}`) + ".e30.AA",
		b64(`{"alg":"RS256","kid":1}`) + ".e30.AAAA", b64(`{"alg":"Ed25519","typ":"JWT"}`) + ".e30.AB", `{"payload":"e30"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		m, err := Parse(token)
		if err != nil {
			if m != nil {
				t.Fatal("a message beside an error")
			}
			return
		}
		header, _, _ := strings.Cut(token, ".")
		input := header + "." + b64(m.Payload)
		if m.SigningInput != input || token != input+"."+b64(string(m.Signature)) {
			t.Fatalf("%q is not the one spelling of %+v", token, m)
		}
		if !Supported(m.Header.Algorithm) || len(m.Header.KeyID) > MaxKeyIDSize || len(token) > MaxTokenSize {
			t.Fatalf("%+v", m.Header)
		}
	})
}
