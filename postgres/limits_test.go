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
