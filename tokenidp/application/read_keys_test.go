package application

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// Keys of RFC 7517 appendix A.1, RFC 8037 appendix A and RFC 8032 section 7.1, and the
// private half of the first.
const (
	ecJWK      = `{kty: EC, crv: P-256, x: MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4, y: 4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM, use: sig, kid: "1"}`
	edJWK      = `{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURpo, kid: "2"}`
	otherEdJWK = `{kty: OKP, crv: Ed25519, x: PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw, kid: "2"}`
	ecPrivate  = `870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE`
)

// keyed returns a file with one Application that has these fields.
func keyed(fields string) string {
	return "resources: [{name: a-api, scopes: [{name: a.read}]}]\napplications:\n  - client_id: x\n    scopes: [a.read]\n" + fields
}

const inX = `application "x": `

// RFC 7591 section 2: jwks, jwks_uri, and the method for them.
func TestKeysOfAClient(t *testing.T) {
	for _, row := range []struct{ name, fields, want string }{
		{"inline", "    jwks: {keys: [" + ecJWK + "]}", "private_key_jwt 1 ES256"},
		{"inline in blocks", "    jwks:\n      keys:\n        - kty: OKP\n          crv: Ed25519\n          x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURpo", "private_key_jwt  EdDSA"},
		{"several", "    jwks: {keys: [" + ecJWK + ", " + edJWK + "]}", "private_key_jwt 1 ES256 2 EdDSA"},
		{"one twice", "    jwks: {keys: [" + ecJWK + ", " + edJWK + ", " + ecJWK + "]}", "private_key_jwt 1 ES256 2 EdDSA"},
		{"one kid for two algorithms", "    jwks: {keys: [" + ecJWK + ", " + strings.Replace(edJWK, `"2"`, `"1"`, 1) + "]}", "private_key_jwt 1 ES256 1 EdDSA"},
		{"the method said", "    token_endpoint_auth_method: private_key_jwt\n    jwks: {keys: [" + ecJWK + "]}", "private_key_jwt 1 ES256"},
		{"the algorithm said", "    token_endpoint_auth_signing_alg: ES256\n    jwks: {keys: [" + ecJWK + "]}", "private_key_jwt 1 ES256"},
		{"more members", "    jwks: {keys: [" + strings.Replace(ecJWK, "{", "{key_ops: [verify], x5c: [a, b], ", 1) + "]}", "private_key_jwt 1 ES256"},
		{"URL", "    jwks_uri: https://x.example.com/jwks.json?a=b", "private_key_jwt https://x.example.com/jwks.json?a=b"},
		{"the algorithm said, of RFC 9864", "    token_endpoint_auth_signing_alg: Ed25519\n    jwks: {keys: [" + edJWK + "]}", "private_key_jwt 2 EdDSA"},
		{"the algorithm of the key, of RFC 9864", "    jwks: {keys: [" + strings.Replace(edJWK, "kty", "alg: Ed25519, kty", 1) + "]}", "private_key_jwt 2 EdDSA"},
		{"algorithm of a URL, of RFC 9864", "    token_endpoint_auth_signing_alg: Ed25519\n    jwks_uri: https://x.example.com", "private_key_jwt https://x.example.com EdDSA"},
		{"algorithm of a URL", "    token_endpoint_auth_signing_alg: PS256\n    jwks_uri: https://x.example.com", "private_key_jwt https://x.example.com PS256"},
		{"inactive, without any", "    active: false", ""},
		{"inactive, with the method", "    active: false\n    token_endpoint_auth_method: private_key_jwt", "private_key_jwt"},
		{"inactive, without its file", "    active: false\n    jwks_file: none.pem", "private_key_jwt"},
	} {
		t.Run(row.name, func(t *testing.T) {
			set := mustLoad(t, keyed(row.fields))
			a, _ := set.Application("x")
			got := []string{a.TokenEndpointAuthMethod}
			for _, key := range a.Keys {
				got = append(got, key.ID, key.Algorithm)
			}
			if p := a.PublishedKeys; p.URL != "" {
				got = append(got, strings.TrimSpace(p.URL+" "+p.Algorithm))
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("got %q, want %s", got, row.want)
			}
			if row.want != "" && (a.Accepts(AuthMethodBasic) || !a.Accepts(AuthMethodPrivateKeyJWT)) {
				t.Error("it accepts another method than its own")
			}
		})
	}
}

