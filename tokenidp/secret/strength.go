package secret

import "fmt"

// Chosen reports whether somebody chose the secret, so that it may be guessed from its
// hash. It is false for a generated secret, and for a mounted one, which has no hash.
func (s *Secret) Chosen() bool { return s.slow != nil }

// Weakness returns how the parameters of a slow hash are below the recommendations of
// OWASP for passwords, or "". bcrypt of a cost below 10 is not accepted at all.
func (s *Secret) Weakness() string {
	switch h := s.slow.(type) {
	case *argon2id:
		if least := leastMemory(h.passes); h.memory < least {
			return fmt.Sprintf("argon2id with m=%d and t=%d; for so many passes, m is to be at least %d", h.memory, h.passes, least)
		}
	case *pbkdf2Hash:
		least := 600_000
		if h.sha512 {
			least = 210_000
		}
		if h.iterations < least {
			return fmt.Sprintf("PBKDF2 with %d iterations; at least %d are recommended", h.iterations, least)
		}
	}
	return ""
}

// leastMemory returns the memory of argon2id, in KiB, that is recommended for the passes.
func leastMemory(passes int) int {
	recommended := []int{47104, 19456, 12288, 9216, 7168}
	return recommended[min(passes, len(recommended))-1]
}
