package jws

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// refusedOnPurpose are the vectors that Wycheproof calls valid and this package
// refuses, by file and tcId.
var refusedOnPurpose = map[string]map[int]string{
	"json_web_signature_test.json": {
		1: symmetric, 348: symmetric, 352: symmetric, 357: symmetric, 358: symmetric, 359: symmetric,
		372: symmetric, 373: symmetric, 376: symmetric, 377: symmetric,
		259: emptyPayload, 264: emptyPayload, 268: emptyPayload,
		272: emptyPayload, 320: emptyPayload, 325: emptyPayload,
		346: otherAlgorithm, 350: otherAlgorithm,
		347: noSuchAlgorithm, 351: noSuchAlgorithm,
	},
	"json_web_key_test.json": {
		2: symmetric, 13: symmetric, 14: symmetric, 15: symmetric,
	},
	"json_web_crypto_test.json": {
		1: symmetric, 48: symmetric,
		50: encrypted, 67: encrypted,
	},
}

const (
	symmetric       = "symmetric algorithm"
	emptyPayload    = "empty payload: the spelling of detached content (RFC 7515 appendix F)"
	otherAlgorithm  = "the key is for PS256, the token says PS384: one key, one algorithm (RFC 8725 section 3.1)"
	noSuchAlgorithm = `the key's alg is "ES521", which is not registered`
	encrypted       = "JWE"
)

type wycheproofFile struct {
	NumberOfTests int `json:"numberOfTests"`
	TestGroups    []struct {
		Comment string          `json:"comment"`
		Private json.RawMessage `json:"private"`
		Public  json.RawMessage `json:"public"`
		Tests   []struct {
			ID      int             `json:"tcId"`
			Comment string          `json:"comment"`
			JWS     json.RawMessage `json:"jws"`
			JWE     json.RawMessage `json:"jwe"`
			Result  string          `json:"result"`
		} `json:"tests"`
	} `json:"testGroups"`
}

func TestWycheproof(t *testing.T) {
	for name, count := range map[string]int{
		"json_web_signature_test.json": 401,
		"json_web_key_test.json":       26,
		"json_web_crypto_test.json":    83,
	} {
		t.Run(name, func(t *testing.T) {
			var file wycheproofFile
			readWycheproof(t, name, &file)
			run, refused := 0, 0
			for _, group := range file.TestGroups {
				// Symmetric groups have a private key only.
				keys := group.Public
				if keys == nil {
					keys = group.Private
				}
				for _, test := range group.Tests {
					run++
					token := text(test.JWS)
					if test.JWE != nil {
						token = text(test.JWE)
					}
					err := verifyWith(keys, token)
					reason, listed := refusedOnPurpose[name][test.ID]
					switch label := fmt.Sprintf("%s, tcId %d (%s)", group.Comment, test.ID, test.Comment); {
					case test.Result != "valid" && (err == nil || listed):
						t.Errorf("%s is %s: accepted or listed as refused on purpose", label, test.Result)
					case test.Result == "valid" && err != nil && !listed:
						t.Errorf("%s is refused: %v", label, err)
					case test.Result == "valid" && err == nil && listed:
						t.Errorf("%s is accepted, but listed as refused: %s", label, reason)
					case listed:
						refused++
					}
				}
			}
			if run != count || file.NumberOfTests != count || refused != len(refusedOnPurpose[name]) {
				t.Errorf("%d vectors run of %d, %d refused on purpose of %d", run, count, refused, len(refusedOnPurpose[name]))
			}
		})
	}
}

func readWycheproof(t *testing.T, name string, file any) {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, file); err != nil {
		t.Fatal(err)
	}
}

// text is a token as a request would carry it: JSON serialisations stand in the
// files as objects, compact ones as strings.
func text(raw json.RawMessage) string {
	var compact string
	if json.Unmarshal(raw, &compact) != nil {
		return string(raw)
	}
	return compact
}

// verifyWith uses a single key as it is, and finds the one in a set by kid. It
// supplies no algorithm: every vector to be accepted has a key that names its
// own, and one taken from the token would be the attack that RFC 8725 section 3.1
// describes.
func verifyWith(keys json.RawMessage, token string) error {
	m, err := Parse(token)
	if err != nil {
		return err
	}
	key, err := parseJWK("", keys)
	if set, setErr := ParseKeySet(keys); setErr == nil {
		var ok bool
		if key, ok = set.Key(m.Header.KeyID); !ok {
			return fmt.Errorf("no key %q: %v", m.Header.KeyID, set.Skipped)
		}
	} else if err != nil {
		return err
	}
	if m.Header.Algorithm != key.Algorithm {
		return ErrAlgorithm
	}
	return key.Verify(m.SigningInput, m.Signature)
}

// The keys of these vectors lack alg, which alone gets them refused. They are
// refused for what they are meant to show, too, when the algorithm is known from
// elsewhere.
func TestWycheproofKeysForEncryptionAreRefusedForTheirPurpose(t *testing.T) {
	var file wycheproofFile
	readWycheproof(t, "json_web_signature_test.json", &file)
	run := 0
	for _, group := range file.TestGroups {
		alg := map[string]string{"rsa_encryption": "RS256", "ec_key_for_encryption": "ES256"}[group.Comment]
		if alg == "" {
			continue
		}
		run++
		if _, err := parseJWK(alg, group.Public); err == nil {
			t.Errorf("%s is accepted", group.Comment)
		}
		var jwk object
		if err := json.Unmarshal(group.Public, &jwk); err != nil {
			t.Fatal(err)
		}
		if _, err := parseJWK(alg, with(jwk, object{"use": nil, "key_ops": nil})); err != nil {
			t.Errorf("%s: refused for another reason: %v", group.Comment, err)
		}
	}
	if run != 4 {
		t.Errorf("%d groups run", run)
	}
}
