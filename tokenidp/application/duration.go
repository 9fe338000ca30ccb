package application

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// durationFormat accepts whole seconds from the least to the most, which the text names.
func durationFormat(least, most time.Duration, limits string) *strictyaml.Format {
	return &strictyaml.Format{
		Check: func(s string) error {
			d, ok := parseDuration(s)
			switch {
			case !ok:
				return errors.New(noDuration(s))
			case d < least || d > most || d%time.Second != 0:
				return errors.New("must be whole seconds, " + limits)
			}
			return nil
		},
		Pattern: `^(([0-9]+d)?([-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)|[0-9]+d)$`,
		Says:    "must be a duration such as 1h, 90m or 1d, " + limits,
		Loose:   "a duration beyond the limits, or not in whole seconds",
	}
}

// noDuration returns an error that says what to write instead. A number without a unit may
// mean seconds, like expires_in.
func noDuration(s string) string {
	const such = "is not a duration such as 1h, 90m or 1d"
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil && seconds >= uint64(leastTokenLifetime/time.Second) && seconds <= uint64(mostTokenLifetime/time.Second) {
		return fmt.Sprintf("%s; if it is in seconds, write %ds", such, seconds)
	}
	return such
}

// parseDuration reads time.ParseDuration's format, with days (of 24 hours) in front.
func parseDuration(s string) (time.Duration, bool) {
	if strings.HasSuffix(s, "0") { // time.ParseDuration accepts 0 without a unit
		return 0, false
	}
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	count, err := strconv.ParseUint(days, 10, 8)
	if err != nil {
		return 0, false
	}
	d := time.Duration(0)
	if rest != "" {
		if d, err = time.ParseDuration(rest); err != nil || d < 0 {
			return 0, false
		}
	}
	return time.Duration(count)*24*time.Hour + d, true
}
