package secret

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// generated is a secret of fixed bytes, as another implementation of the form made it.
const generated = "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA"

func TestGenerate(t *testing.T) {
	form := regexp.MustCompile(`^tidp_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$`)
	seen := make(map[string]bool)
	var ones [randomBytes * 8]int
	const many = 2000
	for range many {
		secret := Generate()
		if !form.MatchString(secret) {
			t.Fatalf("%q is not of the form %s", secret, form)
		}
		if Classify(secret) != Generated {
			t.Fatalf("%q is not recognised", secret)
		}
		if seen[secret] {
			t.Fatalf("%q was generated twice", secret)
		}
		seen[secret] = true
		random, err := base64.RawURLEncoding.DecodeString(secret[len(generatedPrefix):bodyLength])
		if err != nil || len(random) != 32 {
			t.Fatalf("%q holds %d bytes, %v; want 32", secret, len(random), err)
		}
		for bit := range ones {
			ones[bit] += int(random[bit/8]>>(bit%8)) & 1
		}
	}
	// Each of the 256 bits is random: 8 standard deviations from the middle.
	for bit, n := range ones {
		if n < many/2-180 || n > many/2+180 {
			t.Errorf("bit %d was set in %d of %d secrets", bit, n, many)
		}
	}
}

func TestGeneratedFormIsFixed(t *testing.T) {
	body := generated[:bodyLength]
	if got := body + checksum(body); got != generated {
		t.Errorf("got %s, want %s", got, generated)
	}
	if got := Classify(generated); got != Generated {
		t.Errorf("form %v", got)
	}
}

func TestClassify(t *testing.T) {
	last := len(generated) - 1
	for _, row := range []struct {
		name, secret string
		want         Form
	}{
		{"generated", generated, Generated},
		{"empty", "", Chosen},
		{"chosen", "correct horse battery staple", Chosen},
		{"prefix in another case", "TIDP_" + generated[5:], Chosen},
		{"prefix in the middle", "x" + generated, Chosen},
		{"prefix alone", "tidp_", Mistyped},
		{"one character short", generated[:last], Mistyped},
		{"one character long", generated + "A", Mistyped},
		{"a space after it", generated + " ", Mistyped},
		{"a line break after it", generated + "\n", Mistyped},
		{"a line break within, at the right length", generated[:10] + "\n" + generated[11:], Mistyped},
		{"standard base64", strings.Replace(generated, "AAEC", "+/EC", 1), Mistyped},
		{"percent-encoded", strings.Replace(generated, "_", "%5F", 1), Chosen},
		{"not ASCII", generated[:last-1] + "é", Mistyped},
		{"checksum beyond 32 bits", generated[:bodyLength] + "zzzzzz", Mistyped},
		{"all zero checksum", generated[:bodyLength] + "000000", Mistyped},
		// The last character of 32 bytes has two unused bits; '9' differs from '8' in one of them.
		{"another spelling of the same bytes", generated[:bodyLength-1] + "9" + checksum(generated[:bodyLength-1]+"9"), Mistyped},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Classify(row.secret); got != row.want {
				t.Errorf("Classify(%q) = %v, want %v", row.secret, got, row.want)
			}
		})
	}
}

func TestEveryTypingErrorIsDetected(t *testing.T) {
	const characters = base62 + "-_ .+/=%"
	secrets := []string{generated}
	for range 20 {
		secrets = append(secrets, Generate())
	}
	for _, secret := range secrets {
		for i := len(generatedPrefix); i < len(secret); i++ {
			for _, c := range characters {
				if typed := secret[:i] + string(c) + secret[i+1:]; typed != secret && Classify(typed) != Mistyped {
					t.Fatalf("%q for %q at %d was not detected", c, secret[i], i)
				}
				if typed := secret[:i] + string(c) + secret[i:]; Classify(typed) != Mistyped {
					t.Fatalf("%q put in at %d was not detected", c, i)
				}
			}
			if typed := secret[:i] + secret[i+1:]; Classify(typed) != Mistyped {
				t.Fatalf("the missing %q at %d was not detected", secret[i], i)
			}
			if i+1 == len(secret) || secret[i] == secret[i+1] {
				continue
			}
			if typed := secret[:i] + string(secret[i+1]) + string(secret[i]) + secret[i+2:]; Classify(typed) != Mistyped {
				t.Fatalf("the transposition at %d was not detected", i)
			}
		}
	}
}

