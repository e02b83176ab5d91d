package file

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/page"
)

// unmap has a provider use the files of an object as it does on a file system that does
// not map them. each wraps what its pages read and write.
func unmap(t *testing.T, p *Provider, o object, each func(*flock.File) pageFile) {
	t.Helper()
	for name, title := range map[string]string{o.main: o.name, o.gate: o.name} {
		lf, err := p.files.get(name, title)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.files.put(lf) })
		if err := lf.page.Close(); err != nil {
			t.Fatal(err)
		}
		lf.page = page.Copy(each(lf.f))
	}
}

type pageFile interface {
	ReadAt(b []byte, off int64) (int, error)
	WriteAt(b []byte, off int64) (int, error)
}

// A counting counts how often a file is read.
type counting struct {
	*flock.File
	reads *atomic.Int64
}

func (c counting) ReadAt(b []byte, off int64) (int, error) {
	c.reads.Add(1)
	return c.File.ReadAt(b, off)
}

// Whoever waits for what is not mapped looks at it now and then, and is not woken by
// its own look.
func TestWaitForWhatIsNotMapped(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	h := try(t, p.NewLock("a"))
	var reads atomic.Int64
	unmap(t, q, newObject(core.KindLock, "a"), func(f *flock.File) pageFile { return counting{f, &reads} })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := q.NewLock("a").Acquire(ctx); err == nil {
		t.Error("it was acquired twice")
	}
	// The longest pause is 25 ms, and no pause is less than half as long as it could be.
	if n := reads.Load(); n > 1000 {
		t.Errorf("the page was read %d times in a second", n)
	}
	got := waitAsync(t, p, q.NewLock("a"), core.KindLock)
	start := time.Now()
	release(t, h)
	release(t, <-got)
	if took := time.Since(start); took > wakeInterval/2 {
		t.Errorf("the waiter needed %v", took)
	}
}
