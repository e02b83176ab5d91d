//go:build linux || darwin || freebsd

package file

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/file/internal/flock"
)

// BenchmarkBare is what the kernel alone needs for [BenchmarkPair].
func BenchmarkBare(b *testing.B) {
	f, err := flock.Open(filepath.Join(b.TempDir(), "a"), 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := unix.Flock(f.FD(), unix.LOCK_EX); err != nil {
			b.Fatal(err)
		}
		if err := unix.Flock(f.FD(), unix.LOCK_UN); err != nil {
			b.Fatal(err)
		}
	}
}
