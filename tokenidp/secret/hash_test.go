package secret

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// The reference implementation's test.c, in PHC form.
	argon2Reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	// Laravel's database seeds, written by PHP.
	bcryptPHP = "$2y$10$92IXUNpkjO0rOQ5byMi.Ye4oKoEa3Ro9llC/.og/at2.uheWG/igi"
	// Python's crypt over libxcrypt; the secret is 72 times the letter a.
	bcrypt72 = "$2b$10$abcdefghijklmnopqrstuuiYfj.JCH/8Hff5KmeyaPABzfEqwvS.a"
	bcrypt2a = "$2a$10$abcdefghijklmnopqrstuuEE//zrVJnzgf250BcMvpU69pF6uYm/W"
	// hashcat's example of mode 20200.
	passlib512 = "$pbkdf2-sha512$25000$LyWE0HrP2RsjZCxlDGFMKQ$1vC5Ohk2mCS9b6akqsEfgeb4l74SF8XjH.SljXf3dMLHdlY1GK9ojcCKts6/asR4aPqBmk74nCDddU3tvSCJvw"
	// passlib's, with a '.' in its base64.
	passlib256 = "$pbkdf2-sha256$29000$mzOmdC7l/B.DUIqRcq4Vwg$f6L9GhLEk2Hd5SQoOuycTlfTSZZKlJqWHEWYU3t9MSg"
	// Python's hashlib.pbkdf2_hmac, in the form of Ory Hydra.
	hydra256 = "$pbkdf2-sha256$i=25000,l=32$8PHy8/T19vf4+fr7/P3+/w$Z0bL/CEUeBgqYwh8bhulKNloC9te2/TMkzMs4fHPDec"
	hydra512 = "$pbkdf2-sha512$i=10000,l=64$8PHy8/T19vf4+fr7/P3+/w$0Cxvbf73bGY+pSWvV1wfPUCumUnTP3qAZS6wPN0bkGWo+J6O8TvTRZEu3nKrWPwsfRtyG+4nj3nuzofWm7OS0w"
)

func TestHashesMadeByOthers(t *testing.T) {
	const staple = "correct horse battery staple"
	for _, row := range []struct{ name, hash, secret, wrong string }{
		{"argon2id of the reference implementation", argon2Reference, "password", "Password"},
		{"bcrypt 2y of PHP", bcryptPHP, "password", "password "},
		{"bcrypt 2b of libxcrypt", bcrypt72, strings.Repeat("a", 72), strings.Repeat("a", 71)},
		{"bcrypt 2b: 73 bytes are not cut off", bcrypt72, strings.Repeat("a", 72), strings.Repeat("a", 73)},
		{"bcrypt 2a of libxcrypt", bcrypt2a, "hashcat", "hashcas"},
		{"pbkdf2-sha512 of passlib", passlib512, "hashcat", "hashcas"},
		{"pbkdf2-sha256 of passlib", passlib256, "1234", "12345"},
		{"pbkdf2-sha256 of Hydra", hydra256, staple, staple + " "},
		{"pbkdf2-sha512 of Hydra", hydra512, staple, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, slow, err := parseHash(row.hash)
			if err != nil {
				t.Fatal(err)
			}
			if !slow.matches(row.secret) {
				t.Error("its secret does not match")
			}
			if slow.matches(row.wrong) {
				t.Errorf("%q matches", row.wrong)
			}
		})
	}
}

func TestBcryptOfThisModule(t *testing.T) {
	encoded, err := bcrypt.GenerateFromPassword([]byte("pâsswörd €"), 10)
	if err != nil {
		t.Fatal(err)
	}
	_, slow, err := parseHash(string(encoded))
	if err != nil || !slow.matches("pâsswörd €") || slow.matches("pâsswörd") {
		t.Errorf("the hash of x/crypto is not understood: %v", err)
	}
}

