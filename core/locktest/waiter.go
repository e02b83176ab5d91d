package locktest

import (
	"context"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A waiter is an Acquire that is under way.
type waiter struct {
	t      *trial
	cancel context.CancelFunc
	queued chan struct{} // receives, once, when the observer hears that it waits
	done   chan struct{} // closed when it returns
	h      core.Handle
	err    error
}

type waiterKey struct{}

// start calls Acquire in a goroutine.
func (t *trial) start(l core.Lock) *waiter {
	ctx, cancel := context.WithCancel(context.Background())
	w := &waiter{t: t, cancel: cancel, queued: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.h, w.err = l.Acquire(context.WithValue(ctx, waiterKey{}, w))
	}()
	t.waiters = append(t.waiters, w)
	return w
}

// wait starts an Acquire of a lock that is held, and returns when it waits: when
// the observer says so, and a moment has passed in which it may line up at the
// backend.
func (t *trial) wait(l core.Lock) *waiter {
	t.Helper()
	w := t.start(l)
	limit := 10 * t.h.Pause // For a backend that tells the observer nothing.
	if t.h.tellsOfWaits.Load() {
		limit = t.patience()
	}
	select {
	case <-w.queued:
		t.h.tellsOfWaits.Store(true)
	case <-w.done:
	case <-time.After(limit):
	}
	w.blocked()
	return w
}

// blocked checks that it goes on waiting.
func (w *waiter) blocked() {
	w.t.Helper()
	select {
	case <-w.done:
		w.t.Fatalf("an Acquire that must wait has returned: error %v", w.err)
	case <-time.After(w.t.h.Pause):
	}
}

// granted waits for its success.
func (w *waiter) granted() core.Handle {
	w.t.Helper()
	w.t.closed(w.done, "a waiter's Acquire returns")
	if w.err != nil {
		w.t.Fatalf("a waiter's Acquire failed: %v", w.err)
	}
	return w.t.fresh(w.h)
}

// failed waits for its failure, which must come at once, and returns the error.
func (w *waiter) failed() error {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(w.t.soon()):
		w.t.Fatalf("a waiter's Acquire did not return within %v", w.t.soon())
	}
	if w.err == nil {
		w.t.Fatalf("a waiter's Acquire succeeded; it must fail")
	}
	return w.err
}
