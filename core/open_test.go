package core_test

import (
	"context"
	"sync"
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

// open returns a provider in memory that the test closes.
func open(t testing.TB, opts *memory.Options) *memory.Provider {
	t.Helper()
	p, err := memory.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// isFree reports whether a lock can be had.
func isFree(t testing.TB, l core.Lock) bool {
	t.Helper()
	h, err := l.TryAcquire(context.Background())
	if err != nil {
		return false
	}
	if err := h.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
	return true
}

// lose breaks the hold on a lock of p.
func lose(t testing.TB, p *memory.Provider, name string) {
	t.Helper()
	if n, err := p.Break(context.Background(), core.KindLock, name); n != 1 || err != nil {
		t.Fatalf("Break returned %d, %v", n, err)
	}
}

// A diary records what happens to the locks that share it.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// A told lock writes its acquires and releases into a diary.
type told struct {
	core.Lock
	*diary
	as      string
	release error // what Release returns
}

func (l told) Acquire(ctx context.Context) (core.Handle, error) { return l.get(l.Lock.Acquire(ctx)) }
func (l told) TryAcquire(ctx context.Context) (core.Handle, error) {
	return l.get(l.Lock.TryAcquire(ctx))
}

// Identity passes on that of the lock, as a decorator should.
func (l told) Identity() core.Identity { return l.Lock.(core.Identified).Identity() }

func (l told) get(h core.Handle, err error) (core.Handle, error) {
	if err != nil {
		l.write("no " + l.as)
		return nil, err
	}
	l.write("+" + l.as)
	return toldHandle{h, l}, nil
}

type toldHandle struct {
	core.Handle
	l told
}

func (h toldHandle) Release(ctx context.Context) error {
	h.l.write("-" + h.l.as)
	if err := h.Handle.Release(ctx); err != nil {
		return err
	}
	return h.l.release
}
