package verifier

import (
	"strings"
	"testing"
)

// Every reason has advice on what to change, in one line.
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

// The operator of a server that trusts an issuer elsewhere has no Applications file and no
// storage with its keys, but can change options of `trust`.
func TestAdviceOnTokensOfTrustedIssuers(t *testing.T) {
	for _, reason := range Reasons() {
		a := AdviseTrusted(Refuse(reason, nil))
		if a.Expected == "" || a.Change == "" || strings.ContainsAny(a.Expected+a.Change, "\r\n") {
			t.Errorf("%s: %+v", reason, a)
		}
		for _, ours := range []string{"Application", "storage"} {
			if strings.Contains(a.Change, ours) {
				t.Errorf("%s: advises the %s: %s", reason, ours, a.Change)
			}
		}
		if strings.Contains(Advise(reason).Change, "trust") {
			t.Errorf("%s: advises an option of trust for an issuer of this server: %s", reason, Advise(reason).Change)
		}
	}
	for reason := range trustedAdvice {
		if _, known := answers[reason]; !known {
			t.Errorf("advice on the unknown %s", reason)
		}
	}
}

// The advice names the mark of an ID token, and the option that allows it.
func TestAdviceOnMarks(t *testing.T) {
	for mark, want := range map[string]string{
		"nonce": "`insecure_id_token_marks nonce`", "at_hash": "`insecure_id_token_marks at_hash`", "c_hash": "", "events": "", "token_introspection": "",
	} {
		a := AdviseTrusted(Refuse(WrongType, &markError{mark}))
		if !strings.Contains(a.Expected, mark) || strings.Contains(a.Change, "types") || strings.Contains(a.Change, "insecure") != (want != "") || !strings.Contains(a.Change, want) {
			t.Errorf("%s: %+v", mark, a)
		}
	}
}
