package file

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file"
)

// BenchmarkPair is one acquire and release that meet nobody. The contenders are
// interleaved, some hundred pairs at a time, and the best such time of each
// counts: whatever else the machine does only adds to the others.
func BenchmarkPair(b *testing.B) {
	ctx := context.Background()
	p, err := file.New(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	contenders := []struct {
		name string
		pair func() error
	}{
		{"bare", bare(b)},
		{"gofrs", gofrs(b)},
		{"lock", ours(ctx, p.NewLock("a"))},
		{"reader", ours(ctx, core.Reader(p.NewRWLock("a")))},
		{"permit", ours(ctx, p.NewSemaphore("a", 4))},
	}
	const pairs = 200
	best := make([]time.Duration, len(contenders))
	for b.Loop() {
		for i, c := range contenders {
			start := time.Now()
			for range pairs {
				if err := c.pair(); err != nil {
					b.Fatal(err)
				}
			}
			if took := time.Since(start) / pairs; best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	for i, c := range contenders {
		b.ReportMetric(float64(best[i].Nanoseconds()), c.name+"-ns")
		if i > 1 {
			b.ReportMetric(float64(best[i])/float64(best[0]), c.name+"/bare")
			b.ReportMetric(float64(best[i])/float64(best[1]), c.name+"/gofrs")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// bare is the two system calls on a file that is open.
func bare(b *testing.B) func() error {
	b.Helper()
	fd, err := unix.Open(filepath.Join(b.TempDir(), "a"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(fd) })
	return func() error {
		if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
			return err
		}
		return unix.Flock(fd, unix.LOCK_UN)
	}
}

func gofrs(b *testing.B) func() error {
	b.Helper()
	l := flock.New(filepath.Join(b.TempDir(), "a"))
	return func() error {
		if _, err := l.TryLock(); err != nil {
			return err
		}
		return l.Unlock()
	}
}

func ours(ctx context.Context, l core.Lock) func() error {
	return func() error {
		h, err := l.Acquire(ctx)
		if err != nil {
			return err
		}
		return h.Release(ctx)
	}
}
