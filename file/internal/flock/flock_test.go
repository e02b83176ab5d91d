package flock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func try(t *testing.T, f *File, shared, want bool) {
	t.Helper()
	got, err := f.TryLock(shared)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("TryLock(shared: %v) is %v", shared, got)
	}
}

func unlock(t *testing.T, f *File) {
	t.Helper()
	if err := f.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// Scenario 117: two opens in one process exclude each other, and closing one does
// not free the lock of the other.
func TestOpenFilesExcludeEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	a, b := mustOpen(t, path), mustOpen(t, path)
	try(t, a, false, true)
	try(t, b, false, false)
	try(t, b, true, false)
	third := mustOpen(t, path)
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	try(t, b, false, false)
	unlock(t, a)
	try(t, b, true, true)
	try(t, a, true, true)
	unlock(t, a)
	try(t, a, false, false)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	try(t, a, false, true)
}

func TestOpenCreatesOnlyWhatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if _, err := OpenExisting(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenExisting of a missing file: %v", err)
	}
	f := mustOpen(t, path)
	if _, err := f.WriteAt([]byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	g := mustOpen(t, path)
	b := make([]byte, 4)
	if _, err := g.ReadAt(b, 0); err != nil || string(b) != "kept" {
		t.Errorf("a file that was there was not left as it was: %q, %v", b, err)
	}
	if _, err := Open(filepath.Join(path, "y"), 0o600); err == nil {
		t.Error("a file below a file was opened")
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, path, ErrNotFile)
}

// refused checks that a path cannot be opened, and that the error says where and
// why.
func refused(t *testing.T, path string, why error) {
	t.Helper()
	for _, open := range []func() (*File, error){
		func() (*File, error) { return Open(path, 0o600) },
		func() (*File, error) { return OpenExisting(path) },
	} {
		f, err := open()
		if err == nil {
			_ = f.Close()
			t.Fatalf("%s was opened", path)
		}
		var at *fs.PathError
		if !errors.Is(err, why) || !errors.As(err, &at) || at.Path != path {
			t.Errorf("the error is %q; it must match %q and name the path", err, why)
		}
	}
}

func TestStandsKnowsWhatBecameOfThePath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open keeps its name on Windows")
	}
	for name, harm := range map[string]func(path, other string) error{
		"removed":  func(path, _ string) error { return os.Remove(path) },
		"replaced": func(path, other string) error { return os.Rename(other, path) },
		"moved":    os.Rename,
		"moved and made again": func(path, other string) error {
			return errors.Join(os.Rename(path, other), os.WriteFile(path, nil, 0o600))
		},
		"linked and removed": func(path, other string) error {
			return errors.Join(os.Remove(other), os.Link(path, other), os.Remove(path))
		},
		"removed with its directory": func(path, _ string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path, other := filepath.Join(dir, "x"), filepath.Join(dir, "other")
			if err := os.WriteFile(other, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			f, fresh := mustOpen(t, path), mustOpen(t, path)
			for range 2 {
				if err := f.Stands(); err != nil {
					t.Fatalf("Stands of a file that is in its place: %v", err)
				}
			}
			if err := harm(path, other); err != nil {
				t.Fatal(err)
			}
			for _, f := range []*File{f, f, fresh} {
				if err := f.Stands(); !errors.Is(err, ErrRemoved) {
					t.Errorf("Stands: %v, want ErrRemoved", err)
				}
			}
		})
	}
}

// The rename of a directory above is what only Named finds.
func TestNamedFindsTheRenameOfADirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory with a file that is open keeps its name on Windows")
	}
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, filepath.Join(dir, "x"))
	if err := errors.Join(f.Stands(), f.Named()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := f.Named(); !errors.Is(err, ErrRemoved) {
		t.Errorf("Named: %v, want ErrRemoved", err)
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f := mustOpen(t, path)
	try(t, f, false, true)
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}
