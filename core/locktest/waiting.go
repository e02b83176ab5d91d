package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
)

var waitingRules = []rule{
	{
		name: "acquire-waits",
		text: "Acquire waits while the lock is held, and holds it once it was released.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w := t.wait(t.lock(p, name))
			t.release(h)
			next := w.granted()
			t.busy(t.lock(p, name))
			t.release(next)
		},
	},
	{
		name: "acquire-waits-for-another-provider",
		text: "A release reaches the waiters of other processes.",
		test: func(t *trial) { // A16
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w := t.wait(t.lock(q, name))
			t.release(h)
			next := w.granted()
			t.busy(t.lock(p, name))
			t.release(next)
		},
	},
	{
		name: "woken-every-time",
		text: "No wake-up is lost: two waiters that pass a lock to and fro never come to a stop.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			for i := range 50 {
				w := t.start(t.lock([]core.Provider{p, q}[i%2], name))
				// The release comes when it waits, or when it is about to.
				time.Sleep(rand.N(t.h.Pause / 2))
				t.release(h)
				h = w.granted()
			}
			t.release(h)
		},
	},
	{
		name: "wait-ends-with-the-deadline",
		text: "A wait that the context's deadline ends fails then, not before and not much later, and the error tells that somebody holds the lock.",
		test: func(t *trial) { // A5, D39
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			for _, other := range []core.Provider{p, q} {
				err := t.timesOut(t.lock(other, name))
				if errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrClosed) {
					t.Errorf("Acquire: the error %q tells of the backend; a holder is the reason", err)
				}
				var e *core.Error
				if !errors.As(err, &e) || !strings.HasPrefix(e.Name, name) {
					t.Errorf("Acquire: the error %q is not an *Error with the name %q", err, name)
				}
			}
			t.held(h)
			t.release(h)
		},
	},
	{
		name: "try-does-not-wait",
		text: "TryAcquire returns at once, also if others wait.",
		test: func(t *trial) { // A5
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w := t.wait(t.lock(p, name))
			for _, other := range []core.Provider{p, q} {
				start := time.Now()
				t.busy(t.lock(other, name))
				if took := time.Since(start); took > t.soon() {
					t.Errorf("a busy TryAcquire took %v", took)
				}
			}
			w.blocked()
			t.release(h)
			t.release(w.granted())
		},
	},
	{
		name: "try-does-not-overtake",
		text: "TryAcquire never takes the lock from under a waiter of its process, not even at the moment of a release.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			for range 10 {
				h := t.acquire(t.lock(p, name))
				w := t.wait(t.lock(p, name))
				t.release(h)
				t.busy(t.lock(p, name))
				t.release(w.granted())
			}
		},
	},
	{
		name: "context-bounds-the-wait-only",
		text: "The context of an acquire bounds the wait and never the hold: when it ends later, the lock stays held.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			for _, l := range []core.Lock{t.lock(p, name), t.lock(q, name)} {
				ctx, cancel := t.patient()
				h, err := l.Acquire(ctx)
				if err != nil {
					t.Fatalf("Acquire failed: %v", err)
				}
				cancel()
				t.pause()
				t.held(h)
				t.busy(t.lock(q, name))
				w := t.wait(t.lock(p, name))
				t.release(h)
				next := w.granted() // And so for one that was granted after a wait.
				w.cancel()
				t.pause()
				t.held(next)
				t.busy(t.lock(q, name))
				t.release(next)
			}
		},
	},
	{
		name: "held-lock-stays-held",
		text: "A hold has no end but release and loss; failed attempts and waits of others leave it as it is.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			for range 20 {
				t.busy(t.lock(p, name))
				t.busy(t.lock(q, name))
			}
			w := t.wait(t.lock(q, name))
			w.cancel()
			w.failed()
			t.held(h)
			t.busy(t.lock(q, name))
			t.release(h)
		},
	},
}

// timesOut waits for a lock that is held until a deadline, and returns the
// error, which must tell of both. A backend that has not found the holder by
// then is given more time.
func (t *trial) timesOut(l core.Lock) error {
	t.Helper()
	for limit := 50*time.Millisecond + 4*t.h.Pause; ; limit *= 2 {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		h, err := l.Acquire(ctx)
		took := time.Since(start)
		cancel()
		if h != nil || err == nil {
			t.Fatalf("Acquire of a lock that is held returned %v, %v", h, err)
		}
		if took < limit || took > limit+t.soon() {
			t.Fatalf("Acquire returned after %v; the deadline was %v away", took, limit)
		}
		if errors.Is(err, core.ErrNotAcquired) || limit > t.soon() {
			t.matches("Acquire", err, context.DeadlineExceeded, core.ErrNotAcquired)
			return err
		}
	}
}
