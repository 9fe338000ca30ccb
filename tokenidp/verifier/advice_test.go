package verifier

import (
	"strings"
	"testing"
)

// An operator is told what to change, whatever the reason, and in one line.
func TestEveryReasonHasAdvice(t *testing.T) {
	for _, reason := range Reasons() {
		a := Advise(reason)
		if a.Expected == "" || a.Change == "" || strings.ContainsAny(a.Expected+a.Change, "\r\n") {
			t.Errorf("%s: %+v", reason, a)
		}
	}
	if len(advice) != len(Reasons()) {
		t.Errorf("%d reasons, and advice for %d", len(Reasons()), len(advice))
	}
}
