//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package page

import (
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/distlock/distlock-go/file/internal/flock"
)

// Whoever repairs a file leaves what another process writes behind the page at the
// same time.
func TestRepairDoesNotShorten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f, err := flock.Open(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const rounds, text = 10000, "the name"
	var begun, repaired atomic.Int64
	go func() {
		for i := int64(1); i <= rounds; i++ {
			for begun.Load() < i {
				runtime.Gosched()
			}
			if err := Repair(f); err != nil {
				t.Error(err)
			}
			repaired.Store(i)
		}
	}()
	for i := int64(1); i <= rounds; i++ {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		begun.Store(i)
		for range i % 100 { // At another moment each time.
			begun.Load()
		}
		_, err := f.WriteAt([]byte(text), Size)
		for repaired.Load() < i {
			runtime.Gosched()
		}
		if err != nil {
			t.Fatal(err)
		}
		if size, err := f.Size(); err != nil || size != Size+int64(len(text)) {
			t.Fatalf("in round %d the file has %d bytes, %v; want a page and what is behind it", i, size, err)
		}
	}
}
