package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

func TestOptions(t *testing.T) {
	for name, o := range map[string]*Options{
		"mode with a type":         {Mode: fs.ModeDir | 0o600},
		"mode that owner cannot":   {Mode: 0o060},
		"mode that may only read":  {Mode: 0o644},
		"mode that may execute":    {Mode: 0o700},
		"poll interval":            {PollInterval: -1},
		"check interval":           {CheckInterval: -1},
		"idle files":               {IdleFiles: -1},
		"local hand-over":          {LocalHandoff: driver.Handoff{Count: -1}},
		"endless local hand-over":  {LocalHandoff: driver.Handoff{Count: 1}},
		"mode that others may not": {Mode: 0o662},
	} {
		if p, err := New(t.TempDir(), o); !errors.Is(err, core.ErrInvalid) || p != nil {
			t.Errorf("%s: New returned %v, %v", name, p, err)
		}
	}
	if p, err := New("", nil); !errors.Is(err, core.ErrInvalid) || p != nil {
		t.Errorf("no directory: New returned %v, %v", p, err)
	}
	for _, o := range []*Options{nil, {}, {Mode: 0o660}, {Mode: 0o666}, {IdleFiles: 1, LocalHandoff: driver.Handoff{Count: 1, For: time.Second}}} {
		provider(t, filepath.Join(t.TempDir(), "x"), o)
	}
}

func TestBadNamesAndLimits(t *testing.T) {
	p := provider(t, t.TempDir(), nil)
	for _, name := range []string{"", "\xff", strings.Repeat("x", driver.MaxName+1)} {
		refuses(t, p.NewLock(name), core.ErrInvalid)
		refuses(t, core.Reader(p.NewRWLock(name)), core.ErrInvalid)
		refuses(t, p.NewSemaphore(name, 1), core.ErrInvalid)
		if st, err := p.Inspect(t.Context(), name); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("Inspect of a bad name: %v, %v", st, err)
		}
	}
	refuses(t, p.NewSemaphore("a", 0), core.ErrInvalid)
	refuses(t, p.NewSemaphore("a", -1), core.ErrInvalid)
	if left, err := os.ReadDir(p.folder.path); err != nil || len(left) > 0 {
		t.Errorf("files were made: %v, %v", left, err)
	}
}

// New does nothing, and the first acquire makes what is missing: scenario 78.
func TestDirectoryIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	p := provider(t, dir, nil)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New has made the directory: %v", err)
	}
	release(t, try(t, p.NewLock("a")))
	if err := os.RemoveAll(dir); err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
	release(t, try(t, p.NewLock("a")))
	release(t, acquire(t, p.NewSemaphore("b", 2)))
}

// A relative directory stays where it was.
func TestWorkingDirectoryMayChange(t *testing.T) {
	t.Chdir(t.TempDir())
	p := provider(t, "locks", nil)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	release(t, try(t, p.NewLock("a")))
	if _, err := os.Stat(filepath.Join(here, "locks")); err != nil {
		t.Error(err)
	}
}

// Scenario 80, and a file below a file.
func TestDirectoryIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(path, "y")} {
		p := provider(t, dir, nil)
		err := refuses(t, p.NewLock("a"), core.ErrUnavailable)
		names(t, err, path, "directory")
		if err := p.Check(t.Context()); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Check: %v", err)
		}
		refuses(t, core.Reader(p.NewRWLock("a")), core.ErrUnavailable)
		refuses(t, p.NewSemaphore("a", 2), core.ErrUnavailable)
	}
}

// names checks that an error names the thing and the cure.
func names(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error is %q; it should say %q", err, text)
		}
	}
}

func TestFileIsADirectory(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	for _, kind := range kinds {
		path := mainPath(dir, kind, "a")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		names(t, refuses(t, of(p, kind), core.ErrUnavailable), path, "regular file", "remove it")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		release(t, try(t, of(p, kind)))
	}
}

// Scenarios 84 and 85: everybody makes files and directories at once, and somebody
// removes them all the time. Nothing fails for that.
func TestDirectoryIsRemovedAllTheTime(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory with a file that is open cannot be removed on Windows")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	var all, remover sync.WaitGroup
	stop := make(chan struct{})
	remover.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.RemoveAll(filepath.Dir(dir))
			}
		}
	})
	for i := range 20 {
		p := provider(t, dir, &Options{IdleFiles: 2})
		all.Go(func() {
			for n := range 50 {
				l := of(p, kinds[(i+n)%3])
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				h, err := l.Acquire(ctx)
				cancel()
				if err != nil && !strings.Contains(err.Error(), flockRemoved) {
					t.Error(err)
					return
				}
				if err == nil {
					if err := h.Release(context.Background()); err != nil && !errors.Is(err, core.ErrLost) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	close(stop)
	remover.Wait()
}

// flockRemoved is what a hold that was lost before it had begun ends with.
const flockRemoved = "removed or replaced"
