//go:build linux || darwin || freebsd

package file

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
)

// asNobody runs the rest of a test as a user who is not root, to whom permissions
// mean something: in a copy of this program, if this is root. It reports whether
// the caller is that user.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Getuid() != 0 {
		return true
	}
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777|fs.ModeSticky); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "test")
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

// Scenarios 86 and 112: no permission is an error, and no hang.
func TestNoPermission(t *testing.T) {
	if !asNobody(t) {
		return
	}
	dir := t.TempDir()
	chmod := func(path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	p := provider(t, dir, nil)
	release(t, try(t, p.NewLock("a")))
	p.files.clear()

	chmod(dir, 0o500) // What is there can be locked, nothing new be made.
	release(t, try(t, p.NewLock("a")))
	err := refuses(t, p.NewLock("b"), core.ErrUnavailable, fs.ErrPermission)
	names(t, err, dir, "Options.Mode")
	if err := p.Check(t.Context()); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Check: %v", err)
	}
	refuses(t, provider(t, filepath.Join(dir, "sub"), nil).NewLock("a"), core.ErrUnavailable, fs.ErrPermission)
	chmod(dir, 0o700)

	p.files.clear()
	path := mainPath(dir, core.KindLock, "a")
	chmod(path, 0o400)
	names(t, refuses(t, p.NewLock("a"), core.ErrUnavailable, fs.ErrPermission), path)
	chmod(path, 0o600)
	release(t, try(t, p.NewLock("a")))
}

// A directory from which anybody can remove files is refused, unless it has the
// sticky bit.
func TestWorldWritableDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	names(t, refuses(t, provider(t, dir, nil).NewLock("a"), core.ErrUnavailable), dir, "chmod")
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	release(t, try(t, provider(t, dir, nil).NewLock("a")))
}

// Files, the directory and those above it that are made have the same permissions
// whatever the umask.
func TestModes(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	for _, umask := range []int{0, 0o027, 0o077} {
		for mode, of := range map[fs.FileMode]fs.FileMode{
			0:     fs.ModeDir | 0o700,
			0o600: fs.ModeDir | 0o700,
			0o660: fs.ModeDir | 0o770,
			0o666: fs.ModeDir | fs.ModeSticky | 0o777,
		} {
			top := t.TempDir()
			dir := filepath.Join(top, "a", "b", "locks")
			p := provider(t, dir, &Options{Mode: mode})
			unix.Umask(umask)
			release(t, try(t, p.NewSemaphore("a", 1)))
			for d := dir; d != top; d = filepath.Dir(d) {
				info, err := os.Stat(d)
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode() != of {
					t.Errorf("umask %03o, files of mode %v: %s has mode %v, want %v", umask, mode, d, info.Mode(), of)
				}
			}
			for _, name := range append(files(t, dir), ledgerName) {
				info, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if want := cmp.Or(mode, 0o600); info.Mode() != want {
					t.Errorf("umask %03o: %s has mode %v, want %v", umask, name, info.Mode(), want)
				}
			}
		}
	}
}

// Scenario 111: a symbolic link is not followed, wherever it stands.
func TestSymlinkIsRefused(t *testing.T) {
	for _, kind := range kinds {
		dir := t.TempDir()
		victim := filepath.Join(t.TempDir(), "victim")
		p := provider(t, dir, nil)
		path := mainPath(dir, kind, "a")
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
		names(t, refuses(t, of(p, kind), core.ErrUnavailable, flock.ErrSymlink), path, "symbolic link", "remove it")
		if _, err := os.Lstat(victim); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the target was made: %v", err)
		}
	}
}

// A pipe does not block the acquire.
func TestPipeIsRefused(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	path := mainPath(dir, core.KindLock, "a")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	names(t, refuses(t, p.NewLock("a"), core.ErrUnavailable, flock.ErrNotFile), path)
}

// Scenario 114: an acquire that is interrupted by signals goes on.
func TestSignals(t *testing.T) {
	p := provider(t, t.TempDir(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGURG)
		}
	}()
	for ctx.Err() == nil {
		release(t, try(t, p.NewLock("a")))
	}
}
