package locktest

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var releaseRules = []rule{
	{
		name: "release-twice",
		text: "Release is idempotent: later calls repeat the result of the first, and never free a later hold.",
		test: func(t *trial) { // A4
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			t.release(h)
			t.release(h)
			for _, other := range []core.Provider{p, q} {
				next := t.acquire(t.lock(other, name))
				t.release(h)
				t.held(next)
				t.busy(t.lock(p, name))
				t.busy(t.lock(q, name))
				t.release(next)
			}
		},
	},
	{
		name: "release-by-many",
		text: "Of many concurrent calls of Release, while others watch the handle, one does the work; all of them report the same result.",
		test: func(t *trial) { // A14
			p, name := t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					for h.Err() == nil {
						runtime.Gosched()
					}
					<-h.Done()
				})
			}
			for range 100 {
				all.Go(func() {
					if err := h.Release(context.Background()); err != nil {
						t.Errorf("Release failed: %v", err)
					}
				})
			}
			t.finished(&all)
			t.matches("Err after Release", h.Err(), core.ErrReleased)
			next := t.try(t.lock(p, name))
			t.busy(t.lock(p, name))
			t.release(next)
		},
	},
	{
		name: "release-with-a-dead-context",
		text: "Release is carried out although its context is cancelled, and when it returns the lock is free.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			dead, cancel := context.WithCancel(t.Context())
			cancel()
			for range 3 {
				h := t.acquire(t.lock(p, name))
				if err := h.Release(dead); err != nil {
					t.Fatalf("Release with a cancelled context failed: %v", err)
				}
				t.matches("Err after Release", h.Err(), core.ErrReleased)
				t.release(t.try(t.lock(q, name)))
			}
		},
	},
	{
		name: "release-with-the-context-of-the-acquire",
		text: "Deferring Release with the context of the acquire is right, also when that context has ended.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			first := t.acquire(t.lock(q, name))
			ctx, cancel := t.patient()
			defer cancel()
			got := make(chan core.Handle, 1)
			go func() {
				h, err := t.lock(p, name).Acquire(ctx)
				if err != nil {
					t.Errorf("Acquire failed: %v", err)
				}
				got <- h
			}()
			t.release(first)
			h := <-got
			if h == nil {
				t.FailNow()
			}
			cancel()
			if err := h.Release(ctx); err != nil {
				t.Fatalf("Release failed: %v", err)
			}
			t.release(t.try(t.lock(q, name)))
		},
	},
	{
		name: "done-before-the-next-holder",
		text: "Done of a hold is closed, and Err tells of its end, before another party has the lock.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			for i := range 40 {
				former := h
				got := make(chan core.Handle, 1)
				go func() {
					ctx, cancel := t.patient()
					defer cancel()
					h, err := t.lock([]core.Provider{p, q}[i%2], name).Acquire(ctx)
					if err != nil {
						t.Errorf("Acquire failed: %v", err)
					} else if former.Err() == nil || !isClosed(former.Done()) {
						t.Errorf("the next holder has the lock, and the former one's handle says that it is held")
					}
					got <- h
				}()
				t.release(former)
				if h = <-got; h == nil {
					t.FailNow()
				}
			}
			t.release(h)
		},
	},
	{
		name: "release-by-another-goroutine",
		text: "Any goroutine may release a handle, and any may watch it.",
		test: func(t *trial) {
			l := t.lock(t.open(), t.name())
			h := t.acquire(l)
			watched := make(chan struct{})
			go func() {
				<-h.Done()
				close(watched)
			}()
			released := make(chan error, 1)
			go func() { released <- h.Release(context.Background()) }()
			select {
			case err := <-released:
				if err != nil {
					t.Errorf("Release failed: %v", err)
				}
			case <-time.After(t.patience()):
				t.Fatalf("Release does not return")
			}
			t.closed(watched, "a goroutine that watches Done sees the release")
			t.release(t.try(l))
		},
	},
	{
		name: "dropped-handle-is-released",
		text: "A handle that is dropped without Release is released when the garbage collector finds it.",
		test: func(t *trial) { // A15
			p, name := t.open(), t.name()
			drop(t, t.lock(p, name))
			next := t.collected(t.lock(p, name))
			t.release(next)
		},
	},
}

// isClosed reports whether a channel that is never sent to is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
