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
// interleaved, some hundred pairs at a time. The best such time of each counts,
// because whatever else the machine does only adds to it; the median has what the
// garbage collector costs, too.
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
	took := make([][]time.Duration, len(contenders))
	for b.Loop() {
		for i, c := range contenders {
			start := time.Now()
			for range pairs {
				if err := c.pair(); err != nil {
					b.Fatal(err)
				}
			}
			took[i] = append(took[i], time.Since(start)/pairs)
		}
	}
	for i, c := range contenders {
		best, mid := quantile(took[i], 0), quantile(took[i], 0.5)
		b.ReportMetric(float64(best.Nanoseconds()), c.name+"-best-ns")
		b.ReportMetric(float64(mid.Nanoseconds()), c.name+"-p50-ns")
		for j, peer := range contenders[:2] {
			if i > 1 {
				b.ReportMetric(float64(best)/float64(quantile(took[j], 0)), c.name+"/"+peer.name)
				b.ReportMetric(float64(mid)/float64(quantile(took[j], 0.5)), c.name+"/"+peer.name+"-p50")
			}
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
