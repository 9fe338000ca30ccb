//go:build unix

package command

import (
	"os"
	"syscall"
)

// sameOwner gives a file the owner of another, so that the server can still read
// it when root has edited it.
func sameOwner(f *os.File, like os.FileInfo) error {
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
