package file

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
)

// smallDisk mounts a file system of a few pages.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small file system cannot be mounted (only root may): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Scenario 112: what has its page can be locked on a full disk; what has none
// cannot, and nothing is held.
func TestDiskFull(t *testing.T) {
	if os.Getenv("DISTLOCK_TEST_QEMU") != "" && runtime.GOARCH != "386" {
		t.Skip("qemu does not tell where a fault was")
	}
	dir := smallDisk(t)
	p := provider(t, dir, nil)
	release(t, try(t, p.NewLock("old")))
	damaged := acquire(t, p.NewLock("damaged"))
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}

	release(t, try(t, p.NewLock("old")))
	for _, kind := range kinds {
		names(t, refuses(t, of(p, kind), core.ErrUnavailable, syscall.ENOSPC), dir, "no space left", "free some")
	}
	if err := p.Check(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Check: %v", err)
	}
	if err := damaged.Err(); err != nil {
		t.Error(err)
	}
	release(t, damaged)

	// A page that was taken away cannot be had again: a fault, and no crash.
	if err := os.Truncate(mainPath(dir, core.KindLock, "damaged"), 0); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		_, err = filler.Write(make([]byte, 512))
	}
	refuses(t, p.NewLock("damaged"), core.ErrUnavailable, syscall.ENOSPC)

	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"damaged", "a", "old"} {
		release(t, try(t, p.NewLock(name)))
		release(t, try(t, p.NewSemaphore(name, 2)))
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := smallDisk(t)
	before, err := New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	release(t, try(t, before.NewLock("a")))
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	p := provider(t, dir, nil)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		names(t, refuses(t, p.NewLock(name), core.ErrUnavailable, syscall.EROFS), dir, "read-only")
	}
}
