package e2e

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// F28: a server that only verifies works on a storage that it cannot write to,
// finds the keys that its peer makes later, and does not try to write.
func TestF28AVerifierNeedsNoWritableStorage(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 1, 1, "EdDSA")
	issuing := cl.nodes[0]
	issuing.eventually("its entry with usage", func() bool { return len(usageEntries(cl.storage)) == 1 })
	setWritable(t, cl.storage, false)
	t.Cleanup(func() { setWritable(t, cl.storage, true) })
	verifying := joinReadOnly(cl, verifyingCaddyfile)
	before := fingerprint(t, cl.storage)
	if len(before) == 0 {
		t.Fatal("the storage is empty")
	}

	first, err := issuing.issued(0)
	if err != nil {
		t.Fatal(err)
	}
	check := func(token string, want int) {
		t.Helper()
		a := send(t, verifying.http, verifying.request(http.MethodGet, verifying.base+"orders", "", bearer(token)))
		if a.StatusCode != want {
			t.Errorf("%d, want %d", a.StatusCode, want)
		}
	}
	for range 10 {
		check(first, http.StatusOK)
		check(first[:len(first)-4]+"AAAA", http.StatusUnauthorized)
	}
	if now := fingerprint(t, cl.storage); !maps.Equal(now, before) {
		t.Errorf("the storage was %v and is %v", before, now)
	}

	setWritable(t, cl.storage, true)
	if _, err := issuing.rotate(0, true); err != nil {
		t.Fatal(err)
	}
	setWritable(t, cl.storage, false)
	after := fingerprint(t, cl.storage)
	second, err := issuing.issued(0)
	if err != nil || keyID(t, second) == keyID(t, first) {
		t.Fatalf("the new key does not sign: %v", err)
	}
	check(second, http.StatusOK)
	check(first, http.StatusOK)
	check(unknownKey(first), http.StatusUnauthorized)
	if a := verifying.administer(http.MethodPost, "/tokenidp/keys/rotate", ""); a.StatusCode != http.StatusConflict {
		t.Errorf("it rotates: %d %s", a.StatusCode, a.body)
	}
	if now := fingerprint(t, cl.storage); !maps.Equal(now, after) {
		t.Errorf("the storage was %v and is %v", after, now)
	}
	for line := range strings.Lines(verifying.logged()) {
		if strings.Contains(line, `"level":"error"`) && strings.Contains(line, "tokenidp") {
			t.Errorf("logged: %s", line)
		}
	}
}

// F28: a server that issues says at once that it cannot write to its storage, and signs
// with the key that is there.
func TestF28AnIssuerOnAReadOnlyStorageIsNotInOrder(t *testing.T) {
	t.Parallel()
	cl := startCluster(t, 1, 1, "EdDSA")
	setWritable(t, cl.storage, false)
	t.Cleanup(func() { setWritable(t, cl.storage, true) })
	n := joinReadOnly(cl, issuingCaddyfile)
	var output string
	n.eventually("the problem in status", func() (done bool) {
		output, _ = n.ctl("status")
		return strings.Contains(output, "the storage cannot be written to")
	})
	metrics := n.administer(http.MethodGet, "/metrics", "").body
	if _, code := n.ctl("status"); code != 1 || !strings.Contains(metrics, `caddy_tokenidp_keys_in_order{issuer="http://localhost/00"} 0`) {
		t.Errorf("status ends with %d\n%s\n%s", code, output, metrics)
	}
	if _, err := n.issued(0); err != nil {
		t.Error(err)
	}
}

// The storage is the %s.
const (
	verifyingCaddyfile = "{\n\tauto_https off\n\tstorage file_system %s\n\ttokenidp {\n\t\tissuer http://localhost/00\n\t}\n}\n" +
		"http://localhost:5001 {\n\thandle /orders {\n\t\tverify orders.read {\n\t\t\taudience orders-api\n\t\t}\n\t\trespond fine\n\t}\n}\n"
	issuingCaddyfile = "{\n\tauto_https off\n\tstorage file_system %s\n\ttokenidp {\n\t\tissuer http://localhost/00 {\n\t\t\tapplications applications.yaml\n\t\t}\n\t}\n}\n" +
		"http://localhost:5001 {\n\ttokenidp\n}\n"
)

// joinReadOnly runs a server, and proves that it cannot write to the storage. Root may write everywhere: then it runs as nobody, who may only
// read everything.
func joinReadOnly(cl *cluster, caddyfile string) *node {
	cl.t.Helper()
	attributes := new(syscall.SysProcAttr)
	home := cl.t.TempDir()
	if os.Getuid() == 0 {
		const nobody = 65534
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		attributes.AmbientCaps = []uintptr{unix.CAP_DAC_READ_SEARCH}
		for path, mode := range map[string]os.FileMode{filepath.Dir(binary): 0o755, filepath.Dir(home): 0o755} {
			if err := os.Chmod(path, mode); err != nil {
				cl.t.Fatal(err)
			}
		}
		if err := os.Chown(home, nobody, nobody); err != nil {
			cl.t.Fatal(err)
		}
	}
	touch := exec.Command("sh", "-c", `ls "$0/tokenidp" && ! touch "$0/here" "$0/tokenidp/here"`, cl.storage)
	touch.Dir, touch.SysProcAttr = "/", attributes
	if output, err := touch.CombinedOutput(); err != nil || !strings.Contains(string(output), "localhost00") {
		cl.t.Fatalf("the storage can be written to, or not be read: %v %s", err, output)
	}
	return cl.joinAs(fmt.Sprintf(caddyfile, cl.storage), home, attributes).started()
}

// setWritable makes the folders of the storage writable or not.
func setWritable(t *testing.T, storage string, writable bool) {
	t.Helper()
	mode := os.FileMode(0o500)
	if writable {
		mode = 0o700
	}
	err := filepath.WalkDir(storage, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, mode)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// usageEntries returns the entries of usage in a storage.
func usageEntries(storage string) []string {
	found, _ := filepath.Glob(filepath.Join(storage, "tokenidp", "usage-*", "counts", "*.json"))
	return found
}

// fingerprint tells a folder from one in which anything was written, but for what a server
// that may write overwrites all the time: its usage.
func fingerprint(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			found[path] = fmt.Sprint(info.ModTime(), info.Size())
		}
		if strings.Contains(path, "/usage-") {
			found[path] = "" // by name
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
