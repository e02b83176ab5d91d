package file

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DISTLOCK_FILE_HOLD"); dir != "" {
		holdForever(dir)
	}
	locktest.Main(locktest.Tidy(m), func(dir string, o core.Observer) (core.Provider, error) {
		if there, ok := strings.CutPrefix(dir, "remote:"); ok {
			return newRemote(there, &Options{Observer: o})
		}
		return New(dir, &Options{Observer: o})
	})
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	locktest.Run(t, harness(dir, New))
}

// On a network file system nothing is mapped and nothing is told: waiters poll,
// and the probe finds what is lost.
func TestConformanceOnNetworkFileSystem(t *testing.T) {
	dir := t.TempDir()
	h := harness(dir, newRemote)
	h.Process = "remote:" + dir
	locktest.Run(t, h)
}

// newRemote takes a local directory for one on a network file system.
func newRemote(dir string, o *Options) (*Provider, error) {
	o.CheckInterval, o.PollInterval = 5*time.Millisecond, 5*time.Millisecond
	p, err := New(dir, o)
	if err == nil {
		p.folder.kind = func(string) string { return "test" }
	}
	return p, err
}

// harness reaches the locks of a directory. On Windows a file that is open cannot
// be removed, so nothing can be lost.
func harness(dir string, open func(string, *Options) (*Provider, error)) locktest.Harness {
	h := locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			t.Helper()
			p, err := open(dir, &Options{Observer: o})
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Process: dir,
		Tokens:  true,
	}
	if runtime.GOOS != "windows" {
		h.Lose = func(t testing.TB, _ core.Provider, kind core.Kind, name string) {
			t.Helper()
			removeFiles(t, dir, kind, name)
		}
	}
	return h
}

// removeFiles removes the files that holders of an object lock.
func removeFiles(t testing.TB, dir string, kind core.Kind, name string) {
	t.Helper()
	o := newObject(kind, name)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if kind == core.KindSemaphore && strings.HasPrefix(f.Name(), o.main+".") || f.Name() == o.main {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}
