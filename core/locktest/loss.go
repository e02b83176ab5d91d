package locktest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var lossRules = []rule{
	{
		name:  "loss-is-told",
		text:  "When a hold ends without a release, Done is closed and Err matches ErrLost, for good.",
		needs: []need{canLose},
		test: func(t *trial) { // A12
			p, name := t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			done := h.Done()
			t.held(h)
			t.lose(p, name)
			t.closed(done, "Done of a hold that was lost is closed")
			t.lost(h)
			t.matches("Release of a hold that was lost", h.Release(t.Context()), core.ErrLost)
			t.lost(h)
		},
	},
	{
		name:  "loss-before-the-first-look",
		text:  "A loss is told also if nobody had asked for Done or Err when it happened.",
		needs: []need{canLose, isSingle},
		test: func(t *trial) { // A13
			p, q, name := t.open(), t.open(), t.name()
			ctx, cancel := t.patient()
			defer cancel()
			h, err := t.lock(p, name).Acquire(ctx) // t.acquire would look.
			if err != nil {
				t.Fatalf("Acquire failed: %v", err)
			}
			t.lose(p, name)
			next := t.soonFree(t.lock(q, name)) // Now it has happened.
			t.closed(h.Done(), "Done of a hold that was lost is closed")
			t.lost(h)
			t.release(next)
		},
	},
	{
		name:  "release-after-loss",
		text:  "Release of a hold that was lost matches ErrLost, returns at once, repeats itself, and never frees a later hold.",
		needs: []need{canLose},
		test: func(t *trial) { // A12
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			t.lose(p, name)
			t.closed(h.Done(), "Done of a hold that was lost is closed")
			var next core.Handle
			for i := range 3 {
				start := time.Now()
				t.matches("Release of a hold that was lost", h.Release(t.Context()), core.ErrLost)
				if took := time.Since(start); took > t.soon() {
					t.Errorf("Release of a hold that was lost took %v", took)
				}
				if i == 0 {
					next = t.soonFree(t.lock(q, name))
				}
			}
			t.held(next)
			t.busy(t.lock(p, name))
			t.release(next)
		},
	},
	{
		name:  "late-release-spares-the-next-holder",
		text:  "Release of a hold whose loss nobody has noticed yet never frees the hold of whoever came next.",
		needs: []need{canLose, isSingle},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			t.lose(p, name)
			next := t.soonFree(t.lock(q, name))
			if err := h.Release(t.Context()); err != nil && !errors.Is(err, core.ErrLost) {
				t.Errorf("Release of a hold that was lost: the error is %q; it must match ErrLost", err)
			}
			t.held(next)
			t.busy(t.lock(p, name))
			t.release(next)
		},
	},
	{
		name:  "loss-lets-a-waiter-in",
		text:  "When a hold is lost, whoever waits for the lock gets it.",
		needs: []need{canLose, isSingle},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w := t.wait(t.lock(q, name))
			t.lose(p, name)
			next := w.granted()
			t.closed(h.Done(), "Done of a hold that was lost is closed")
			t.held(next)
			t.busy(t.lock(t.open(), name))
			t.release(next)
		},
	},
	{
		name:  "loss-of-a-former-holder",
		text:  "A waiter that got the lock after a loss can lose it in its turn.",
		needs: []need{canLose, isSingle},
		test: func(t *trial) {
			p, name := t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w := t.wait(t.lock(p, name))
			t.lose(p, name)
			next := w.granted()
			t.closed(h.Done(), "Done of a hold that was lost is closed")
			t.lose(p, name)
			t.closed(next.Done(), "Done of the second hold that was lost is closed")
			t.lost(next)
		},
	},
	{
		name:  "provider-goes-on-after-a-loss",
		text:  "A provider that has lost a hold goes on: it acquires the same lock again, and others.",
		needs: []need{canLose},
		test: func(t *trial) {
			p, name, other := t.open(), t.name(), t.name()
			for range 2 {
				h := t.acquire(t.lock(p, name))
				t.lose(p, name)
				t.closed(h.Done(), "Done of a hold that was lost is closed")
				t.matches("Release of a hold that was lost", h.Release(t.Context()), core.ErrLost)
				t.release(t.soonFree(t.lock(p, name)))
				t.release(t.soonFree(t.lock(p, other)))
			}
		},
	},
	{
		name:  "loss-against-release",
		text:  "Of a loss and a release that come together one wins: the hold ends once, and stays as it ended.",
		needs: []need{canLose},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			for range 3 {
				h := t.acquire(t.lock(p, name))
				var result error
				var both sync.WaitGroup
				both.Go(func() { result = h.Release(context.Background()) })
				t.lose(p, name)
				both.Wait()
				if result != nil && !errors.Is(result, core.ErrLost) {
					t.Errorf("Release: the error is %q; it must be nil or match ErrLost", result)
				}
				t.closed(h.Done(), "Done of a hold that has ended is closed")
				err := h.Err()
				if errors.Is(err, core.ErrReleased) == errors.Is(err, core.ErrLost) {
					t.Errorf("Err is %v; it must match either ErrReleased or ErrLost", err)
				}
				if again := h.Release(t.Context()); errors.Is(again, core.ErrLost) != errors.Is(result, core.ErrLost) {
					t.Errorf("Release returned %v, and then %v", result, again)
				}
				if !errors.Is(h.Err(), err) {
					t.Errorf("Err was %v, and is %v", err, h.Err())
				}
				t.release(t.soonFree(t.lock(q, name)))
			}
		},
	},
	{
		name:  "loss-cancels-do",
		text:  "Do cancels the context of its function when the lock is lost, with a cause that matches ErrLost, and its error matches ErrLost whatever the function returns.",
		needs: []need{canLose},
		test: func(t *trial) { // D41 in the view of several locks
			p, name := t.open(), t.name()
			err := core.Do(t.Context(), t.lock(p, name), func(ctx context.Context) error {
				if err := ctx.Err(); err != nil {
					t.Errorf("the context of the function has ended at the start: %v", err)
				}
				t.lose(p, name)
				t.closed(ctx.Done(), "the context of Do's function ends")
				if cause := context.Cause(ctx); !errors.Is(cause, core.ErrLost) {
					t.Errorf("the cause is %v; it must match ErrLost", cause)
				}
				return nil
			})
			t.matches("Do", err, core.ErrLost)
		},
	},
}

// lost checks that a hold has ended by loss.
func (t *trial) lost(h core.Handle) {
	t.Helper()
	if !isClosed(h.Done()) {
		t.Fatalf("Done of a hold that was lost is open")
	}
	t.matches("Err of a hold that was lost", h.Err(), core.ErrLost)
	if errors.Is(h.Err(), core.ErrReleased) {
		t.Fatalf("Err of a hold that was lost matches ErrReleased: %v", h.Err())
	}
}
