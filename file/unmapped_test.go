package file

import (
	"context"
	"errors"
	"io"
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

// A stale is a file of which this machine sees what it saw first and what it has
// written itself, as with a file server while it does not lock the file.
type stale struct {
	*flock.File
	seen []byte
}

func (s *stale) ReadAt(b []byte, off int64) (int, error) {
	if s.seen == nil {
		s.seen = make([]byte, page.Size)
		if _, err := s.File.ReadAt(s.seen, 0); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
	}
	return copy(b, s.seen[off:]), nil
}

func (s *stale) WriteAt(b []byte, off int64) (int, error) {
	copy(s.seen[off:], b)
	return s.File.WriteAt(b, off)
}

// Tokens grow among machines that do not see what the others write, readers and
// permits included, whichever of them comes first.
func TestTokensOfMachinesThatDoNotSeeEachOther(t *testing.T) {
	if !page.Maps {
		t.Skip("here all processes see what the others write")
	}
	dir := t.TempDir()
	for _, kind := range kinds { // So that they all see a counter that has tokens left.
		next(t, of(provider(t, dir, nil), kind), 0)
	}
	var machines []*Provider
	for range 3 {
		p, err := newRemote(dir, new(Options))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		for _, kind := range kinds {
			unmap(t, p, newObject(kind, "a"), func(f *flock.File) pageFile { return &stale{File: f} })
		}
		machines = append(machines, p)
	}
	last := make(map[string]uint64)
	for round := range 20 {
		var held []core.Handle
		grow := func(what string, l core.Lock) {
			h := try(t, l)
			if h.Token() <= last[what] {
				t.Fatalf("round %d: token %d of a %s comes after token %d", round, h.Token(), what, last[what])
			}
			last[what] = h.Token()
			held = append(held, h)
		}
		free := func() {
			for _, h := range held {
				release(t, h)
			}
			held = nil
		}
		for _, p := range machines {
			grow("reader or writer", core.Reader(p.NewRWLock("a")))
			grow("permit", p.NewSemaphore("a", len(machines)))
		}
		free()
		for _, p := range machines {
			grow("reader or writer", core.Writer(p.NewRWLock("a")))
			grow("lock", p.NewLock("a"))
			free()
		}
	}
}

// A process that has the page mapped draws nothing below the token of one that has not.
func TestTokensOfWhatIsMappedByOneOnly(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	reader := func(p *Provider) core.Lock { return core.Reader(p.NewRWLock("a")) }
	last := next(t, reader(p), 0)
	unmap(t, q, newObject(core.KindRWLock, "a"), func(f *flock.File) pageFile { return f })
	for range 10 {
		last = next(t, reader(q), last)
		last = next(t, reader(p), last)
	}
}
