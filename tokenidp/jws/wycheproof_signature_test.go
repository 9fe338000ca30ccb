package jws

import (
	"crypto/x509"
	"encoding/hex"
	"testing"
)

// signatureFiles are the vectors of the signatures alone, each with its algorithm.
var signatureFiles = map[string][]string{
	"RS256": {"rsa_signature_2048_sha256", "rsa_signature_3072_sha256", "rsa_signature_4096_sha256", "rsa_signature_8192_sha256"},
	"RS384": {"rsa_signature_2048_sha384", "rsa_signature_3072_sha384", "rsa_signature_4096_sha384", "rsa_signature_8192_sha384"},
	"RS512": {"rsa_signature_2048_sha512", "rsa_signature_3072_sha512", "rsa_signature_4096_sha512", "rsa_signature_8192_sha512"},
	"PS256": {"rsa_pss_2048_sha256_mgf1_32", "rsa_pss_3072_sha256_mgf1_32", "rsa_pss_4096_sha256_mgf1_32"},
	"PS384": {"rsa_pss_2048_sha384_mgf1_48", "rsa_pss_4096_sha384_mgf1_48"},
	"PS512": {"rsa_pss_4096_sha512_mgf1_64"},
	"ES256": {"ecdsa_secp256r1_sha256_p1363"},
	"ES384": {"ecdsa_secp384r1_sha384_p1363"},
	"ES512": {"ecdsa_secp521r1_sha512_p1363"},
	"EdDSA": {"ed25519"},
}

// Wycheproof calls an RSA signature acceptable whose encoding lacks the NULL after the
// hash: RFC 8017 section 9.2, note 1, has it, and so there is one encoding here.
func TestWycheproofSignatures(t *testing.T) {
	for alg, names := range signatureFiles {
		for _, name := range names {
			t.Run(name, func(t *testing.T) { testSignatures(t, alg, name+"_test.json") })
		}
	}
}

func testSignatures(t *testing.T, alg, name string) {
	var file struct {
		NumberOfTests int `json:"numberOfTests"`
		TestGroups    []struct {
			PublicKeyDER string `json:"publicKeyDer"`
			Tests        []struct {
				ID                        int `json:"tcId"`
				Comment, Msg, Sig, Result string
			} `json:"tests"`
		} `json:"testGroups"`
	}
	readWycheproof(t, name, &file)
	run, valid := 0, 0
	for _, group := range file.TestGroups {
		public, err := x509.ParsePKIXPublicKey(unhex(t, group.PublicKeyDER))
		if err != nil {
			t.Fatal(err)
		}
		key := newKey(t, alg, public)
		for _, test := range group.Tests {
			run++
			err := key.Verify(string(unhex(t, test.Msg)), unhex(t, test.Sig))
			if (err == nil) != (test.Result == "valid") {
				t.Errorf("tcId %d (%s) is %s: %v", test.ID, test.Comment, test.Result, err)
			}
			if err == nil {
				valid++
			}
		}
	}
	if run != file.NumberOfTests || valid == 0 || valid == run {
		t.Errorf("%d vectors run of %d, %d valid", run, file.NumberOfTests, valid)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
