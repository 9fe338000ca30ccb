package strictjson

import (
	"testing"
	"time"
)

// RFC 7519 section 2: seconds since 1970, of which every one can be spelled.
func TestNumericDate(t *testing.T) {
	for number, want := range map[Number]string{
		"0": "1970-01-01T00:00:00Z", "1773662400": "2026-03-16T12:00:00Z", "1773662400.999": "2026-03-16T12:00:00Z", "1.7736624e9": "2026-03-16T12:00:00Z",
		"253402300799": "9999-12-31T23:59:59Z",
		"253402300800": "", "-1": "", "1e400": "", "": "",
	} {
		date, ok := NumericDate(number)
		if ok != (want != "") || ok && FormatDate(date) != want {
			t.Errorf("%s: %s, %t, want %q", number, FormatDate(date), ok, want)
		}
	}
	for _, value := range []any{nil, "1773662400", true, []any{Number("1")}} {
		if date, ok := NumericDate(value); ok {
			t.Errorf("%v: %s", value, date)
		}
	}
	elsewhere := time.Date(2026, 3, 16, 14, 0, 0, 0, time.FixedZone("", 2*60*60))
	if got := FormatDate(elsewhere); got != "2026-03-16T12:00:00Z" {
		t.Errorf("in another zone: %s", got)
	}
}
