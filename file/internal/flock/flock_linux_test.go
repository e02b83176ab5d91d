package flock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A rename right after a look at the path bears the same time of change as what was
// seen, where the kernel dates changes by a coarse clock. ramfs does so on every
// kernel; where it cannot be mounted the test has what file system there is.
func TestStandsAmongChangesOfOneTick(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("ramfs", dir, "ramfs", 0, ""); err == nil {
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	path, other := filepath.Join(dir, "x"), filepath.Join(dir, "other")
	for range 200 {
		f := mustOpen(t, path)
		if err := f.Stands(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Rename(path, other), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := f.Stands(); !errors.Is(err, ErrRemoved) {
			t.Fatalf("Stands of a file that was moved: %v, want ErrRemoved", err)
		}
	}
}
