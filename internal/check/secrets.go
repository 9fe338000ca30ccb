package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// farExpiry is the longest recommended time until a secret expires.
const farExpiry = 400 * 24 * time.Hour

var secretRules = []*Rule{
	{
		ID: "example-secret", Severity: Error,
		Title:      "The secret is one of this project's documents",
		Reason:     "Everybody can read that secret, and get tokens with it.",
		Correction: "Make a secret with `caddy tokenidp secret`, and write its hash in place of this one.",
		find:       eachSecret(exampleSecret),
	},
	{
		ID: "secret-never-expires", Severity: Note,
		Title:      "A secret never expires",
		Reason:     "A secret that was copied somewhere works until somebody notices. With `expires`, it ends by itself, and its client learns of that 30 days before.",
		Correction: "Write `expires` into the secret. To renew one without an interruption, add the new secret beside the old one.",
		find:       eachSecret(neverExpires),
	},
	{
		ID: "secret-expires-late", Severity: Note,
		Title:      "A secret expires more than 400 days ahead",
		Reason:     "Whoever has a copy of the secret can use it for more than a year.",
		Correction: "Write an earlier day into `expires`, and renew the secret every year.",
		find:       eachSecret(expiresLate),
	},
	{
		ID: warning.SecretExpiresSoon, Severity: Note,
		Title:      "A secret expires within 30 days",
		Reason:     "After that, its client cannot authenticate with it.",
		Correction: "Add a new secret beside it and give that to the client. Remove the old one once `caddy tokenidp secrets` says that nobody uses it.",
		find:       eachSecret(expiresSoon),
	},
	{
		ID: "weak-hash", Severity: Warning,
		Title:      "The hash of a chosen secret is weaker than recommended",
		Reason:     "Whoever reads the file can guess the secret with less effort than OWASP recommends. A generated secret cannot be guessed at all.",
		Correction: "Use a generated secret (`caddy tokenidp secret`), or hash the secret again with `caddy tokenidp secret --hash`.",
		find:       eachSecret(weakHash),
	},
	{
		ID: warning.SecretExpired, Severity: Note,
		Title:      "A secret has expired",
		Reason:     "It cannot be used any more. Where it stays, nobody sees which secrets are in use.",
		Correction: "Remove the secret.",
		find:       eachSecret(expired),
	},
	{
		ID: warning.NoValidSecret, Severity: Warning,
		Title:      "All secrets of an Application have expired",
		Reason:     "The Application cannot authenticate.",
		Correction: "Add a secret that is valid, or write `active: false`.",
		find:       noValidSecret,
	},
	{
		ID: warning.SharedSecret, Severity: Warning,
		Title:      "Two Applications have the same secret",
		Reason:     "Whoever steals the secret of one can be the other, and neither can be shut out alone.",
		Correction: "Give each Application a secret of its own.",
	},
	{
		ID: warning.SharedKey, Severity: Warning,
		Title:      "Two Applications authenticate with the same key, certificate or token",
		Reason:     "Whoever has it can be either of them, and neither can be shut out alone.",
		Correction: "Give each Application a key, a name in its certificate, or a rule in `federated` of its own.",
	},
	{
		ID: warning.SlowHashes, Severity: Warning,
		Title:      "The hashes of an Application are very slow together",
		Reason:     "Every failed authentication, of any client, takes as long as the slowest Application's, so that its time tells nothing.",
		Correction: "Use generated secrets, hash with a lower cost, or remove secrets that are not used.",
	},
	{
		ID: warning.SecretFileOpen, Severity: Warning,
		Title:      "The file of a mounted secret is open to others",
		Reason:     "Every user of the server can read the secret.",
		Correction: "Make it readable for its owner alone: `chmod 600`.",
	},
}

// eachSecret returns a check of every secret of an active Application. wrong returns the
// problem of a secret, or "".
func eachSecret(wrong func(*configuration, *secret.Secret) string) func(*configuration, reporter) {
	return func(c *configuration, report reporter) {
		for _, a := range c.active() {
			for _, s := range a.Secrets {
				if text := wrong(c, s); text != "" {
					report(ofSecret(a, s, text))
				}
			}
		}
	}
}

