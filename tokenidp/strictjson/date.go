package strictjson

import (
	"strconv"
	"time"
)

// maxNumericDate is the end of the year 9999. Everything up to it fits time.Time,
// RFC 3339 and the sums made with it.
const maxNumericDate = 253402300799

// NumericDate reads a decoded value as seconds since 1970, fractions allowed (RFC
// 7519 section 2), up to the year 9999. Numbers that no float64 holds are none.
func NumericDate(value any) (date time.Time, ok bool) {
	number, _ := value.(Number)
	seconds, err := strconv.ParseFloat(string(number), 64)
	if err != nil || seconds < 0 || seconds > maxNumericDate {
		return time.Time{}, false
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)), true
}

// FormatDate formats a date for the error of a refusal: RFC
// 3339, in UTC and whole seconds.
func FormatDate(date time.Time) string { return date.UTC().Format(time.RFC3339) }
