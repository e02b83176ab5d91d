package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
)

func TestMain(m *testing.M) {
	locktest.Main(m, func(dir string, o core.Observer) (core.Provider, error) {
		return New(dir, &Options{Observer: o})
	})
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	locktest.Run(t, harness(dir, nil))
}

// harness reaches the locks of a directory.
func harness(dir string, opts *Options) locktest.Harness {
	return locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			t.Helper()
			var with Options
			if opts != nil {
				with = *opts
			}
			with.Observer = o
			p, err := New(dir, &with)
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Lose:    func(t testing.TB, _ core.Provider, kind core.Kind, name string) { removeFiles(t, dir, kind, name) },
		Process: dir,
		Tokens:  true,
	}
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
