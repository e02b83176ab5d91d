package postgres_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// Providers that use different limits are told so, once, and never hold more
// permits than the largest limit. A few seconds later nothing is left of it.
func TestLimitsDiffer(t *testing.T) {
	c := admin(t)
	leavesNothing(t, c)
	var told [2]atomic.Int32
	observe := func(i int) *postgres.Options {
		return &postgres.Options{PingInterval: 100 * time.Millisecond, Observer: core.ObserverFunc(func(_ context.Context, e core.Event) {
			if e.Type == core.EventLimitMismatch {
				t.Logf("%s %q: %v", e.Kind, e.Name, e.Err)
				told[i].Add(1)
			}
		})}
	}
	small, large := open(t, observe(0)).NewSemaphore(t.Name(), 2), open(t, observe(1)).NewSemaphore(t.Name(), 3)
	try := func(s core.Semaphore) core.Handle {
		t.Helper()
		h, err := s.TryAcquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	release := func(h core.Handle) {
		t.Helper()
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	held := []core.Handle{try(small), try(small)}
	if n := told[0].Load(); n != 0 {
		t.Errorf("the first to come was told %d times", n)
	}
	held = append(held, try(large))
	for _, s := range []core.Semaphore{small, large} {
		if h, err := s.TryAcquire(t.Context()); err == nil {
			t.Errorf("four permits are held: %v", h)
		}
	}
	if n := told[1].Load(); n != 1 {
		t.Errorf("the second one was told %d times", n)
	}

	// A permit that was waited for is held on another session, and shows its limit
	// there, too.
	waited := make(chan core.Handle, 1)
	go func() {
		h, err := large.Acquire(t.Context())
		if err != nil {
			t.Error(err)
		}
		waited <- h
	}()
	eventually(t, "it waits", func() bool {
		return query[int](t, c, "select count(distinct pid) from pg_locks l join pg_stat_activity a using (pid) where locktype = 'advisory' and application_name like 'distlock %'") == 3
	})
	release(held[2])
	h := <-waited
	release(held[0])
	release(held[1])
	if n := told[0].Load(); n > 1 {
		t.Errorf("the first one was told %d times", n)
	}
	release(h)
	eventually(t, "no lock is left, while the providers are open", func() bool {
		_, locks := ours(t, c)
		return locks == 0
	})
}

// The limit that a session shows is no lock, and List does not name it as one,
// whatever keys the provider makes.
func TestListLeavesOutLimits(t *testing.T) {
	for scheme, lock := range map[postgres.KeyScheme]string{postgres.Hashed: "a lock", postgres.Medallion: "a lock", postgres.Raw: "7,8"} {
		p := open(t, &postgres.Options{Keys: scheme, Namespace: t.Name()})
		var held []core.Handle
		for _, l := range []core.Lock{p.NewSemaphore("a semaphore", 3), core.Reader(p.NewRWLock(lock))} {
			h, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, h)
		}
		_, before := ours(t, admin(t))
		if before != len(held)+1 {
			t.Fatalf("%d locks are in pg_locks, want a permit, a share, and the limit that is shown", before)
		}
		list, err := p.List(t.Context(), "")
		if err != nil || len(list) != len(held) {
			t.Errorf("key scheme %d: List tells %+v, %v; want a permit and a share", scheme, list, err)
		}
		for _, h := range held {
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if list, err = p.List(t.Context(), ""); err != nil || len(list) != 0 {
			t.Errorf("key scheme %d: nothing is held, and List tells %+v, %v", scheme, list, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		leavesNothing(t, admin(t))
	}
}