// An Application authenticates in one way, and names it. No field of another way is
// ignored. No error repeats a key.
func TestKeyErrors(t *testing.T) {
	const notUsable = `jwks: key "1" is not usable: key 0 (kid "1"): unusable key: `
	const onlyPublic = "; only public keys that verify signatures belong here"
	const noSecretGiven = "secrets is missing; it could never authenticate: add one, or write `active: false`"
	const notContent = "jwks_file must be the path of a file with a JWK Set, or with public keys as PEM, not what is in it"
	for _, row := range []struct{ name, fields, want string }{
		{"secret and keys", "    secrets: [{id: a, hash: " + validHash + "}]\n    jwks: {keys: [" + ecJWK + "]}", `a.yaml:6: ` + inX + `has both secrets in line 5 and jwks in line 6; it authenticates in one way, so keep one of them`},
		{"keys and secret", "    jwks_uri: https://x.example.com\n    secrets: []", `a.yaml:5: ` + inX + `has both secrets in line 6 and jwks_uri in line 5; it authenticates in one way, so keep one of them` + "\na.yaml:6: " + inX + "secrets is empty; it could never authenticate: add one, or write `active: false`"},
		{"keys here and there", "    jwks_uri: https://x.example.com\n    jwks: {keys: [" + ecJWK + "]}", `a.yaml:5: ` + inX + `has both jwks in line 6 and jwks_uri in line 5; it authenticates in one way, so keep one of them`},
		{"method of secrets", "    token_endpoint_auth_method: client_secret_post\n    jwks: {keys: [" + ecJWK + "]}", `a.yaml:5: ` + inX + `token_endpoint_auth_method is client_secret_post, but jwks in line 6 is for private_key_jwt or self_signed_tls_client_auth; remove one of them`},
		{"method of keys", "    token_endpoint_auth_method: private_key_jwt\n    secrets: [{id: a, hash: " + validHash + "}]", `a.yaml:5: ` + inX + `token_endpoint_auth_method is private_key_jwt, but secrets in line 6 is for client_secret_basic or client_secret_post; remove one of them`},
		{"method without keys", "    token_endpoint_auth_method: private_key_jwt", `a.yaml:3: ` + inX + "private_key_jwt needs one of jwks, jwks_file, jwks_uri, federated; it could never authenticate: add one, or write `active: false`"},
		{"nothing", "", `a.yaml:3: ` + inX + noSecretGiven},
		{"algorithm of secrets", "    token_endpoint_auth_signing_alg: ES256\n    secrets: [{id: a, hash: " + validHash + "}]", `a.yaml:5: ` + inX + `token_endpoint_auth_signing_alg has no effect beside secrets, which is no key of the client; remove it`},
		{"symmetric algorithm", "    token_endpoint_auth_signing_alg: HS256\n    jwks: {keys: [" + ecJWK + "]}", `a.yaml:5: ` + inX + `token_endpoint_auth_signing_alg has the unknown "HS256"; did you mean "RS256"? known: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519`},
		{"algorithm of another family", "    token_endpoint_auth_signing_alg: RS256\n    jwks: {keys: [" + ecJWK + "]}", `a.yaml:6: ` + inX + notUsable + "alg is missing, and the key fits none of RS256" + onlyPublic},

		{"private key", "    jwks: {keys: [" + strings.Replace(ecJWK, "{", "{d: "+ecPrivate+", ", 1) + "]}", `a.yaml:5: ` + inX + notUsable + `private member "d" is present` + onlyPublic},
		{"symmetric key", `    jwks: {keys: [{kty: oct, k: ` + ecPrivate + `, kid: "1"}]}`, `a.yaml:5: ` + inX + notUsable + `private member "k" is present` + onlyPublic},
		{"key for encryption", "    jwks: {keys: [" + strings.Replace(ecJWK, "use: sig", "use: enc", 1) + "]}", `a.yaml:5: ` + inX + notUsable + `use is not "sig"` + onlyPublic},
		{"not on the curve", "    jwks: {keys: [" + strings.Replace(ecJWK, "x: MKB", "x: MKC", 1) + "]}", ""},
		{"a curve without signatures", `    jwks: {keys: [{kty: OKP, crv: X25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURpo, kid: "1"}]}`, `a.yaml:5: ` + inX + notUsable + "crv is not Ed25519" + onlyPublic},
		{"no keys", "    jwks: {keys: []}", `a.yaml:5: ` + inX + "jwks: keys is empty; it could never authenticate: add a public key, or write `active: false`"},
		{"no set", "    jwks: {}", `a.yaml:5: ` + inX + "jwks: keys is missing; it could never authenticate: add a public key, or write `active: false`"},
		{"a list for a set", "    jwks: [" + ecJWK + "]", `a.yaml:5: ` + inX + `jwks: must be a mapping with the fields keys`},
		{"a set as text", `    jwks: '{"keys":[]}'`, `a.yaml:5: ` + inX + `jwks: must be a mapping with the fields keys`},
		{"null", "    jwks:", `a.yaml:5: ` + inX + `jwks is null; give it a value or leave it out`},
		{"more than keys", "    jwks: {keys: [" + ecJWK + "], more: 1}", `a.yaml:5: ` + inX + `jwks: unknown field "more"; known: keys`},
		{"a kid twice", "    jwks:\n      keys:\n        - " + edJWK + "\n        - " + otherEdJWK, `a.yaml:8: ` + inX + `jwks: kid "2" is that of another key of EdDSA already; each needs a kid of its own`},
		{"a member twice", "    jwks: {keys: [" + strings.Replace(ecJWK, "{", "{kid: b, ", 1) + "]}", `a.yaml:5: ` + inX + `jwks: field "kid" is repeated; it was in line 5 already`},
		{"a member that is null", "    jwks: {keys: [" + strings.Replace(ecJWK, "{", "{alg: ~, ", 1) + "]}", `a.yaml:5: ` + inX + `jwks: key "1" is null; give it a value or leave it out`},
		{"an alias", "    jwks: {keys: [&a " + ecJWK + "]}", `a.yaml:5: ` + inX + `jwks: keys has an anchor (&), which is not accepted; write the value out where it is needed`},
		{"a number that YAML knows alone", "    jwks: {keys: [" + strings.Replace(ecJWK, "{", "{n: 0x1F, ", 1) + "]}", `a.yaml:5: ` + inX + `jwks: key "1" must be text, a number as JSON has it, true, false, a list or a mapping; quote text that YAML takes for something else`},

		{"plain HTTP", "    jwks_uri: http://x.example.com", `a.yaml:5: ` + inX + `jwks_uri must be https: whoever is on the way could put keys of his own there`},
		{"a private key for its file", "    jwks_file: |\n      -----BEGIN PRIVATE KEY-----\n      " + ecPrivate + "\n      -----END PRIVATE KEY-----", `a.yaml:5: ` + inX + notContent},
		{"a private key for its file, in one line", `    jwks_file: "-----BEGIN PRIVATE KEY----- ` + ecPrivate + ` -----END PRIVATE KEY-----"`, `a.yaml:5: ` + inX + notContent},
		{"a set for its file", `    jwks_file: '{"keys":[{"kty":"EC","d":"` + ecPrivate + `"}]}'`, `a.yaml:5: ` + inX + notContent},
		{"no file", `    jwks_file: ""`, `a.yaml:5: ` + inX + notContent},
		{"a path", "    jwks_uri: keys.json", `a.yaml:5: ` + inX + `jwks_uri must be the URL of a JWK Set, such as https://worker.example.com/jwks.json`},
		{"a user in the URL", "    jwks_uri: https://a:b@x.example.com", `a.yaml:5: ` + inX + `jwks_uri must have no user and no fragment`},
		{"a fragment in the URL", "    jwks_uri: https://x.example.com/#a", `a.yaml:5: ` + inX + `jwks_uri must have no user and no fragment`},
		{"a URL that is a list", "    jwks_uri: [https://x.example.com]", `a.yaml:5: ` + inX + `jwks_uri must be a string`},
		{"too many keys", "    jwks: {keys: [" + manyKeys(mostKeys+1) + "]}", `a.yaml:3: ` + inX + `it has 21 keys; at most 20 are accepted`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, failure := loadText(t, keyed(row.fields))
			if row.want == "" && failure != "" {
				return // the text of the library
			}
			if failure != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", failure, row.want)
			}
			if strings.Contains(failure, ecPrivate) {
				t.Error("the error repeats a private key")
			}
		})
	}
}

