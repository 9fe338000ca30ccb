package tokenidp

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/warning"
)

// environFlag is the flag of `caddy run` that prints all environment variables at the
// start, also among other flags of one letter.
var environFlag = regexp.MustCompile(`^(--environ(=(1|t|T|true|TRUE|True))?|-[rw]*e[rw]*)$`)

// printsEnvironment reports whether a Caddy with these arguments prints its environment.
// The systemd unit of Caddy's packages has it do so, and systemd keeps what it prints.
func printsEnvironment(args []string) bool {
	return slices.ContainsFunc(args, environFlag.MatchString)
}

// warnOfPrintedSecrets warns if Caddy has printed the value of an option that holds a
// secret.
func warnOfPrintedSecrets(logger *zap.Logger, option string, placeholders ...string) {
	if !printsEnvironment(os.Args) {
		return
	}
	for _, p := range placeholders {
		if strings.HasPrefix(p, "{env.") {
			logger.Warn("caddy run --environ prints this secret into the system's log; take it from a file instead, as in: "+option+" {file./run/secrets/"+option+"}", warning.SecretInEnvironment.Log(),
				zap.String("option", option), zap.String("placeholder", p))
		}
	}
}
