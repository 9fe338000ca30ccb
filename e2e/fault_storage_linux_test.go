package e2e

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// F2: without a storage there is no start, and no key that is in memory alone.
func TestF02NoStartWithoutStorage(t *testing.T) {
	t.Parallel()
	cl := &cluster{t: t, storage: filepath.Join(t.TempDir(), "storage"), issuers: 1}
	write(t, cl.storage, "not a folder")
	dir := workspace(t, newPorts(t), cl.caddyfile("EdDSA"), map[string]string{"applications.yaml": clusterApplications})
	output := fails(t, dir, t.TempDir())
	if !strings.Contains(output, "the issuer http://localhost/00 has no signing key: ") || !strings.Contains(output, "not a directory") {
		t.Errorf("it does not say why:\n%s", output)
	}
	if content := read(t, cl.storage); content != "not a folder" {
		t.Errorf("the file is now %q", content)
	}
}

// unknownKey is the token with a kid that no key has.
func unknownKey(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	return segment(`{"alg":"EdDSA","kid":"2020-02-02","typ":"at+jwt"}`) + "." + rest
}

// statusOf is the status of a request with the token.
func (n *node) statusOf(token string) int {
	n.t.Helper()
	return send(n.t, n.http, n.request(http.MethodGet, n.place(0, "/orders"), "", bearer(token))).StatusCode
}

// F3: a storage that fails in run stops neither issuing nor verifying with the
// keys in memory. Rotation says that it cannot, and can when the storage is back.
func TestF03TheStorageFailsInRun(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 1, 1, "EdDSA")
	n, before := cl.nodes[0], stored(t, cl.folder(0))
	token, err := n.issued(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(cl.storage, cl.storage+".away"); err != nil {
		t.Fatal(err)
	}
	write(t, cl.storage, "the disk is gone")
	kids := n.published(0)

	for range 3 {
		if _, err := n.rotate(0, true); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "lock") {
			t.Errorf("a rotation: %v", err)
		}
		cl.agree(0)
		cl.accept(0, token)
	}
	if status := n.statusOf(unknownKey(token)); status != http.StatusServiceUnavailable {
		t.Errorf("a token of an unknown key: %d", status)
	}
	if now := n.published(0); !slices.Equal(now, kids) {
		t.Errorf("published were %v and are %v", kids, now)
	}

	if err := os.Remove(cl.storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(cl.storage+".away", cl.storage); err != nil {
		t.Fatal(err)
	}
	if after := stored(t, cl.folder(0)); !maps.EqualFunc(after, before, slices.Equal) {
		t.Errorf("stored were %v and are %v", before, after)
	}
	n.eventually("the storage to be read again", func() bool { return n.statusOf(unknownKey(token)) == http.StatusUnauthorized })
	if _, err := n.rotate(0, true); err != nil {
		t.Errorf("a rotation with the storage back: %v", err)
	}
	cl.agree(0)
	cl.accept(0, token)
}

// F4: a lock that is never given back holds up a rotation for a bounded time,
// and nothing else: no request, no reload.
func TestF04ALockThatIsNeverGivenBack(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 1, 1, "EdDSA")
	n, folder := cl.nodes[0], cl.folder(0)
	name := "tokenidp_" + filepath.Base(filepath.Dir(folder)) + "_keys.lock"
	ahead := time.Now().Add(time.Hour).Format(time.RFC3339) // never stale
	lock := filepath.Join(cl.storage, "locks", name)
	write(t, lock, `{"created":"`+ahead+`","updated":"`+ahead+`"}`)

	refused := make(chan error, 1)
	go func() {
		_, err := n.rotate(0, false)
		refused <- err
	}()
	n.at("the rotation to wait for the lock", func() bool {
		_, waiting := n.goroutines("signing.(*Ring).Rotate")
		return waiting == 1
	})
	cl.agree(0)
	config := strings.Replace(read(t, filepath.Join(n.dir, "Caddyfile")), "respond fine", "respond \"reloaded\"", 1)
	reload := n.administer(http.MethodPost, "/load", strings.ReplaceAll(config, "applications.yaml", filepath.Join(n.dir, "applications.yaml")), "Content-Type: text/caddyfile")
	if reload.StatusCode != http.StatusOK {
		t.Errorf("reload: %d %s", reload.StatusCode, reload.body)
	}
	n.http.CloseIdleConnections() // the reload has closed them, too
	if _, err := n.issued(0); err != nil {
		t.Error(err)
	}
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "locking") {
		t.Errorf("the rotation: %v", err)
	}
	if len(entries(folder)) != 1 {
		t.Errorf("stored are %v", entries(folder))
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if made, err := n.rotate(0, false); err != nil || !made.Made {
		t.Errorf("with the lock free: %+v %v", made, err)
	}
}

// F5: an entry that breaks in run is named, kept, and missed by nobody before the
// next start, which says so; repaired, it is as good as before.
func TestF05AnEntryBreaksInRun(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(string) string{
		"truncated": func(s string) string { return s[:len(s)/2] },
		"empty":     func(string) string { return "" },
		"other":     func(string) string { return `{"version":1}` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := startCluster(t, 1, 1, "EdDSA")
			n, folder := cl.nodes[0], cl.folder(0)
			token, err := n.issued(0)
			if err != nil {
				t.Fatal(err)
			}
			entry := filepath.Join(folder, entries(folder)[0])
			whole := read(t, entry)
			write(t, entry, damage(whole))

			if status := n.statusOf(unknownKey(token)); status != http.StatusUnauthorized {
				t.Errorf("a token of an unknown key: %d", status)
			}
			said := n.entries("signing key entries cannot be used and are left alone; repair each, or delete it once no token of its lives")
			if named, _ := said[0]["entries"].([]any); len(said) != 1 || len(named) != 1 || !strings.Contains(named[0].(string), filepath.Base(entry)) {
				t.Errorf("logged %v", said)
			}
			cl.agree(0)
			cl.accept(0, token)

			n.stop()
			if output := fails(t, n.dir, n.home); !strings.Contains(output, "no usable key, and entries that cannot be read") || !strings.Contains(output, filepath.Base(entry)) {
				t.Errorf("it does not say why:\n%s", output)
			}
			if content := read(t, entry); content != damage(whole) || len(entries(folder)) != 1 {
				t.Errorf("the folder is now %v, and the entry %q", entries(folder), content)
			}
			write(t, entry, whole)
			n.revive()
			cl.agree(0)
			cl.accept(0, token)
		})
	}
}

// F14: where the disk is full, be it for the key or for the lock already, a
// rotation says so and leaves nothing half done; Caddy goes on, and rotates when
// there is room.
func TestF14TheDiskIsFull(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 1, 1, "EdDSA")
	n, folder := cl.nodes[0], cl.folder(0)
	token, err := n.issued(0)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		room int64
		says string
	}{
		"the lock fits, the key does not": {200, "writing tokenidp/"},
		"not even the lock fits":          {0, "locking tokenidp_"},
	} {
		before := stored(t, folder)
		n.limitFileSize(row.room)
		if _, err := n.rotate(0, true); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), "file too large") {
			t.Errorf("%s: %v", name, err)
		}
		if after := stored(t, folder); !maps.EqualFunc(after, before, slices.Equal) {
			t.Errorf("%s: the folder was %v and is %v", name, slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
		}
		cl.agree(0)
		cl.accept(0, token)
		n.limitFileSize(-1)
		if made, err := n.rotate(0, true); err != nil || !made.Made {
			t.Errorf("%s, and then there is room: %v", name, err)
		}
		cl.agree(0)
		cl.accept(0, token)
	}
}
