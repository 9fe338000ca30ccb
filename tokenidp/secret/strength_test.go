package secret

import (
	"strings"
	"testing"
)

func TestWeakness(t *testing.T) {
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U"
	for hash, want := range map[string]string{
		"$argon2id$v=19$m=47104,t=1,p=1$" + salt + "$" + key:           "",
		"$argon2id$v=19$m=47103,t=1,p=1$" + salt + "$" + key:           "at least 47104",
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key:           "",
		"$argon2id$v=19$m=12288,t=2,p=1$" + salt + "$" + key:           "m=12288 and t=2",
		"$argon2id$v=19$m=7168,t=9,p=1$" + salt + "$" + key:            "",
		"$pbkdf2-sha256$i=600000,l=32$" + salt + "$" + key:             "",
		"$pbkdf2-sha256$i=599999,l=32$" + salt + "$" + key:             "599999 iterations",
		"$pbkdf2-sha512$i=210000,l=32$" + salt + "$" + key:             "",
		"$pbkdf2-sha512$i=120000,l=32$" + salt + "$" + key:             "at least 210000",
		"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy": "",
	} {
		var s Secret
		if err := s.SetHash(hash); err != nil {
			t.Fatal(err)
		}
		if got := s.Weakness(); !s.Chosen() || (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", hash, got, want)
		}
	}
	var generated, mounted Secret
	if err := generated.SetHash("$sha256$" + strings.Repeat("0a", 32)); err != nil || generated.Chosen() || generated.Weakness() != "" {
		t.Error(err, "a generated secret counts as chosen")
	}
	if err := mounted.SetPlain("correct horse"); err != nil || mounted.Chosen() {
		t.Error(err, "a mounted secret has a hash")
	}
}