func ofSecret(a *application.Application, s *secret.Secret, text string) Finding {
	place := placeOf(a.Source)
	place.Line = s.Line
	return Finding{Subject: a.ClientID, Message: fmt.Sprintf("application %q: secret %q: %s", a.ClientID, s.ID, text), Place: place}
}

// published has the secrets and hashes in the documents and examples of this project.
var published = tags(
	"replace-with-real-secret",
	"tidp_i0VnxlWo0UVttd2aT5F3jh-KUZJnPEFV_KP9jkVFWpI0u0RZe",
	"$sha256$636222aa3dcfeec0e6cfe08ce9445ec2dcd02e0c3384ec6962f622377e07e995",
	"$argon2id$v=19$m=19456,t=2,p=1$zKtmp2Vzr4KxPjxns6cxcA$tF/fQeVqbrM/clY6TMk81IuMOgqR708dkwEnZAGd480",
	"$argon2id$v=19$m=19456,t=2,p=1$BGJ6wMBUza8mWmVeD1B6dw$n7Gpe/7jbAqRkgvRGXtPphf+Zyp9pi5VZP3WylN0Jac",
	"$argon2id$v=19$m=19456,t=2,p=1$FfgZo4raPaWtqobUISn4Hw$XIWqouX8vIDoGJPJIAUOeBE2CqCtPGDMRWC02Rjnxgs",
	"$argon2id$v=19$m=19456,t=2,p=1$U3vgM/YZZrYAiEwJd8OKaQ$jDLxDqYsGtaUTyqtpePS/lw1ADUrs1JB7hlsDD+WK9g",
	"replace-with-metrics-secret",
	"$argon2id$v=19$m=19456,t=2,p=1$UooTv3FLLK/KAxFw/G/JlQ$devqKKeafvgQdrVSK7Z2djEBMPqRArF19V7XkRQ7aGY",
	"$argon2id$v=19$m=19456,t=2,p=1$jogg4OzsYlWA14siiZHGMQ$pWf7xDTkG7Vj9Po1ar6HOUunq3HLJpLp+bQhSHDvQz8",
)

func tags(texts ...string) map[secret.Tag]bool {
	all := make(map[secret.Tag]bool, len(texts))
	for _, text := range texts {
		all[secret.NewTag([]byte(text))] = true
	}
	return all
}

func exampleSecret(_ *configuration, s *secret.Secret) string {
	if !published[s.Stored()] {
		return ""
	}
	return "it is the secret of an example, which everybody can read"
}

func neverExpires(_ *configuration, s *secret.Secret) string {
	if !s.Expires.IsZero() {
		return ""
	}
	return "it never expires"
}

func expiresLate(c *configuration, s *secret.Secret) string {
	if s.Expires.IsZero() || s.Expires.Before(c.now.Add(farExpiry)) {
		return ""
	}
	return "it is valid until " + dayOf(s.Expires)
}

func expiresSoon(c *configuration, s *secret.Secret) string {
	if s.ValidityAt(c.now) != secret.Expiring {
		return ""
	}
	return "it is valid until " + dayOf(s.Expires)
}

func expired(c *configuration, s *secret.Secret) string {
	if !s.ExpiredAt(c.now) {
		return ""
	}
	return "it expired on " + dayOf(s.Expires)
}

func noValidSecret(c *configuration, report reporter) {
	for _, a := range c.active() {
		valid := slices.ContainsFunc(a.Secrets, func(s *secret.Secret) bool { return !s.ExpiredAt(c.now) })
		if len(a.Secrets) > 0 && !valid {
			report(ofApplication(a, "all its secrets have expired; it cannot authenticate"))
		}
	}
}

// dayOf returns the last day before the instant.
func dayOf(t time.Time) string { return t.Add(-time.Nanosecond).UTC().Format(time.DateOnly) }

func weakHash(_ *configuration, s *secret.Secret) string { return s.Weakness() }
