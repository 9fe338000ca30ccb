package signing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the release before signs_from wrote, byte for byte, and a token that it
// signed with that.
const (
	olderName  = "2026-03-16.AfgDQ5j1zP4WMyzNcC3ps90YZGm5WEehLHVM4_93AnU.json"
	olderEntry = `{"version":1,"issuer":"https://idp.example.com","kid":"2026-03-16","created_at":"2026-03-16T23:30:00Z","key":{"use":"sig","kty":"EC","kid":"2026-03-16","crv":"P-256","alg":"ES256","x":"0N_Qh1_JWKCgFby2Ekif-CYy_JiCUlUeBRRhhr1Lc0Q","y":"nvqR2OXLRZiYaUTu-RDyN7r_-V_T8_p1qTtJcHkqx98","d":"2xZIvvL6o8xErD1Frfpk4iZDuvCCl8P17Fwt1zMw20o"}}`
	olderToken = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjIwMjYtMDMtMTYiLCJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJiaWxsaW5nIn0.xwxLzPMS_s3IbH5CEVy605cW8_KwpRwV9Wr31P27_H8moJN5CARkrHqIM6m92S4S-YEuTm3oKN89sKqQkiGR1A"
)

// TestF27EntryOfTheOlderRelease signs on, and is rotated like any other.
func TestF27EntryOfTheOlderRelease(t *testing.T) {
	storage := newStorage(t)
	writeFile(t, storage, olderName, []byte(olderEntry))
	n := newNode(t, storage, "ES256", testTime.Add(day))
	if k := mustEnsure(t, n.Ring); entryName(k) != olderName || !k.SignsFrom.Equal(testTime) || storage.writes() != 0 {
		t.Errorf("signs with %s from %s, calls %v", k, k.SignsFrom, storage.calls)
	}
	if err := verifyAt(t, n.Ring, olderToken); err != nil {
		t.Errorf("a token of the older release: %v", err)
	}
	mustSign(t, n.Ring)
	n.pass(88 * day)
	n.maintain()
	n.want("active 2026-03-16, next 2026-06-13")
	wantKept(t, storage, map[string][]byte{olderName: []byte(olderEntry)})
}

// TestF27NewerReleaseBesideOurs: while it is rolled out, and after it was rolled
// back, we sign with what we can read, take no kid of theirs, and touch nothing
// of theirs, however old.
func TestF27NewerReleaseBesideOurs(t *testing.T) {
	storage := newStorage(t)
	n := newNode(t, storage, "EdDSA", testTime)
	mustEnsure(t, n.Ring)
	token := mustSign(t, n.Ring)
	theirs := make(map[string][]byte)
	for what, b := range newerEntries(t) {
		name := strings.Replace(b.name, badID, fmt.Sprintf("2026-03-16.%d", 100_000+len(what)), 1)
		theirs[name] = b.data
		writeFile(t, storage, name, b.data)
	}
	n.maintain()
	if err := verifyAt(t, n.Ring, token); err != nil {
		t.Error(err)
	}
	n.start("EdDSA", Options{}) // rolled back: a new process of ours
	mustEnsure(t, n.Ring)
	for range 4 * 94 {
		n.pass(6 * time.Hour)
		n.maintain()
		mustSign(t, n.Ring)
	}
	if got := storage.count("Delete"); got != 1 || len(published(t, n.Ring)) != 1 {
		t.Errorf("%d deleted, published %q", got, published(t, n.Ring))
	}
	wantKept(t, storage, theirs)
	if got := n.logs.FilterMessageSnippet("cannot be used").Len(); got != 1 {
		t.Errorf("said %d times", got)
	}
}

// TestF27KidsOfANewerReleaseAreTaken, whatever it wrote under them.
func TestF27KidsOfANewerReleaseAreTaken(t *testing.T) {
	storage := newStorage(t)
	for what, b := range newerEntries(t) {
		writeFile(t, storage, b.name, b.data)
		found, err := newStore(storage, testIssuer).list(t.Context())
		if err != nil || !slices.Contains(found.taken, keyID{badID, 1}) || len(found.keys) != 0 {
			t.Errorf("%s: taken %v, error %v", what, found.taken, err)
		}
	}
}