// manyKeys returns a list of that many keys.
func manyKeys(n int) (list string) {
	for i := range n {
		list += strings.Replace(edJWK, `"2"`, fmt.Sprintf(`"k%d"`, i), 1) + ", "
	}
	return list
}

// A JWK Set, or PEM in the form of openssl.
func TestKeysFile(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, data []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := func(key crypto.Signer) string {
		data, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return block("PUBLIC KEY", data)
	}
	ecSet := `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}`
	const place = `a.yaml:5: ` + inX + `file keys/x: `
	for _, row := range []struct{ name, content, fields, keys, want string }{
		{"set", ecSet, "", "1 ES256", ""},
		{"set, indented", "\n\t " + ecSet + "\n", "", "1 ES256", ""},
		{"set, with a byte order mark", "\uFEFF" + ecSet, "", "1 ES256", ""},
		{"public keys, with a byte order mark", "\uFEFF" + public(key) + public(key), "", " RS256  RS256", ""},
		{"public key", public(key), "", " RS256", ""},
		{"public key, PS256", public(key), "    token_endpoint_auth_signing_alg: PS256\n", " PS256", ""},
		{"public key of PKCS #1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), "", " RS256", ""},
		{"text around", "subject=/CN=x\n" + public(key) + "end\n", "", " RS256", ""},
		{"two", public(key) + public(key), "", " RS256  RS256", ""},
		{"private key", block("PRIVATE KEY", []byte("x")), "", "", place + "has a private key, which belongs to the client alone; put its public half here: openssl pkey -in key.pem -pubout"},
		{"private key of PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "", "", place + "has a private key, which belongs to the client alone; put its public half here: openssl pkey -in key.pem -pubout"},
		{"private key after a public one", public(key) + block("EC PRIVATE KEY", []byte("x")), "", "", place + "has a private key, which belongs to the client alone; put its public half here: openssl pkey -in key.pem -pubout"},
		{"private JWK", strings.Replace(ecSet, `"kid"`, `"d":"`+ecPrivate+`","kid"`, 1), "", "", place + `key 0 (kid "1"): unusable key: private member "d" is present; only public keys that verify signatures belong here`},
		{"weak key", public(weak), "", "", place + "unusable key: RSA modulus has 1024 bits, not 2048 to 8192"},
		{"another curve", public(p224), "", "", place + "unusable key: it is of the curve P-224; RSA, P-256, P-384, P-521 and Ed25519 are accepted"},
		{"another curve for an algorithm", public(p224), "    token_endpoint_auth_signing_alg: ES256\n", "", place + "unusable key: it is of the curve P-224; RSA, P-256, P-384, P-521 and Ed25519 are accepted"},
		{"key of another family", public(key), "    token_endpoint_auth_signing_alg: ES256\n", "", place + "unusable key: type or curve does not fit the algorithm"},
		{"request for a certificate", block("CERTIFICATE REQUEST", []byte("x")), "", "", place + `has a PEM block of the type "CERTIFICATE REQUEST"; PUBLIC KEY and CERTIFICATE are accepted`},
		{"words", "my key", "", "", place + `must have a JWK Set, {"keys": [ … ]}, or public keys or certificates as PEM`},
		{"nothing", "", "", "", place + `must have a JWK Set, {"keys": [ … ]}, or public keys or certificates as PEM`},
		{"one JWK", `{"kty":"EC"}`, "", "", place + `unusable key set: "keys" is not an array`},
		{"empty set", `{"keys":[]}`, "", "", place + `there is no key in it`},
		{"too large", strings.Repeat(" ", mostKeysFile+1), "", "", strings.TrimSuffix(place, ": ") + ` is larger than 262144 bytes`},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := write(t, map[string]string{"a.yaml": keyed("    jwks_file: keys/x\n" + row.fields), "keys/x": row.content})
			set, _, failure := loadFrom(dir, "a.yaml")
			if failure != row.want {
				t.Fatalf("got:\n%s\nwant:\n%s", failure, row.want)
			}
			if row.want != "" {
				return
			}
			a, _ := set.Application("x")
			var got []string
			for _, key := range a.Keys {
				got = append(got, key.ID+" "+key.Algorithm)
			}
			if strings.Join(got, " ") != row.keys {
				t.Errorf("got %q, want %q", got, row.keys)
			}
		})
	}
	if _, _, failure := loadText(t, keyed("    jwks_file: none.pem")); failure != `a.yaml:5: `+inX+`file none.pem cannot be read: no such file or directory` {
		t.Error(failure)
	}
}