func TestHashGenerated(t *testing.T) {
	got, err := HashGenerated(generated)
	digest := sha256.Sum256([]byte(generated))
	if want := "$sha256$" + hex.EncodeToString(digest[:]); err != nil || got != want {
		t.Errorf("HashGenerated = %q, %v; want %q", got, err, want)
	}
	for name, secret := range map[string]string{
		"chosen":    "correct horse battery staple",
		"empty":     "",
		"mistyped":  generated[:len(generated)-1] + "0",
		"long hash": strings.Repeat("f", 64),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := HashGenerated(secret)
			if err == nil {
				t.Fatalf("hashed to %q, although it may be guessed", got)
			}
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("the error has the secret in it: %v", err)
			}
		})
	}
}

func TestHashChosen(t *testing.T) {
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	for _, secret := range []string{"x", "pâsswörd €", strings.Repeat("a", 73), strings.Repeat("a", 1024), generated} {
		first, err := HashChosen(secret)
		if err != nil || !form.MatchString(first) {
			t.Fatalf("HashChosen = %q, %v; want %s", first, err, form)
		}
		second, _ := HashChosen(secret)
		if first == second {
			t.Errorf("two hashes of one secret have the same salt")
		}
		_, slow, err := parseHash(first)
		if err != nil {
			t.Fatal(err)
		}
		if !slow.matches(secret) {
			t.Errorf("the hash does not match its secret")
		}
		if slow.matches(secret + "x") {
			t.Errorf("the hash matches another secret")
		}
	}
}

func TestHashChosenRefuses(t *testing.T) {
	for _, row := range []struct{ name, secret, want string }{
		{"empty", "", "the secret is empty"},
		{"too long", strings.Repeat("a", 1025), "the secret is longer than 1024 bytes"},
		{"NUL", "a\x00b", "the secret has a NUL in it"},
		{"invalid UTF-8", "a\xffb", "the secret is not valid UTF-8"},
		{"mistyped", generated[:30], "the secret begins with tidp_ but its checksum does not fit: it is mistyped or cut off"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := HashChosen(row.secret); err == nil || err.Error() != row.want {
				t.Errorf("HashChosen = %q, %v; want %s", got, err, row.want)
			}
		})
	}
}

func TestSecretExpires(t *testing.T) {
	end := time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)
	s := &Secret{Expires: end}
	for name, row := range map[string]struct {
		now  time.Time
		want bool
	}{
		"a nanosecond before": {end.Add(-1), false},
		"at that instant":     {end, true},
		"later":               {end.Add(time.Hour), true},
		"in another zone":     {end.Add(-1).In(time.FixedZone("", 14*3600)), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.ExpiredAt(row.now); got != row.want {
				t.Errorf("expired = %v, want %v", got, row.want)
			}
		})
	}
	if (&Secret{}).ExpiredAt(end.AddDate(5000, 0, 0)) {
		t.Error("a secret without expiry expired")
	}
}

func TestSecretDoesNotPrintItself(t *testing.T) {
	s := &Secret{ID: "a"}
	s.remember("correct horse battery staple")
	if text := fmt.Sprintf("%+v", s); strings.Contains(text, "horse") {
		t.Errorf("printed as %s", text)
	}
}

func FuzzClassify(f *testing.F) {
	for _, seed := range []string{generated, generated[:53], generated + "\n", "tidp_", "", "correct horse", strings.Repeat("\n", 60)} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^tidp_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$`)
	f.Fuzz(func(t *testing.T, presented string) {
		got := Classify(presented)
		if (got == Chosen) == strings.HasPrefix(presented, "tidp_") {
			t.Errorf("Classify(%q) = %v", presented, got)
		}
		if got == Generated && !form.MatchString(presented) {
			t.Errorf("%q was recognised", presented)
		}
		if hash, err := HashGenerated(presented); (err == nil) != (got == Generated) {
			t.Errorf("form %v was hashed to %q, %v", got, hash, err)
		}
	})
}