func TestParseHashErrors(t *testing.T) {
	const (
		unknown = "it has none of the accepted forms ($sha256$, $argon2id$, bcrypt $2a$ $2b$ $2y$ of cost 10 to 14, $pbkdf2-sha256$, $pbkdf2-sha512$); make one with `caddy tokenidp secret --hash`"
		salt    = "c29tZXNhbHQ"
		key     = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
		argonP  = "argon2id: want the parameters m=…,t=…,p=…, in this order"
		order   = "argon2id: the parameters are in another order than m=…,t=…,p=…; write them in this one, and the hash stays valid"
		itself  = "it is a generated secret itself, not the hash of one; make another with `caddy tokenidp secret`, and write the hash that it prints"
		digits  = "$sha256$ must be followed by 64 lower-case hexadecimal digits"
		argon   = "argon2id: want $argon2id$v=19$m=…,t=…,p=…$salt$hash"
	)
	hex64 := strings.Repeat("0a", 32)
	for _, row := range []struct{ name, hash, want string }{
		{"empty", "", unknown},
		{"plain text", "hunter2", unknown},
		{"a generated secret", generated, itself},
		{"a generated secret, mistyped", generated[:len(generated)-1], itself},
		{"argon2i", strings.Replace(argon2Reference, "argon2id", "argon2i", 1), unknown},
		{"argon2d", strings.Replace(argon2Reference, "argon2id", "argon2d", 1), unknown},
		{"sha512-crypt", "$6$rounds=5000$usesomesillystri$D4IrlXatmP7rx3P3InaxBeoomnAihCKRVQAr", unknown},
		{"scrypt", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", unknown},
		{"pbkdf2 with SHA-1", "$pbkdf2$29000$" + salt + "$" + key, unknown},
		{"bcrypt 2x", "$2x" + bcryptPHP[3:], unknown},
		{"bare hexadecimal", hex64, unknown},
		{"a space after it", argon2Reference + " ", unknown},
		{"a line break in its base64", strings.Replace(argon2Reference, "CTFh", "CTF\nh", 1), unknown},
		{"too long", argon2Reference + strings.Repeat("A", 512), unknown},

		{"sha256 in capitals", "$sha256$" + strings.ToUpper(hex64), digits},
		{"sha256 too short", "$sha256$" + hex64[2:], digits},
		{"sha256 too long", "$sha256$" + hex64 + "00", digits},
		{"sha256 with base64", "$sha256$" + key, digits},

		{"argon2id without version", "$argon2id$m=65536,t=2,p=1$" + salt + "$" + key, argon},
		{"argon2id of version 16", "$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key, argon},
		{"argon2id with another field", argon2Reference + "$x", argon},
		{"argon2id in another order", "$argon2id$v=19$t=2,m=65536,p=1$" + salt + "$" + key, order},
		{"argon2id with a parameter twice", "$argon2id$v=19$m=65536,m=65536,p=1$" + salt + "$" + key, argonP},
		{"argon2id with a parameter more", "$argon2id$v=19$m=65536,t=2,p=1,keyid=a$" + salt + "$" + key, argonP},
		{"argon2id with a parameter less", "$argon2id$v=19$m=65536,t=2$" + salt + "$" + key, argonP},
		{"argon2id with little memory", "$argon2id$v=19$m=7167,t=5,p=1$" + salt + "$" + key, "argon2id: parameter m is 7167; it must be 7168 to 262144"},
		{"argon2id with much memory", "$argon2id$v=19$m=262145,t=1,p=1$" + salt + "$" + key, "argon2id: parameter m is 262145; it must be 7168 to 262144"},
		{"argon2id with memory beyond an int", "$argon2id$v=19$m=99999999999999999999,t=1,p=1$" + salt + "$" + key, "argon2id: parameter m is not a number"},
		{"argon2id with a sign", "$argon2id$v=19$m=+65536,t=1,p=1$" + salt + "$" + key, "argon2id: parameter m is not a number"},
		{"argon2id with a zero in front", "$argon2id$v=19$m=065536,t=1,p=1$" + salt + "$" + key, "argon2id: parameter m is not a number"},
		{"argon2id without passes", "$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + key, "argon2id: parameter t is 0; it must be 1 to 16"},
		{"argon2id with many passes", "$argon2id$v=19$m=7168,t=17,p=1$" + salt + "$" + key, "argon2id: parameter t is 17; it must be 1 to 16"},
		{"argon2id without lanes", "$argon2id$v=19$m=65536,t=1,p=0$" + salt + "$" + key, "argon2id: parameter p is 0; it must be 1 to 16"},
		{"argon2id with many lanes", "$argon2id$v=19$m=65536,t=1,p=17$" + salt + "$" + key, "argon2id: parameter p is 17; it must be 1 to 16"},
		{"argon2id with much work", "$argon2id$v=19$m=262144,t=5,p=1$" + salt + "$" + key, "argon2id: parameters m×t are 1310720; they must be at most 1048576"},
		{"argon2id with a short salt", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbA$" + key, "argon2id: the salt has 7 bytes; it must have 8 to 64"},
		{"argon2id with a long salt", "$argon2id$v=19$m=65536,t=2,p=1$" + strings.Repeat("AAAA", 22) + "$" + key, "argon2id: the salt has 66 bytes; it must have 8 to 64"},
		{"argon2id with a short hash", "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$AAAAAAAAAAAAAAAAAAAA", "argon2id: the hash has 15 bytes; it must have 16 to 64"},
		{"argon2id with padding", argon2Reference + "=", "argon2id: the hash is not base64 without padding"},
		{"argon2id with base64url", strings.Replace(argon2Reference, "CTFh", "_TFh", 1), "argon2id: the hash is not base64 without padding"},

		{"bcrypt of low cost", strings.Replace(bcryptPHP, "$10$", "$09$", 1), "bcrypt: parameter cost is 9; it must be 10 to 14"},
		{"bcrypt of high cost", strings.Replace(bcryptPHP, "$10$", "$15$", 1), "bcrypt: parameter cost is 15; it must be 10 to 14"},
		{"bcrypt of no cost", strings.Replace(bcryptPHP, "$10$", "$1x$", 1), "bcrypt: parameter cost is not a number"},
		{"bcrypt cut off", bcryptPHP[:59], "bcrypt: want $2b$<cost of two digits>$ and 53 characters"},
		{"bcrypt that is too long", bcryptPHP + "i", "bcrypt: want $2b$<cost of two digits>$ and 53 characters"},
		{"bcrypt with a '+' in its salt", strings.Replace(bcryptPHP, "92IX", "92I+", 1), "bcrypt: the salt has characters other than ./A-Za-z0-9"},
		{"bcrypt with a '+' in its hash", strings.Replace(bcryptPHP, "4oKo", "4oK+", 1), "bcrypt: the hash is not one that bcrypt writes"},
		{"bcrypt with a hash that cannot match", bcryptPHP[:59] + "h", "bcrypt: the hash is not one that bcrypt writes"},

		{"pbkdf2 with few iterations", strings.Replace(hydra256, "25000", "9999", 1), "pbkdf2-sha256: parameter i is 9999; it must be 10000 to 2000000"},
		{"pbkdf2 with many iterations", strings.Replace(passlib512, "25000", "2000001", 1), "pbkdf2-sha512: parameter i is 2000001; it must be 10000 to 2000000"},
		{"pbkdf2 with another length", strings.Replace(hydra256, "l=32", "l=31", 1), "pbkdf2-sha256: parameter l is 31, but the key has 32 bytes"},
		{"pbkdf2 without a length", strings.Replace(hydra256, ",l=32", "", 1), "pbkdf2-sha256: parameter l is not a number"},
		{"pbkdf2 of too few fields", "$pbkdf2-sha256$29000$" + salt, "pbkdf2: want $pbkdf2-sha256$i=…,l=…$salt$key or $pbkdf2-sha256$iterations$salt$key"},
		{"pbkdf2 with a short salt", "$pbkdf2-sha256$29000$AAAA$" + key, "pbkdf2-sha256: the salt has 3 bytes; it must have 8 to 512"},
		{"pbkdf2 with a short key", "$pbkdf2-sha256$29000$" + salt + "$AAAA", "pbkdf2-sha256: the key has 3 bytes; it must have 16 to 64"},
		{"pbkdf2 with a long key", "$pbkdf2-sha256$29000$" + salt + "$" + strings.Repeat("AAAA", 22), "pbkdf2-sha256: the key has 66 bytes; it must have 16 to 64"},
		{"passlib with '+'", strings.Replace(passlib256, ".", "+", 1), "pbkdf2-sha256: passlib writes '.' where this has '+'"},
		{"Hydra with '.'", strings.Replace(hydra256, "+", ".", 1), "pbkdf2-sha256: the salt is not base64 without padding"},
	} {
		t.Run(row.name, func(t *testing.T) {
			digest, slow, err := parseHash(row.hash)
			if err == nil || err.Error() != row.want {
				t.Fatalf("got  %v\nwant %s", err, row.want)
			}
			if digest != nil || slow != nil {
				t.Error("returned a hash with the error")
			}
			if len(row.hash) > 8 && strings.Contains(err.Error(), row.hash) {
				t.Error("the error repeats the hash")
			}
		})
	}
}

func TestHashBoundsAreInclusive(t *testing.T) {
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, hash := range []string{
		"$argon2id$v=19$m=7168,t=1,p=1" + tail,
		"$argon2id$v=19$m=65536,t=16,p=16" + tail,
		"$argon2id$v=19$m=262144,t=4,p=1" + tail,
		"$pbkdf2-sha256$10000" + tail,
		"$pbkdf2-sha512$2000000" + tail,
		strings.Replace(bcryptPHP, "$10$", "$14$", 1),
	} {
		if _, _, err := parseHash(hash); err != nil {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

func TestCostIsAFunctionOfTheParameters(t *testing.T) {
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, row := range []struct {
		hash string
		want time.Duration
	}{
		{"$argon2id$v=19$m=19456,t=2,p=1" + tail, 20 * time.Millisecond},
		{"$argon2id$v=19$m=38912,t=4,p=4" + tail, 80 * time.Millisecond},
		{bcryptPHP, 57 * time.Millisecond},
		{strings.Replace(bcryptPHP, "$10$", "$12$", 1), 228 * time.Millisecond},
		{strings.Replace(bcryptPHP, "$10$", "$14$", 1), 912 * time.Millisecond},
		{"$pbkdf2-sha256$100000" + tail, 16500 * time.Microsecond},
		{"$pbkdf2-sha256$600000" + tail, 99 * time.Millisecond},
		{"$pbkdf2-sha256$100000$c29tZXNhbHQ$" + strings.Repeat("AAAA", 20), 33 * time.Millisecond},
		{strings.Replace(passlib512, "25000", "100000", 1), 24700 * time.Microsecond},
	} {
		_, slow, err := parseHash(row.hash)
		if err != nil {
			t.Fatal(err)
		}
		if got := slow.cost(); got != row.want {
			t.Errorf("%s: cost %v, want %v", row.hash, got, row.want)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	for _, seed := range []string{
		"", generated, argon2Reference, bcryptPHP, bcrypt72, passlib256, passlib512, hydra256, hydra512,
		"$sha256$" + strings.Repeat("0a", 32), "$argon2id$v=19$m=,t=,p=$$", "$2b$10$", "$pbkdf2-sha256$i=,l=$$", "$$$$",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		digest, slow, err := parseHash(encoded)
		switch {
		case err != nil && (digest != nil || slow != nil):
			t.Errorf("%q: a hash and an error", encoded)
		case err == nil && (digest == nil) == (slow == nil):
			t.Errorf("%q: neither or both", encoded)
		case slow != nil && (slow.cost() <= 0 || slow.cost() > 2*time.Second):
			t.Errorf("%q: costs %v", encoded, slow.cost())
		}
		if a, ok := slow.(*argon2id); ok && a.String() != encoded {
			t.Errorf("%q is written as %q", encoded, a)
		}
	})
}
