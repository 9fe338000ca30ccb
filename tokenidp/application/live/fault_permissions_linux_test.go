package live

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asNobody has the file system judge what f does by permissions, even where the
// test runs as root, whom it lets read everything.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	const nobody = 65534
	if os.Geteuid() == 0 {
		runtime.LockOSThread() // it is of this thread alone
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }()
	}
	f()
}

// TestF07PermissionsLost on the file, its folder, and a folder above.
func TestF07PermissionsLost(t *testing.T) {
	for _, row := range []struct{ name, locked, pattern, want string }{
		{"of the file", "d/a.yaml", "d/a.yaml", "broken d/a.yaml: d/a.yaml: cannot be read: permission denied"},
		{"of its folder", "d", "d/a.yaml", "broken d/a.yaml: d/a.yaml: cannot be read: permission denied"},
		{"of a file of a glob", "d/a.yaml", "d/*.yaml", "broken d/a.yaml: d/a.yaml: cannot be read: permission denied"},
		{"of the folder of a glob", "d", "d/*.yaml", "broken d/*.yaml: d/*.yaml: no file matches"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{"d/a.yaml": team("a")}, row.pattern)
			for dir := f.path("d"); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
				_ = os.Chmod(dir, 0o755) // nobody gets as far as there
			}
			f.must(os.Chmod(f.path("d/a.yaml"), 0o644))
			asNobody(t, func() { f.want("it is readable for all", "") })

			info, err := os.Stat(f.path(row.locked))
			f.must(err)
			f.must(os.Chmod(f.path(row.locked), 0))
			asNobody(t, func() {
				f.want("locked", row.want)
				f.want("told once", "")
			})
			f.wantIDs("a")
			f.must(os.Chmod(f.path(row.locked), info.Mode().Perm()))
			asNobody(t, func() { f.refresh(nil) })
			f.wantIDs("a")
			if s := f.Status(); len(s) != 1 || s[0].Problem != "" {
				t.Errorf("unlocked: %+v", s)
			}
		})
	}
}
