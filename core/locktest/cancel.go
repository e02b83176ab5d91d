package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var cancelRules = []rule{
	{
		name: "done-context-fails-first",
		text: "An acquire whose context is done beforehand fails with that context's error, even if the lock is free, and has no effect.",
		test: func(t *trial) { // A6, A11
			p, name := t.open(), t.name()
			l := t.lock(p, name)
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			defer cancel()
			for range 20 {
				_, err := l.Acquire(cancelled)
				t.matches("Acquire", err, context.Canceled)
				_, err = l.TryAcquire(cancelled)
				t.matches("TryAcquire", err, context.Canceled)
				if errors.Is(err, core.ErrNotAcquired) {
					t.Errorf("TryAcquire: the error %q tells of a holder, whom nobody has looked for", err)
				}
				_, err = l.Acquire(late)
				t.matches("Acquire", err, context.DeadlineExceeded)
				_, err = l.TryAcquire(late)
				t.matches("TryAcquire", err, context.DeadlineExceeded)
			}
			t.release(t.try(t.lock(t.open(), name)))
		},
	},
	{
		name: "cancel-returns-at-once",
		text: "A wait that is cancelled returns at once, with an error that matches context.Canceled and not DeadlineExceeded, and tells of the holder.",
		test: func(t *trial) { // A6
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			for _, other := range []core.Provider{p, q} {
				w := t.wait(t.lock(other, name))
				w.cancel()
				err := w.failed()
				t.matches("Acquire", err, context.Canceled, core.ErrNotAcquired)
				if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrUnavailable) {
					t.Errorf("Acquire: the error is %q; it must tell of the cancellation", err)
				}
			}
			t.release(h)
		},
	},
	{
		name: "cancelled-waiter-leaves",
		text: "A waiter that was cancelled leaves nothing behind: once the holder has left, the lock is free.",
		test: func(t *trial) { // B25
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			for _, other := range []core.Provider{p, q, q} {
				w := t.wait(t.lock(other, name))
				w.cancel()
				w.failed()
			}
			t.release(h)
			t.release(t.soonFree(t.lock(t.open(), name)))
		},
	},
	{
		name: "cancelled-waiter-lets-the-next-one-in",
		text: "A waiter that was cancelled gives its place to the one behind it.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w1, w2 := t.wait(t.lock(q, name)), t.wait(t.lock(q, name))
			w3, w4 := t.wait(t.lock(p, name)), t.wait(t.lock(p, name))
			w1.cancel()
			w1.failed()
			w3.cancel()
			w3.failed()
			t.release(h)
			for range 2 {
				select {
				case <-w2.done:
					t.release(w2.granted())
					w2 = w4
				case <-w4.done:
					t.release(w4.granted())
					w4 = w2
				case <-time.After(t.patience() + t.h.Lease):
					t.Fatalf("the lock is free and a waiter is not let in")
				}
			}
		},
	},
	{
		name: "cancel-at-the-grant",
		text: "An acquire that is cancelled at the moment of the grant either holds the lock, or fails and the lock is free: never both, never neither.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			for i := range 60 {
				h := t.acquire(t.lock(p, name))
				w := t.start(t.lock([]core.Provider{p, q}[i%2], name))
				select {
				case <-w.queued:
				case <-time.After(t.h.Pause):
				}
				var both sync.WaitGroup
				both.Go(func() {
					if err := h.Release(context.Background()); err != nil {
						t.Errorf("Release failed: %v", err)
					}
				})
				both.Go(func() {
					spin(rand.IntN(2000))
					w.cancel()
				})
				both.Wait()
				t.closed(w.done, "Acquire returns after it was cancelled")
				if w.err != nil {
					t.matches("Acquire", w.err, context.Canceled)
					t.release(t.soonFree(t.lock(q, name)))
					continue
				}
				t.held(w.h)
				t.busy(t.lock(q, name))
				t.release(w.h)
			}
		},
	},
	{
		name: "storm-of-cancels",
		text: "A thousand acquires that are cancelled at random leave nothing held and nobody waiting, and never let two in.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var inside gate
			var all sync.WaitGroup
			for i := range 50 {
				l := t.lock([]core.Provider{p, q}[i%2], name)
				all.Go(func() {
					for range 20 {
						ctx, cancel := context.WithTimeout(context.Background(), rand.N(8*time.Millisecond))
						h, err := l.Acquire(ctx)
						if err == nil {
							inside.pass(t)
							err = h.Release(ctx)
						}
						cancel()
						t.nothingBut(context.DeadlineExceeded, err)
					}
				})
			}
			t.finished(&all)
			inside.check(t)
			t.release(t.soonFree(t.lock(p, name)))
			t.release(t.soonFree(t.lock(q, name)))
		},
	},
}
