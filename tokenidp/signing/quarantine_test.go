package signing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// TestBadEntryTakesItsKeyID: its kid is not used again, should it come back.
func TestBadEntryTakesItsKeyID(t *testing.T) {
	for _, b := range []bad{
		{"2026-03-16.thumbprint.json", []byte(`{"version":3}`)},
		{"2026-03-16.thumbprint.json", nil},
	} {
		storage := newStorage(t)
		writeFile(t, storage, b.name, b.data)
		found, err := newStore(storage, testIssuer).list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(found.taken, []keyID{{"2026-03-16", 1}}) {
			t.Errorf("taken: %v", found.taken)
		}
	}
}

func TestLogNamesABrokenEntryAgainWhenItChanges(t *testing.T) {
	storage := newStorage(t)
	r, logs := observedRing(storage, "EdDSA")
	mustLoad(t, r)
	writeFile(t, storage, "2026-03-15.a.json", nil)
	mustLoad(t, r)
	mustLoad(t, r)
	if logs.Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
	writeFile(t, storage, "2026-03-15.b.json", nil)
	mustLoad(t, r)
	if logs.Len() != 2 || !strings.Contains(fmt.Sprint(logs.All()[1]), "2026-03-15.b.json") {
		t.Errorf("log: %v", logs.All())
	}
	if logs.FilterLevelExact(zap.ErrorLevel).Len() != 2 {
		t.Errorf("log: %v", logs.All())
	}
}

func TestUnrelatedNamesAreIgnored(t *testing.T) {
	storage := newStorage(t)
	k := testKey(t, "2026-03-15", "EdDSA")
	data := encoded(t, k)
	for _, name := range []string{
		"123456789", "2026-03-15", "2026-03-15.json", entryName(k) + ".tmp", entryName(k) + "~", "." + entryName(k),
		"README.json", ".DS_Store", "2026-3-15." + k.Public().Thumbprint() + ".json", "2026-03-15.1.x.json",
		"backup/" + entryName(k),
	} {
		writeFile(t, storage, name, data)
	}
	r, logs := observedRing(storage, "EdDSA")
	if made := mustEnsure(t, r); !madeToday.MatchString(made.ID) || !slices.Equal(published(t, r), []string{made.ID}) {
		t.Errorf("made %s, published %q", made.ID, published(t, r))
	}
	if logs.FilterLevelExact(zap.ErrorLevel).Len() != 0 {
		t.Errorf("log: %v", logs.All())
	}
}

// TestSubfoldersAreIgnored: some storages list subfolders unasked.
func TestSubfoldersAreIgnored(t *testing.T) {
	storage := newStorage(t)
	k := testKey(t, "2026-03-15", "EdDSA")
	writeFile(t, storage, "backup/"+entryName(k), encoded(t, k))
	storage.listed = func([]string, error) ([]string, error) {
		return storage.FileStorage.List(t.Context(), newStore(storage, testIssuer).folder, true)
	}
	if made := mustEnsure(t, newTestRing(storage)); !madeToday.MatchString(made.ID) {
		t.Errorf("active is %s", made.ID)
	}
}