// RFC 7517 section 5: an unknown entry affects no other key, wherever the set is. A private
// key stays an error: somebody has to move it to a safe place.
func TestKeysOfUnknownTypesAreSkipped(t *testing.T) {
	const akp = `"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AAAA"`
	const ec = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}`
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pemOf := func(public crypto.PublicKey) string {
		data, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: data}))
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const notUsable = `unusable key: kty is not RSA, EC or OKP`
	const onlyPublic = "; only public keys that verify signatures belong here"
	for _, row := range []struct{ name, fields, content, warning, failure string }{
		{"in the file", "jwks: {keys: [{" + akp + "}, " + ec + "]}", "", inX + `jwks: key "pq" is not usable: key 0 (kid "pq"): ` + notUsable + onlyPublic, ""},
		{"in the file, alone", "jwks: {keys: [{" + akp + "}]}", "", "", inX + `jwks: key "pq" is not usable: key 0 (kid "pq"): ` + notUsable + onlyPublic},
		{"beside it", "jwks_file: keys", `{"keys":[` + ec + `,{` + akp + `}]}`, inX + `file keys: skipped key 1 (kid "pq"): ` + notUsable, ""},
		{"beside it, alone", "jwks_file: keys", `{"keys":[{` + akp + `}]}`, "", inX + `file keys: key 0 (kid "pq"): ` + notUsable + onlyPublic},
		{"for encryption", "jwks_file: keys", `{"keys":[` + ec + `,{"use":"enc",` + akp + `}]}`, inX + `file keys: skipped key 1 (kid "pq"): unusable key: use is not "sig"`, ""},
		{"private", "jwks_file: keys", `{"keys":[` + ec + `,{` + akp + `},{"priv":"` + ecPrivate + `",` + akp + `}]}`, "", inX + `file keys: key 2 (kid "pq"): unusable key: private member "priv" is present` + onlyPublic},
		{"private, in the file", "jwks: {keys: [" + ec + `,{"priv":"` + ecPrivate + `",` + akp + `}]}`, "", "", inX + `jwks: key "pq" is not usable: key 0 (kid "pq"): unusable key: private member "priv" is present` + onlyPublic},
		{"of another curve, in the file", "jwks: {keys: [" + ec + `, {kty: EC, crv: secp256k1, x: AAAA, y: AAAA, kid: k1}]}`, "", inX + `jwks: key "k1" is not usable: key 0 (kid "k1"): unusable key: crv is not P-256, P-384 or P-521` + onlyPublic, ""},
		{"to agree on keys, in the file", "jwks: {keys: [{kty: OKP, crv: X25519, x: AAAA, kid: x1}, " + ec + "]}", "", inX + `jwks: key "x1" is not usable: key 0 (kid "x1"): unusable key: crv is not Ed25519` + onlyPublic, ""},
		{"for encryption, in the file", "jwks: {keys: [" + ec + "," + strings.Replace(ec, `"kid":"1"`, `"kid":"e","use":"enc"`, 1) + "]}", "", inX + `jwks: key "e" is not usable: key 0 (kid "e"): unusable key: use is not "sig"` + onlyPublic, ""},
		{"to wrap keys, in the file", "jwks: {keys: [" + ec + "," + strings.Replace(ec, `"kid":"1"`, `"kid":"w","key_ops":["wrapKey"]`, 1) + "]}", "", inX + `jwks: key "w" is not usable: key 0 (kid "w"): unusable key: key_ops is not a list of unique strings with "verify"` + onlyPublic, ""},
		{"a request for a certificate", "jwks_file: keys", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")})) + pemOf(p256.Public()), inX + `file keys: skipped PEM block 0: has a PEM block of the type "CERTIFICATE REQUEST"; PUBLIC KEY and CERTIFICATE are accepted`, ""},
		{"a certificate that is none", "jwks_file: keys", pemOf(p256.Public()) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), inX + `file keys: skipped PEM block 1: x509: malformed certificate`, ""},
		{"to agree on keys, as PEM", "jwks_file: keys", pemOf(p256.Public()) + pemOf(x25519.Public()), inX + `file keys: skipped PEM block 1: unusable key: it is of another kind; RSA, P-256, P-384, P-521 and Ed25519 are accepted`, ""},
		{"of another algorithm, in the file", "jwks: {keys: [" + ec + "," + strings.Replace(ec, `"kid":"1"`, `"kid":"a","alg":"ECDH-ES"`, 1) + "]}", "", inX + `jwks: key "a" is not usable: key 0 (kid "a"): unusable key: alg "ECDH-ES" is not accepted here, only ` + strings.Join(jws.Algorithms, ", ") + onlyPublic, ""},
		{"PEM", "jwks_file: keys", pemOf(p224.Public()) + pemOf(p256.Public()), inX + "file keys: skipped PEM block 0: unusable key: it is of the curve P-224; RSA, P-256, P-384, P-521 and Ed25519 are accepted", ""},
		{"a long kid", "jwks_file: keys", `{"keys":[` + ec + `,{"kty":"AKP","kid":"` + strings.Repeat("x", 1000) + `"}]}`, inX + `file keys: skipped key 1 (kid "` + strings.Repeat("x", longestReason-12), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := write(t, map[string]string{"a.yaml": keyed("    " + row.fields + "\n"), "keys": row.content})
			set, warnings, failure := loadFrom(dir, "a.yaml")
			if got := strings.TrimPrefix(failure, "a.yaml:5: "); got != row.failure {
				t.Fatalf("got:\n%s\nwant:\n%s", got, row.failure)
			}
			if row.failure != "" {
				return
			}
			if len(warnings) != 1 || strings.TrimPrefix(warnings[0], "a.yaml:5: ") != row.warning {
				t.Errorf("got %q, want %s", warnings, row.warning)
			}
			if a, _ := set.Application("x"); len(a.Keys) != 1 {
				t.Errorf("it has %d keys", len(a.Keys))
			}
		})
	}
}

