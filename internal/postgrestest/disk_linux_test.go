package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
)

// A server whose disk is full grants and releases as long as its log has room, and
// then ends itself: holders are told, an acquire says that the server cannot be had,
// and when there is room again tokens go on where they were.
func TestDiskIsFull(t *testing.T) {
	disk := filesystem(t, "200m")
	t.Setenv("TMPDIR", disk)
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "on", "max_wal_size": "32MB", "min_wal_size": "32MB",
	}})
	p, c := open(t, pg.URL(), nil), connect(t, pg.URL())
	held := acquire(t, p.NewLock("held"))
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	for range 10 {
		release(t, acquire(t, p.NewLock("a")))
	}
	began := time.Now()
	for i := 0; ; i++ {
		if i == 1000 {
			t.Fatal("a full disk holds a gigabyte of log")
		}
		if _, err := c.Exec(context.Background(), "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))"); err != nil {
			t.Log(err)
			break
		}
	}
	lostWithin(t, held, 10*time.Second, began)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if h, err := p.NewLock("a").Acquire(ctx); err == nil {
		t.Logf("the server is up again, with a token of %d", h.Token())
		release(t, h)
	} else if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("an acquire on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := pg.Kill(); err != nil { // It may be trying to start.
		t.Fatal(err)
	}
	if err := pg.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	next := acquire(t, p.NewLock("held"))
	if next.Token() <= held.Token() {
		t.Errorf("the token after the disk was full is %d; it was %d before", next.Token(), held.Token())
	}
	release(t, next)
}

// filesystem mounts a small one, which goes with the test.
func filesystem(t *testing.T, size string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "disk") //nolint:usetesting // Servers run as others, who may not enter t.TempDir.
	if err == nil {
		err = unix.Mount("disk", dir, "tmpfs", 0, "mode=0755,size="+size)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH) // It may never have been mounted.
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if errors.Is(err, unix.EPERM) {
		t.Skip("a file system of its own needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// fill leaves no room on the file system of a file that it makes.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(f, zeros{}); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(fmt.Errorf("after %d bytes: %w", n, err))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
