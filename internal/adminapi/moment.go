package adminapi

import "time"

// Moment returns a time as the answers have it, in whole seconds of UTC, or nil for the
// zero time.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