// A thief of a key that two Applications have can use both, and they cannot be deactivated
// separately.
func TestSharedKeysAreWarnedOf(t *testing.T) {
	_, warnings, failure := loadText(t, keyed("    jwks: {keys: ["+ecJWK+"]}\n")+"  - {client_id: b, scopes: [a.read], jwks: {keys: ["+ecJWK+"]}}\n")
	if want := `a.yaml:6: application "b": application "x" has the same key; give each its own`; failure != "" || len(warnings) != 1 || warnings[0] != want {
		t.Errorf("%s %q", failure, warnings)
	}
}

// A thief of one credential for two Applications can use both, and they cannot be
// deactivated separately.
func TestWhateverTwoApplicationsShareIsWarnedOf(t *testing.T) {
	const cluster = "federated: [{issuer: 'https://k.example.com', "
	for _, row := range []struct{ name, one, other, want string }{
		{"a URL", "jwks_uri: https://keys.example.com", "jwks_uri: https://keys.example.com", "jwks_uri"},
		{"another URL", "jwks_uri: https://keys.example.com/x", "jwks_uri: https://keys.example.com/y", ""},
		{"a certificate", "tls_client_auth_san_dns: a.example.com, token_endpoint_auth_method: tls_client_auth", "tls_client_auth_san_dns: a.example.com, token_endpoint_auth_method: tls_client_auth", "name in its certificate"},
		{"names of two kinds", "tls_client_auth_san_dns: a.example.com, token_endpoint_auth_method: tls_client_auth", "tls_client_auth_subject_dn: CN=a.example.com, token_endpoint_auth_method: tls_client_auth", ""},
		{"a rule", cluster + "subject: a}]", cluster + "subject: b}, {issuer: 'https://k.example.com', subject: a}]", "rule in federated"},
		{"another rule", cluster + "subject: a}]", cluster + "subject: a, audience: b}]", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			const text = "resources: [{name: a, scopes: [{name: a.read}]}]\napplications:\n  - {client_id: x, scopes: [a.read], %s}\n  - {client_id: b, scopes: [a.read], %s}\n"
			_, warnings, failure := loadText(t, fmt.Sprintf(text, row.one, row.other))
			want := []string{`a.yaml:4: application "b": application "x" has the same ` + row.want + "; give each its own"}
			if row.want == "" {
				want = nil
			}
			if failure != "" || !slices.Equal(warnings, want) {
				t.Errorf("%s %q", failure, warnings)
			}
		})
	}
}

// One source is enough for all Applications with the URL, and inactive ones need none.
func TestPublishedKeys(t *testing.T) {
	set := mustLoad(t, keyed("    jwks_uri: https://b.example.com\n")+
		"  - {client_id: b, scopes: [a.read], jwks_uri: https://a.example.com}\n"+
		"  - {client_id: c, scopes: [a.read], jwks_uri: https://b.example.com}\n"+
		"  - {client_id: d, active: false, jwks_uri: https://c.example.com}\n"+
		"  - {client_id: e, scopes: [a.read], jwks_uri: https://a.example.com, token_endpoint_auth_signing_alg: PS256}\n")
	if got := fmt.Sprint(set.PublishedKeys()); got != "[{https://a.example.com } {https://a.example.com PS256} {https://b.example.com }]" {
		t.Error(got)
	}
}
