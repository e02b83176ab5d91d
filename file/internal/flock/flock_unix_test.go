//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package flock

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Scenario 113: none of these is followed, and none blocks.
func TestTrapsAreRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Symlink(at("victim"), at("dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("target"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("target"), at("link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	refused(t, at("dangling"), ErrSymlink)
	refused(t, at("link"), ErrSymlink)
	refused(t, at("fifo"), ErrNotFile)
	refused(t, at("socket"), ErrNotFile)
	refused(t, os.DevNull, ErrNotFile)
	if _, err := os.Lstat(at("victim")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target of a symbolic link was made: %v", err)
	}
}

func TestModeIsSetWhateverTheUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := t.TempDir()
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666} {
		path := filepath.Join(dir, mode.String())
		f, err := Open(path, mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != mode {
			t.Errorf("the mode is %v, %v; want %v", info.Mode(), err, mode)
		}
		if err := errors.Join(f.Stands(), f.Close()); err != nil {
			t.Error(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("there are %v, %v; a temporary file was left", files, err)
	}
}

// Whoever comes while a file for all is being made may open it all the same, and
// only one of those who make it at the same time does.
func TestSharedFilesAreMadeAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	var all sync.WaitGroup
	files := make([]*File, 16)
	for i := range files {
		all.Go(func() {
			f, err := Open(path, 0o666)
			if err != nil {
				t.Error(err)
				return
			}
			files[i] = f
		})
	}
	all.Wait()
	for _, f := range files {
		if f == nil {
			continue
		}
		if f.ino != files[0].ino {
			t.Error("two have opened different files")
		}
		_ = f.Close()
	}
}

// Scenario 116: a process that is started while a file is locked does not keep
// the lock.
func TestChildDoesNotInheritTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f, g := mustOpen(t, path), mustOpen(t, path)
	try(t, f, false, true)
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	try(t, g, false, true)
}

// Scenario 114: signals do not disturb, and cause no busy loop.
func TestSignalsDoNotDisturb(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f, g := mustOpen(t, path), mustOpen(t, path)
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = syscall.Kill(os.Getpid(), syscall.SIGURG) // As the scheduler does to preempt.
			}
		}
	})
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		try(t, f, false, true)
		try(t, g, false, false)
		if err := f.Stands(); err != nil {
			t.Error(err)
		}
		unlock(t, f)
	}
	close(stop)
	all.Wait()
}

func TestErrorsSayThatThereAreNoLocks(t *testing.T) {
	f := mustOpen(t, filepath.Join(t.TempDir(), "x"))
	if err := unix.Close(f.fd); err != nil {
		t.Fatal(err)
	}
	_, err := f.TryLock(false)
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a lock on a closed descriptor: %v", err)
	}
	f.fd, err = unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []error{unix.ENOTSUP, unix.ENOSYS, unix.ENOLCK, unix.EINVAL} {
		if err := lockError("x", no); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, no) {
			t.Errorf("%v becomes %v", no, err)
		}
	}
}
